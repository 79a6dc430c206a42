from __future__ import annotations

import pytest

from ccx_cli.errors import UsageError
from ccx_cli.render.style import Font, Style, Venue, style_of


def _style(paper: Venue | None = None, width: str | None = None, **given: int | None) -> Style:
    return style_of(paper, width, None, given.get("dpi"), title=True)


@pytest.mark.parametrize(
    ("paper", "width", "inches"),
    [
        (None, None, None),
        (Venue.NEURIPS, None, 5.5),
        (Venue.ICML, None, 3.25),
        (Venue.ICML, "text", 6.75),
        # Two columns and what is between them are the text.
        (Venue.CVPR, "column", (6.875 - 0.3125) / 2),
        (Venue.CVPR, "12cm", 12 / 2.54),
        (None, "5.5in", 5.5),
        (None, "345 pt", 345 / 72.27),
    ],
)
def test_widths(paper: Venue | None, width: str | None, inches: float | None) -> None:
    found = _style(paper, width).width
    assert found == (None if inches is None else pytest.approx(inches))


@pytest.mark.parametrize(
    ("width", "sentence"),
    [
        ("text", "`width` text is that of a venue: name it with `paper`."),
        ("wide", "`width` wide is no width: give it in in, cm, mm or pt"),
        ("5.5", "is no width"),
        ("1in", "is not from 2in to 20in"),
        ("900mm", "is not from 2in to 20in"),
    ],
)
def test_widths_that_cannot_be_meant(width: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        _style(None, width)
    assert sentence in str(error.value)


def test_a_paper_has_serifs_no_title_and_fine_images() -> None:
    paper, screen = _style(Venue.ICLR), _style()
    assert (paper.font, paper.title, paper.dots(100)) == (Font.SERIF, False, 300)
    assert (screen.font, screen.title, screen.dots(100)) == (Font.SANS, True, 100)
    assert (paper.text, paper.small) == (8, 7)
    given = style_of(Venue.ICLR, None, Font.SANS, 600, title=True)
    assert (given.font, given.dots(100)) == (Font.SANS, 600)
    assert not style_of(None, "3in", None, None, title=False).title
