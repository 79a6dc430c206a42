"""Every view, by its keys and by the mouse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from textual.widgets import Input, Static

from ccx_cli.store.paths import Roots
from ccx_cli.tui import pictures
from ccx_cli.tui.gallery import Gallery, PictureView
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.pictures import Picture
from ccx_cli.tui.record_text import best_of_units
from ccx_cli.tui.table import Table
from ccx_cli.tui.unit import UnitView
from ccx_cli.tui.unit_data import UnitData
from ccx_cli.tui.units import UnitsView

if TYPE_CHECKING:
    from tests.tui.piloted import Driven, drive, driven
    from tests.tui.stored_golden import BEAM, DEAD, OPTIMAL
else:
    from piloted import Driven, drive, driven
    from stored_golden import BEAM, DEAD, OPTIMAL

pytestmark = pytest.mark.slow


def _units(seen: Driven) -> list[int]:
    return [row.unit for row in seen.app.screen.query_one(Table).rows]


def _units_view(seen: Driven) -> UnitsView:
    screen = seen.app.screen
    assert isinstance(screen, UnitsView)
    return screen


def _has_picture(seen: Driven) -> bool:
    return any(len(blocks.strips) > 2 for blocks in seen.app.screen.query(Picture))


def test_runs_are_listed_and_opened(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots) as seen:
            await seen.until("stored runs", "2 runs", "7 of 7", "optimal", "beam")
            await seen.press("down")
            await seen.press("enter")
            await seen.until("units resnet18", "7 of 7 units")
            await seen.press("escape")
            await seen.until("stored runs")
            await seen.press("escape")
            assert "stored runs" in seen.text

    drive(scene())


def test_no_run_is_said_with_what_makes_one(tmp_path: Path) -> None:
    from ccx_cli.store.paths import resolve_roots

    async def scene() -> None:
        async with driven(resolve_roots(tmp_path)) as seen:
            await seen.until("`ccx demo`")
            await seen.press("enter", "c")
            assert seen.app.is_running

    drive(scene())


def test_units_are_sorted_and_filtered(roots: Roots, run: OpenRun) -> None:
    records = list(run.shown.values())
    best = {u: max(r.mcc or -1 for r in records if r.unit == u) for u in run.run.units}
    name = "red-c"

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units", "object")
            assert _units(seen) == sorted(range(7), key=lambda unit: -best[unit])
            await seen.press("b")
            await seen.until("15 of 15 ranges")
            await seen.press("s")
            assert _units(seen) == sorted(r.unit for r in records)
            await seen.press("S")
            assert _units(seen) == sorted((r.unit for r in records), reverse=True)
            await seen.press("slash")
            await seen.type(name)
            shown = seen.app.screen.query_one(Table).rows
            fitting = [r for r in records if r.formula and name in r.formula]
            assert len(shown) == len(fitting) > 0
            await seen.press("escape")
            await seen.until("15 of 15 ranges")
            assert isinstance(seen.app.focused, Table)
            await seen.press("slash")
            await seen.type("4")
            assert set(_units(seen)) == {4}
            await seen.press("enter")
            assert isinstance(seen.app.focused, Table)
            await seen.press("x", "slash", "escape")
            assert isinstance(seen.app.focused, Table)
            await seen.press("escape")
            await seen.until("stored runs")

    drive(scene())


def test_a_filter_of_several_words_says_what_it_does_not_know(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units", "object")
            screen = _units_view(seen)
            await seen.until_so(lambda: bool(screen._category(screen.table.rows[0])))
            category = screen._category(screen.table.rows[0])
            await seen.press("slash")
            await seen.type(f"range:2 iou>0 category:{category}")
            rows = screen.table.rows
            assert rows
            assert {row.cluster for row in rows} == {2}
            assert {screen._category(row) for row in rows} == {category}
            await seen.type(" likeness>1")
            await seen.until("No column is called 'likeness': unit")

    drive(scene())


def test_the_formula_as_stored_is_shown_on_demand(roots: Roots, run: OpenRun) -> None:
    key = next(key for key, record in run.shown.items() if record != run.stored[key])
    short, stored = run.shown[key].formula, run.stored[key].formula

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, key[0], size=(140, 44)) as seen:
            await seen.until(f"unit {key[0]}  layer4", "Activation coverage")
            view = seen.app.screen.query_one(Table)
            assert short in {row.formula for row in view.rows}
            await seen.press("v")
            assert stored in {row.formula for row in view.rows}
            await seen.press("escape")
            await seen.until("formulas as stored")
            await seen.press("v")
            await seen.until("7 of 7 units", gone="formulas as stored")

    drive(scene())


def test_a_unit_is_gone_to_by_its_number(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units", "object")
            await seen.press("colon", "4", "enter")
            await seen.until("unit 4  layer4")
            await seen.press("colon", "escape", "colon", "2", "enter")
            await seen.until("unit 2  layer4")
            await seen.press("ctrl+p")
            await seen.until("Search for commands")
            await seen.press(*"unit", "space", "5")
            await seen.until("Show this unit")
            await seen.press("enter")
            await seen.until("unit 5  layer4")
            await seen.press("colon", "9", "9", "enter")
            await seen.until("has no lines of unit 99")
            await seen.press("escape")
            await seen.until("7 of 7 units")

    drive(scene())


def test_wide_lists_show_activations_and_images_beside_them(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, size=(130, 40)) as seen:
            await seen.until("7 of 7 units", "most active", "log scale")
            await seen.until_so(lambda: _has_picture(seen), "a picture")
            await seen.press("o")
            await seen.until("concepts of", "most of the concept")
            await seen.press("escape", "escape")
            await seen.until("stored runs", "most surprising", "most active")
            await seen.pilot.resize_terminal(80, 24)
            await seen.until("i Images", gone="most active")
            await seen.press("i")
            await seen.until("most active")
            await seen.until_so(lambda: _has_picture(seen), "a picture")

    drive(scene())


def test_mouse_moves_sorts_and_opens(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units", "object")
            await seen.pilot.click(Table, offset=(3, 0))
            await seen.pilot.pause()
            assert _units(seen) == list(range(7))
            await seen.pilot.click(Table, offset=(30, 4))
            await seen.pilot.pause()
            assert seen.app.screen.query_one(Table).row.unit == 3
            await seen.pilot.click(Table, offset=(30, 4))
            await seen.until("unit 3  layer4")

    drive(scene())


def test_unit_shows_histogram_formulas_metrics_and_images(roots: Roots, run: OpenRun) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2, size=(140, 44)) as seen:
            await seen.until("unit 2  layer4", "Activation coverage", "Unit 2 responds", "█")
            await seen.until_so(lambda: _has_picture(seen), "a picture")
            best = max(run.records_of(2), key=lambda record: record.mcc or -1)
            assert seen.app.screen.query_one(Table).row.cluster == best.cluster
            assert f"{best.iou:.4f}" in seen.text
            assert "proven" in seen.text
            await seen.press("home", "w")
            await seen.until("sample above the IoU")
            await seen.press("w", "w", "w")
            await seen.until("most active")
            await seen.press("m")
            await seen.until("▓ hits", gone="▢ formula")
            order = [each.unit for each in best_of_units(run.shown.values())]
            position = order.index(2)
            await seen.press("n")
            await seen.until(f"unit {order[position + 1]}  layer4")
            await seen.press("p", "p")
            await seen.until(f"unit {order[position - 1]}  layer4")

    drive(scene())


def test_more_images_and_one_alone(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2, size=(140, 44)) as seen:
            await seen.until_so(lambda: _has_picture(seen), "a picture")
            await seen.until("most active  1-")
            first = seen.app.screen.query_one(Gallery).first
            await seen.press("right_square_bracket")
            await seen.until_so(lambda: seen.app.screen.query_one(Gallery).first > first)
            await seen.press("left_square_bracket")
            await seen.until("most active  1-")
            await seen.press("enter")
            await seen.until_so(lambda: isinstance(seen.app.screen, PictureView))
            await seen.until("1 of ", "IoU ")
            await seen.until_so(lambda: _has_picture(seen), "the picture")
            await seen.press("right")
            await seen.until("2 of ")
            await seen.press("escape")
            await seen.until("unit 2  layer4")

    drive(scene())


def test_dead_unit_is_shown(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, DEAD) as seen:
            await seen.until(f"unit {DEAD}  layer4", "never fires")
            await seen.until("never fires", gone="reading")
            await seen.press("i")
            await seen.until("no images: the unit never fires")
            await seen.press("y")
            await seen.until("no formula here")

    drive(scene())


def test_typed_formula_is_scored_on_every_range(roots: Roots, run: OpenRun) -> None:
    record = run.records_of(2)[2]
    formula = record.formula or ""

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2) as seen:
            await seen.until("Activation coverage")
            await seen.press("f")
            await seen.type(formula)
            await seen.until("The same pixels as the formula found for range 2", "+0.0000")
            await seen.press("escape", "y")
            assert seen.app.clipboard == formula
            drawn = seen.app.screen.query_one(Gallery)._pictures
            assert drawn is not None
            screen = seen.app.screen
            assert isinstance(screen, UnitView)
            data = screen._data
            assert data is not None
            assert drawn.formula(0).sum() == data.images.formula_mask(2, 0).sum()
            await seen.press("f")
            seen.app.screen.query_one("#formula", Input).value = "red-d"
            await seen.until("No concept is called 'red-d'", "did you mean red-c")
            seen.app.screen.query_one("#formula", Input).value = "red AND"
            await seen.until("ends after")
            seen.app.screen.query_one("#formula", Input).value = ""
            await seen.until_so(lambda: "yours" not in seen.text)

    drive(scene())


def test_names_are_completed(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2) as seen:
            await seen.until("Activation coverage")
            box = seen.app.screen.query_one("#formula", Input)
            await seen.until_so(lambda: box.suggester is not None)
            await seen.press("f", "left_parenthesis", *"red", "space", *"or", "space", *"bla")
            await seen.until_so(lambda: box._suggestion == "(red or black")
            await seen.press("right")
            assert box.value == "(red or black"
            await seen.until("never closes")
            await seen.type(")")
            await seen.until("Scored as red OR black", "yours")

    drive(scene())


def test_concepts_and_one_of_them(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, size=(140, 40)) as seen:
            await seen.until("7 of 7 units")
            await seen.press("o")
            await seen.until("concepts of", " concepts", "negated", gone="...")
            await seen.press("slash")
            await seen.type("red")
            await seen.press("enter", "enter")
            await seen.until('concept="red-c"', " ranges")
            rows = seen.app.screen.query_one(Table).rows
            assert rows
            assert all("red-c" in row.names.values() for row in rows)
            await seen.press("enter")
            await seen.until("in the list", "layer4")
            await seen.press("escape")
            await seen.until('concept="red-c"')
            await seen.press("escape")
            await seen.until("concepts of")

    drive(scene())


def test_two_runs_side_by_side(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, size=(120, 36)) as seen:
            await seen.until("7 of 7 units")
            await seen.press("c")
            await seen.until("with which run?", "beam")
            assert OPTIMAL not in "\n".join(seen.lines[1:-3])
            await seen.press("enter")
            await seen.until("A golden-optimal", "B golden-beam", "explained in both")
            assert "The runs differ in search, optimal and beam" in seen.text
            table = seen.app.screen.query_one(Table)
            sizes = [abs(pair.difference) for pair in table.rows if pair.difference is not None]
            assert sizes == sorted(sizes, reverse=True)
            await seen.press("d")
            assert not any(pair.equal for pair in table.rows)
            await seen.press("s")
            units = [pair.unit for pair in table.rows]
            assert units == sorted(units)
            await seen.press("b")
            await seen.until(f"unit {table.row.unit}  layer4", BEAM)
            await seen.press("escape")
            await seen.until("explained in both")

    drive(scene())


def test_formula_is_copied_and_the_screen_saved(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units", "object")
            formula = seen.app.screen.query_one(Table).row.formula
            await seen.press("y")
            assert seen.app.clipboard == formula
            await seen.press("ctrl+s")
            await seen.until("Saved", ".svg")

    drive(scene())
    (saved,) = Path.cwd().glob("*.svg")
    assert "<svg" in saved.read_text()


def test_runs_are_filtered_and_sorted(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots) as seen:
            await seen.until("2 runs")
            table = seen.app.screen.query_one(Table)
            await seen.press("slash")
            await seen.type("beam")
            await seen.until("1 run.")
            assert [row.run.name for row in table.rows] == [BEAM]
            await seen.press("escape", "s", "s")
            await seen.until("2 runs", "layer▴")

    drive(scene())


def test_help_lists_the_keys_and_the_palette_the_commands(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL) as seen:
            await seen.until("7 of 7 units")
            await seen.press("question_mark")
            await seen.until(
                "Concepts",
                "Compare",
                "This screen",
                "Move",
                "Light or dark",
                "Save the screen as SVG",
            )
            await seen.press("escape", "ctrl+p")
            await seen.until("Search for commands", "Copy the formula")
            await seen.press(*"concepts")
            await seen.until_so(lambda: "Key o" in seen.text)
            await seen.press("enter")
            await seen.until("concepts of")

    drive(scene())


def test_light_and_dark(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots) as seen:
            await seen.until("2 runs")
            assert seen.app.current_theme.dark
            await seen.press("t")
            assert not seen.app.current_theme.dark

    drive(scene())


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_views_hold_at_any_size(roots: Roots, size: tuple[int, int]) -> None:
    width, height = size

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2, size=(120, 40)) as seen:
            await seen.until("Activation coverage")
            await seen.pilot.resize_terminal(width, height)
            await seen.until("f: try a formula", "esc Back", "formula")
            await seen.until_so(lambda: "q Quit" in seen.lines[-1], "a whole line of keys")
            assert ("m Masks" in seen.lines[-1], "i Images" in seen.lines[-1]) == (
                (False, True) if width == 80 else (True, False)
            )
            assert len(seen.lines) == height
            assert max(map(len, seen.lines)) <= width
            if width == 80:
                await seen.press("i")
                await seen.until("m Masks", "q Quit")
            await seen.until("most active")
            await seen.until_so(lambda: _has_picture(seen), "a picture")
            await seen.press("escape")
            await seen.until("7 of 7 units", "formula")

    drive(scene())


def test_reading_never_holds_up_the_keys(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = Event(), Event()
    read = OpenRun.read_unit

    def slow(run: OpenRun, unit: int, is_wanted: Callable[[], bool]) -> UnitData | None:
        begun.set()
        assert over.wait(60)
        return read(run, unit, is_wanted)

    monkeypatch.setattr(OpenRun, "read_unit", slow)

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2) as seen:
            await seen.until_so(begun.is_set, "the reading")
            await seen.until("unit 2  layer4", "IoU", "reading the activations")
            await seen.press("up")
            await seen.until("reading the activations")
            await seen.press("escape", "s")
            await seen.until("7 of 7 units")
            await seen.press("enter")
            await seen.until("unit 0  layer4", "reading the activations")
            over.set()
            await seen.until("Activation coverage", gone="reading")
            unit = seen.app.screen.query_one(Table).row.unit
            assert unit == 0

    drive(scene())


class _Graphics(Static):
    """What textual-image gives, without a terminal that draws."""

    image: Image.Image | None = None


def test_pictures_are_handed_to_a_terminal_that_draws_them(
    roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_graphics", [_Graphics])

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 2, size=(140, 44)) as seen:
            await seen.until("Activation coverage", "▓ hits")
            await seen.until_so(
                lambda: any(each.image is not None for each in seen.app.screen.query(_Graphics))
            )
            shown = [each for each in seen.app.screen.query(_Graphics) if each.image is not None]
            assert {each.image.size for each in shown if each.image} == {(224, 224)}
            assert not _has_picture(seen)
            await seen.press("enter")
            await seen.until("1 of ", "▓ hits")

    drive(scene())
