from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.formulas.formula import And, Concept, Not, to_json
from ccx_cli.probe.activations import Activations
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import same_everywhere
from ccx_cli.render.layout import Layout, pages_of
from ccx_cli.render.panel import Row, draw_panel, draw_published, rows_of
from ccx_cli.render.style import SCREEN, Font, Style
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.labelled_pixels import random_pixels
else:
    from explanations import explanation
    from labelled_pixels import random_pixels

SHAPE = (16, 16)
SIZES = ((32, 32), (300, 150), (224, 224), (60, 60))


class _Maps:
    """Activations that were read already."""

    def __init__(self, maps: NDArray[np.float32]) -> None:
        self._maps = maps

    def unit(self, _unit: int) -> NDArray[np.float32]:
        return self._maps


def _record(cluster: int, lower: float, upper: float | None) -> ExplanationRecord:
    return explanation(
        7,
        cluster,
        num_ranges=3,
        range=[lower, upper],
        labels=to_json(And(Concept(1), Not(Concept(2)))),
        formula="one AND NOT two",
        iou=0.1,
        proven=True,
    )


@pytest.fixture
def found() -> UnitImages:
    rng = np.random.default_rng(0)
    index = random_pixels(rng, len(SIZES), SHAPE, [1, 2, 3]).index()
    maps = rng.random((len(SIZES), 4, 4), dtype=np.float32)
    # The highest range is met in two images only, the middle one nowhere.
    maps[:2, 0, 0] = 2
    records = [_record(0, 0.2, 0.9), _record(1, 5, 6), _record(2, 1.2, None)]
    return look_at_unit(7, records, index, cast(Activations, _Maps(maps)))


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(1)
    made = []
    for number, size in enumerate(SIZES):
        made.append(tmp_path / f"{number}.png")
        pixels = rng.integers(0, 255, (*size[::-1], 3)).astype(np.uint8)
        Image.fromarray(pixels).save(made[-1])
    return made


def _panel(found: UnitImages, rows: list[Row], top_k: int = 3, style: Style = SCREEN) -> Figure:
    return draw_panel("net", [(found, rows)], Show.TOP, Layout.of(style, top_k))


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def _pictures(figure: Figure) -> list[AxesImage]:
    """The images shown; the legend's swatch is small."""
    return [each for each in figure.axes[0].images if np.asarray(each.get_array()).shape[0] > 20]


def _rows(found: UnitImages, paths: list[Path], show: Show = Show.TOP) -> list[Row]:
    rows, troubles = rows_of(found, paths, show, 3, 0)
    assert not troubles
    return rows


def test_rows_hold_what_was_chosen_the_highest_range_first(
    found: UnitImages, paths: list[Path]
) -> None:
    rows = _rows(found, paths)
    assert [row.record.cluster for row in rows] == [2, 1, 0]
    assert [len(row.shots) for row in rows] == [2, 0, 3]
    for place, shot in zip(found.choose(0, Show.TOP, 3), rows[2].shots, strict=True):
        np.testing.assert_array_equal(shot.hits, found.hit_mask(0, place))
        np.testing.assert_array_equal(shot.formula, found.formula_mask(0, place))
        assert shot.picture is not None
        assert shot.picture.shape[:2] == SIZES[place][::-1]


def test_captions_tell_the_images_own_iou(found: UnitImages, paths: list[Path]) -> None:
    shot = _rows(found, paths)[2].shots[0]
    both, either = (shot.hits & shot.formula).sum(), (shot.hits | shot.formula).sum()
    assert shot.caption.startswith(f"IoU {both / either:.4f} · peak ")


def test_panel_shows_what_there_is_and_says_what_is_not(
    found: UnitImages, paths: list[Path]
) -> None:
    figure = _panel(found, _rows(found, paths))
    texts = _texts(figure)
    assert len(_pictures(figure)) == 5
    assert texts.count("one AND NOT two") == 3
    assert "range 2 · activation 1.2 … ∞ · IoU 0.1000 · proven over the search space" in texts
    assert "only 2 such image" in " ".join(texts)
    assert "No image has hits." in texts
    # The strip with the distribution.
    assert figure.axes[1].get_yscale() == "log"


def test_pictures_stand_at_their_proportions_without_overlapping(
    found: UnitImages, paths: list[Path]
) -> None:
    figure = _panel(found, _rows(found, paths))
    height = figure.get_figheight() * 100
    boxes = []
    for image in figure.axes[0].images:
        left, right, bottom, top = image.get_extent()
        assert 0 <= left < right <= figure.get_figwidth() * 100
        assert 0 <= top < bottom <= height
        array = np.asarray(image.get_array())
        assert (bottom - top, right - left) == array.shape[:2]
        boxes.append((left, right, top, bottom))
    for one, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[:one]:
            assert right <= other[0] or left >= other[1] or bottom <= other[2] or top >= other[3]


def test_published_panel_shows_hits_alone(found: UnitImages, paths: list[Path]) -> None:
    rows = _rows(found, paths)
    figure = draw_published(rows, Layout.of(SCREEN, 3))
    assert [text for text in _texts(figure) if text != "no image"] == ["one AND NOT two"] * 3
    shots = [shot for row in rows for shot in row.shots]
    for image, shot in zip(figure.axes[0].images, shots, strict=True):
        seen = np.asarray(image.get_array()).any(axis=2).mean()
        assert seen == pytest.approx(shot.hits.mean(), abs=0.02)


def test_missing_image_has_a_placeholder_and_is_told_once(
    found: UnitImages, paths: list[Path]
) -> None:
    paths[0].unlink()
    paths[1].write_text("no image")
    rows, troubles = rows_of(found, paths, Show.TOP, 4, 0)
    assert len(troubles) == 2
    assert f"{paths[0]} is missing: restore the dataset." in troubles
    shots = [shot for row in rows for shot in row.shots]
    gone = sum(shot.picture is None for shot in shots)
    assert gone >= 2
    for figure in (
        _panel(found, rows, 4),
        draw_published(rows, Layout.of(SCREEN, 4)),
    ):
        assert _texts(figure).count("cannot be read") == gone
        assert len(_pictures(figure)) == len(shots) - gone


def test_long_formulas_wrap_inside_the_figure(found: UnitImages, paths: list[Path]) -> None:
    formula = f'"{" ".join(f"concept_{number}" for number in range(60))}" AND NOT two'
    first, *others = _rows(found, paths)
    rows = [Row(replace(first.record, formula=formula), first.shots), *others]
    figure = _panel(found, rows)
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.get_figwidth() * 100
    assert formula in " ".join(_texts(figure))


def test_unit_that_never_fires_says_so(paths: list[Path]) -> None:
    index = random_pixels(np.random.default_rng(0), 2, SHAPE, [1, 2]).index()
    dead = explanation(7, None)
    maps = cast(Activations, _Maps(np.zeros((2, 4, 4), np.float32)))
    found = look_at_unit(7, [dead], index, maps)
    rows, _ = rows_of(found, paths, Show.TOP, 3, 0)
    figure = _panel(found, rows)
    assert "This unit has no range: it never fires." in _texts(figure)
    assert _texts(draw_published(rows, Layout.of(SCREEN, 3))) == ["no range"]


@pytest.mark.parametrize("width", [3.25, 5.5])
@pytest.mark.parametrize("font", list(Font))
def test_a_panel_in_a_paper_has_its_width_and_legible_text(
    width: float, font: Font, found: UnitImages, paths: list[Path]
) -> None:
    style = Style(width=width, font=font, title=False)
    with same_everywhere(style):
        layout = Layout.of(style, 3)
        units = [(found, _rows(found, paths))] * 2
        figure = draw_panel("net", units, Show.TOP, layout)
        figure.canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert figure.get_figwidth() == width
    assert {text.get_fontsize() for text in figure.axes[0].texts} == {7.0, 8.0}
    assert _texts(figure).count("Unit 7") == 2
    assert all(box.x0 >= -1 and box.x1 <= 300 * width + 1 for box in boxes)
    assert len(figure.axes) == 1
    for image in _pictures(figure):
        left, right, bottom, top = image.get_extent()
        pixels = np.asarray(image.get_array()).shape[:2]
        assert (3 * (bottom - top), 3 * (right - left)) == pytest.approx(pixels)
        assert right <= 100 * width + 0.5


def test_units_fill_the_pages_of_a_paper(found: UnitImages, paths: list[Path]) -> None:
    style = Style(width=3.25, title=False)
    layout = Layout.of(style, 3)
    units = {number: list(found.records) for number in range(5)}
    with same_everywhere(style):
        pages = pages_of(units, layout, 14)
        rows = _rows(found, paths)
        for page in pages:
            drawn = draw_panel("net", [(found, rows)] * len(page), Show.TOP, layout)
            assert drawn.get_figheight() <= 14
    assert [unit for page in pages for unit in page] == list(range(5))
    assert 1 < len(pages) < 5
    assert pages_of(units, layout, 1) == [[unit] for unit in units]
