"""How figures are set: for a screen, or at their final size for a paper."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ccx_cli.errors import UsageError


class Venue(StrEnum):
    """A conference whose style file says how wide its columns are."""

    NEURIPS = "neurips"
    ICML = "icml"
    CVPR = "cvpr"
    ICLR = "iclr"


class Font(StrEnum):
    """A kind of typeface."""

    SANS = "sans"
    SERIF = "serif"


# Widths of a column and of the text, and height of the text, in inches, from neurips_2023.sty,
# icml2024.sty, cvpr.sty (2025) and iclr2024_conference.sty.
_PAGES = {
    Venue.NEURIPS: (5.5, 5.5, 9.0),
    Venue.ICML: (3.25, 6.75, 9.0),
    Venue.CVPR: (3.28125, 6.875, 8.875),
    Venue.ICLR: (5.5, 5.5, 9.0),
}
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
_LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(in|cm|mm|pt)")
_NARROWEST, _WIDEST = 2.0, 20.0


@dataclass(frozen=True, slots=True)
class Style:
    """How a figure is set.

    ``width`` is that in a paper in inches, ``None`` for as wide as the content is on a screen, and
    ``height`` that of the paper's text; ``dpi`` are the dots per inch of photographs, and of a PNG,
    ``None`` for as many as there are to see. A ``title`` says what the caption of a paper does.
    """

    width: float | None = None
    height: float = 9.0
    font: Font = Font.SANS
    dpi: int | None = None
    title: bool = True

    @property
    def in_paper(self) -> bool:
        """Whether the figure is set at its final size."""
        return self.width is not None

    def dots(self, on_screen: int) -> int:
        """Return the dots per inch, ``on_screen`` where nothing else is asked for."""
        return self.dpi or (300 if self.in_paper else on_screen)

    @property
    def text(self) -> float:
        """Size of most text in points: 8 in a paper, whose own text has 10."""
        return 8.0 if self.in_paper else 10.0

    @property
    def small(self) -> float:
        """Size of numbers at axes and of notes in points."""
        return 7.0 if self.in_paper else 9.0


SCREEN = Style()


def style_of(
    paper: Venue | None, width: str | None, font: Font | None, dpi: int | None, *, title: bool
) -> Style:
    """Return the style that is asked for.

    ``width`` is a length such as ``5.5in`` or ``14cm``, or ``column`` or ``text`` of a ``paper``.
    Raises ``UsageError`` if it is none of these, or no figure of that width can be read.
    """
    column, text, height = _PAGES[paper] if paper else (None, None, 9.0)
    named = {"column": column, "text": text}
    if width is None:
        inches = column
    elif width in named:
        inches = named[width]
        if inches is None:
            raise UsageError(f"`width` {width} is that of a venue: name it with `paper`.")
    else:
        length = _LENGTH.fullmatch(width.strip())
        if length is None:
            raise UsageError(
                f"`width` {width} is no width: give it in in, cm, mm or pt, such as 5.5in, or as "
                "column or text with `paper`."
            )
        inches = float(length[1]) * _INCHES[length[2]]
        if not _NARROWEST <= inches <= _WIDEST:
            raise UsageError(
                f"`width` {width} is not from {_NARROWEST:g}in to {_WIDEST:g}in: give another."
            )
    return Style(
        width=inches,
        height=height,
        font=font or (Font.SERIF if paper else Font.SANS),
        dpi=dpi,
        title=title and paper is None,
    )
