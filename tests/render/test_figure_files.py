from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.errors import UsageError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import Canvas, write_figure
from ccx_cli.render.figure_files import Drawing, FileType, Kind, existing_figures, figure_names
from ccx_cli.render.style import Style
from ccx_cli.study.unit_images import Show

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

UNITS = {
    3: [explanation(3, num_clusters=5, num_ranges=4)],
    12: [explanation(12, None, num_clusters=5)],
}


def _drawing(kind: Kind = Kind.PANEL, file_type: FileType = FileType.PNG) -> Drawing:
    return Drawing(kind, Show.MISSES, 5, 0, file_type, 0.01)


@pytest.mark.parametrize(
    ("kind", "pattern", "expected"),
    [
        (Kind.PUBLISHED, None, ["unit_3_c_5.png", "unit_12_c_5.png"]),
        (Kind.PANEL, None, ["unit_3_c_5_misses.png", "unit_12_c_5_misses.png"]),
        (Kind.IOU, None, ["iou.png"]),
        (Kind.PANEL, "{kind} {unit}", ["panel 3.png", "panel 12.png"]),
        (Kind.CATEGORIES, "fig.2 {kind}", ["fig.2 categories.png"]),
    ],
)
def test_names(kind: Kind, pattern: str | None, expected: list[str]) -> None:
    assert figure_names(pattern, _drawing(kind), _groups(kind)) == expected


def _groups(kind: Kind) -> list[dict[int, list[ExplanationRecord]]]:
    if not kind.of_one_unit:
        return [UNITS]
    return [{unit: records} for unit, records in UNITS.items()]


def test_panels_of_a_paper_are_numbered_by_page() -> None:
    drawing = replace(_drawing(), style=Style(width=3.25))
    assert figure_names(None, drawing, [UNITS]) == ["panel.png"]
    both, pages = [UNITS, UNITS], [{3: UNITS[3]}, {12: UNITS[12]}]
    assert figure_names(None, drawing, both) == ["panel-1.png", "panel-2.png"]
    alone = ["unit_3_c_5_misses.png", "unit_12_c_5_misses.png"]
    assert figure_names(None, drawing, pages) == alone
    assert figure_names(None, drawing, pages[:1]) == alone[:1]
    assert figure_names("fig {show}", drawing, pages) == ["fig misses-1.png", "fig misses-2.png"]
    assert not drawing.units_share("{unit}")
    assert figure_names("{unit}", drawing, pages) == ["3.png", "12.png"]


@pytest.mark.parametrize(
    ("kind", "pattern", "sentence"),
    [
        (Kind.PANEL, "figure", "one name for 2 units: add {unit} to it"),
        (
            Kind.PANEL,
            "{units}",
            "unknown field {units}: this kind has {k}, {kind}, {show}, {unit}.",
        ),
        (Kind.IOU, "{unit}", "unknown field {unit}: this kind has {kind}, {show}."),
        (Kind.PANEL, "a/{unit}", "set the directory with `dir_images`"),
        (Kind.PANEL, "..", "not a file name"),
        (Kind.PANEL, "", "not a file name"),
    ],
)
def test_names_that_cannot_be_meant(kind: Kind, pattern: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=r"`filename_figure`") as error:
        figure_names(pattern, _drawing(kind), _groups(kind))
    assert sentence in str(error.value)


def test_only_the_same_figures_stay(tmp_path: Path) -> None:
    wanted = [(tmp_path / name, f"ccx-{name}") for name in ("same", "gaps", "new")]
    for name, whole in (("same", True), ("gaps", False)):
        figure = Canvas.of_size(10, 10).figure
        write_figure(figure, tmp_path / name, FileType.PNG, f"ccx-{name}", whole=whole)
    assert existing_figures(wanted, tmp_path, force=False) == {tmp_path / "same"}
    assert existing_figures(wanted, tmp_path, force=True) == set()
    (tmp_path / "new").write_text("something of the user's")
    with pytest.raises(UsageError, match=r"new exists and shows something else"):
        existing_figures(wanted, tmp_path, force=False)
    assert existing_figures(wanted, tmp_path, force=True) == set()


def test_a_file_in_the_directorys_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"`dir_images` .*file is not a directory"):
        existing_figures([], tmp_path / "file" / "below", force=False)
