"""``ccx merge``: runs of parts of a layer, as the jobs of a cluster make them, become one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.records.lines import RecordLines
from ccx_cli.runs import merging

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended
else:
    from command_line import CommandLine, Ended

WHOLE = "results/*/explanations.jsonl"


def made(ccx: CommandLine, units: str, *more: str) -> Path:
    results = ccx.data / f"part-{units}-{len(more)}"
    ccx.explain("--units", units, "--workers", "1", "--root-results", str(results), "-q", *more)
    (run,) = (path.parent for path in results.glob("*/header.json"))
    return run


@pytest.fixture
def parts(ccx: CommandLine) -> list[Path]:
    """Runs of units 0 and 1, and of units 1 to 3; all four are in the kept one."""
    return [made(ccx, units) for units in ("0-1", "1-3")]


def merge(ccx: CommandLine, *runs: Path) -> Ended:
    into = str(ccx.data / "merged")
    return ccx("merge", *map(str, runs), "--root-results", into, "-f", "jsonl")


def sorted_lines(path: Path) -> list[str]:
    return sorted(path.read_text().splitlines(), key=lambda line: json.loads(line)["unit"])


def test_parts_become_the_run_of_all_units(ccx: CommandLine, parts: list[Path]) -> None:
    told = merge(ccx, *parts).lines
    assert [(each["units"], each["merged"]) for each in told] == [(2, 2), (3, 2)]
    whole, merged = ccx.file(WHOLE), ccx.file("merged/*/explanations.jsonl")
    assert merged.parent.name == whole.parent.name
    assert merged.read_text().splitlines() == sorted_lines(whole)
    header = json.loads((merged.parent / "header.json").read_text())
    assert [each["asked"] for each in header["sessions"]] == ["0-1", "1-3"]
    before = merged.read_bytes()
    assert [each["merged"] for each in merge(ccx, *parts).lines] == [0, 0]
    assert merged.read_bytes() == before
    (told_of,) = ccx("info", str(merged.parent), "-f", "jsonl").lines
    assert told_of["state"] == "finished"


def test_a_merge_that_was_ended_is_finished(
    ccx: CommandLine, parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    appended: list[Any] = []

    def append_once(lines: Any, records: Any) -> None:
        if appended:
            raise KeyboardInterrupt
        appended.append(lines)
        append(lines, records)

    append = RecordLines.append
    monkeypatch.setattr(merging, "_AT_ONCE", 1)
    monkeypatch.setattr(RecordLines, "append", append_once)
    assert merge(ccx, *parts).code == 130
    monkeypatch.undo()
    assert [each["merged"] for each in merge(ccx, *parts).lines] == [1, 2]
    merged = ccx.file("merged/*/explanations.jsonl")
    assert merged.read_text().splitlines() == sorted_lines(ccx.file(WHOLE))


def test_a_run_takes_in_another(ccx: CommandLine, parts: list[Path]) -> None:
    first, second = parts
    into = str(first.parent)
    (told,) = ccx("merge", str(first), str(second), "--root-results", into, "-f", "jsonl").lines
    assert (told["directory"], told["merged"]) == (str(second), 2)


def test_what_is_not_alike_is_refused(ccx: CommandLine, parts: list[Path]) -> None:
    told = merge(ccx, parts[0], made(ccx, "0-1", "--length", "2"))
    assert told.code == 2
    assert "not parts of one run, they differ in search" in told.err
    path = parts[1] / "explanations.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["visited"] += 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = merge(ccx, *parts)
    assert told.code == 1
    assert "have different lines for unit 1" in told.err
    assert not (ccx.data / "merged").exists()
    (parts[1] / "header.json").unlink()
    told = merge(ccx, *parts)
    assert told.code == 4
    assert "There is no" in told.err


def test_a_directory_of_results_stands_for_the_run_in_it(
    ccx: CommandLine, parts: list[Path]
) -> None:
    told = merge(ccx, *(run.parent for run in parts)).lines
    assert [(each["name"], each["merged"]) for each in told] == [
        (parts[0].name, 2),
        (parts[1].name, 2),
    ]
    shutil.copytree(parts[0], parts[0].with_name("another"))
    refused = merge(ccx, parts[0].parent, parts[1])
    assert refused.code == 2
    assert "holds 2 runs, another" in refused.err
    assert f"such as {parts[0].with_name('another')}" in " ".join(refused.err.split())
