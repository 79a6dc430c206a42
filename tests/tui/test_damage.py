"""Runs that are damaged, cut off, of another version, growing, or without their caches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from ccx_cli.runs.run import RunState
from ccx_cli.store.paths import Roots
from ccx_cli.tui.open_run import list_runs
from ccx_cli.tui.table import Table

if TYPE_CHECKING:
    from tests.tui.piloted import drive, driven
    from tests.tui.stored_golden import BEAM, OPTIMAL
else:
    from piloted import drive, driven
    from stored_golden import BEAM, OPTIMAL


def _lines(run: Path) -> list[str]:
    return (run / "explanations.jsonl").read_text().splitlines(keepends=True)


def test_damaged_lines_are_left_out_with_a_word(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    lines = _lines(run)
    lines[1] = '{"unit": 0, "cluster": "\n'
    (run / "explanations.jsonl").write_text("".join(lines)[:-20])

    async def scene() -> None:
        async with driven(own_roots, run, size=(120, 40)) as seen:
            await seen.until("1 damaged line (2)", "is torn", "6 of 6 units")

    drive(scene())


def test_header_of_another_version_and_none_at_all(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    header = json.loads((run / "header.json").read_text())
    (run / "header.json").write_text(json.dumps(header | {"version": 7}))
    shutil.copytree(run, own_roots.results / "headless")
    (own_roots.results / "headless" / "header.json").unlink()
    (own_roots.results / BEAM / "header.json").write_text("{")
    listed = {path.name: row.run for path, row in list_runs(own_roots.results, {}).items()}
    assert {run.header_state for run in listed.values()} == {RunState.DAMAGED}
    assert [name for name, run in listed.items() if run.is_of_other_version] == [OPTIMAL]

    async def scene() -> None:
        async with driven(own_roots, run) as seen:
            await seen.until("another version of ccx (ccx-results 7)", "7 of 7 units")
            await seen.press("escape")
            await seen.until("3 runs", "damaged", "of another version")
            table = seen.app.screen.query_one(Table)
            names = [row.run.name for row in table.rows]
            await seen.press("home", *["down"] * names.index("headless"), "enter")
            await seen.until("There is no", "7 of 7 units", "Without categories")
            await seen.press("enter")
            await seen.until("does not have the activations", "no activations to show")

    drive(scene())


def test_run_that_grows_is_followed(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    lines = _lines(run)
    (run / "explanations.jsonl").write_text("".join(lines[:4]))
    header = json.loads((run / "header.json").read_text())
    del header["sessions"][-1]["finished"]
    (run / "header.json").write_text(json.dumps(header))

    async def scene() -> None:
        async with driven(own_roots, run) as seen:
            with FileLock(run / ".lock"):
                await seen.until("2 of 2 units", "2 of the layer's 7 units", "writing to it")
                (run / "explanations.jsonl").write_text("".join(lines))
                await seen.press("r")
                await seen.until("7 of 7 units", gone="of the layer's 7")
            await seen.until("The last session did not finish")

    drive(scene())


def test_lines_come_by_themselves(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    lines = _lines(run)
    (run / "explanations.jsonl").write_text("".join(lines[:4]))

    async def scene() -> None:
        async with driven(own_roots, run) as seen:
            await seen.until("2 of 2 units")
            (run / "explanations.jsonl").write_text("".join(lines))
            await seen.until("7 of 7 units")

    drive(scene())


def test_run_that_is_written_is_listed_as_such(own_roots: Roots) -> None:
    path = own_roots.results / OPTIMAL / "header.json"
    header = json.loads(path.read_text())
    del header["sessions"][-1]["finished"]
    path.write_text(json.dumps(header))
    with FileLock(path.with_name(".lock")):
        listed = list_runs(own_roots.results, {})
        assert listed[path.parent].run.header_state is RunState.BEING_WRITTEN
    assert list_runs(own_roots.results, listed)[path.parent].run.header_state is RunState.UNFINISHED


def test_concepts_without_their_data_set_wait_for_nothing(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    header = json.loads((run / "header.json").read_text())
    header["about"]["dataset"] = str(own_roots.datasets / "broden1_224")
    (run / "header.json").write_text(json.dumps(header))

    async def scene() -> None:
        async with driven(own_roots, run) as seen:
            await seen.until("Without categories")
            await seen.press("o")
            await seen.until("There is no dataset in", "best IoU", "red", gone="...")

    drive(scene())


def test_missing_caches_leave_the_lines(own_roots: Roots) -> None:
    run = own_roots.results / OPTIMAL
    header = json.loads((run / "header.json").read_text())
    header["about"]["activations"] = str(own_roots.activations / "gone")
    (run / "header.json").write_text(json.dumps(header))

    async def scene() -> None:
        async with driven(own_roots, run, 2) as seen:
            await seen.until("The activations of golden-optimal are missing", "ccx cache build")
            await seen.until("proven", "no activations to show", gone="reading")
            await seen.press("f")
            await seen.type("red")
            await seen.until("waits for the unit")

    drive(scene())


def test_missing_images_are_captions(own_roots: Roots, golden_store: Path) -> None:
    shutil.copytree(golden_store / "datasets", own_roots.datasets)
    for path in own_roots.datasets.rglob("*.jpg"):
        path.unlink()

    async def scene() -> None:
        async with driven(own_roots, own_roots.results / OPTIMAL, 2, size=(160, 44)) as seen:
            await seen.until("Activation coverage")
            await seen.until("not read: IoU", "is missing: restore the dataset")
            await seen.press("enter")
            await seen.until(
                "1 of ", "not read: IoU", "restore the dataset", gone="Activation coverage"
            )
            await seen.press("escape", "m")
            await seen.until("restore the dataset")

    drive(scene())


def test_unit_that_is_not_there_is_said(roots: Roots) -> None:
    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, 99) as seen:
            await seen.until("has no lines of unit 99", "7 of 7 units")

    drive(scene())
