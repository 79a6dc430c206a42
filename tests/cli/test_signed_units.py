"""Units with negative activations, units that never fire and units of few values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, cells
else:
    from command_line import CommandLine, cells

pytestmark = pytest.mark.slow

JSONL = ["-q", "-f", "jsonl"]
SIGNED, RECTIFIED, DEAD, TWO_VALUES, CONSTANT = range(5)


@pytest.fixture(autouse=True)
def _figures_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def given(ccx: CommandLine) -> list[str]:
    """Five units on the six pictures, and a short search."""
    maps = np.random.default_rng(0).normal(size=(5, 6, 7, 7)).astype(np.float32)
    maps[RECTIFIED] = np.maximum(maps[RECTIFIED], 0)
    maps[DEAD] = 0
    maps[TWO_VALUES] = np.where(maps[TWO_VALUES] > 0.5, 2, -1)
    maps[CONSTANT] = -2.5
    np.save(ccx.data / "five.npy", maps)
    file = str(ccx.data / "five.npy")
    return ["--activations", file, "--subset", "tiny", "--length", "2", "--num-clusters", "3"]


def test_the_range_that_holds_zero_is_marked(given: list[str], ccx: CommandLine) -> None:
    lines = ccx("explain", *given, *JSONL).lines
    marked = [(line["unit"], line["cluster"]) for line in lines if "holds_zero" in line]
    assert marked == [(SIGNED, 1)]
    (marked_line,) = (line for line in lines if line.get("holds_zero"))
    lower, upper = marked_line["range"]
    assert lower < 0 < upper
    listed = ccx("cluster", *given[:4], "--num-clusters", "3", *JSONL).lines
    assert [(line["unit"], line["cluster"]) for line in listed if "holds_zero" in line] == marked
    rows = cells(ccx("explain", *given, "-q", "--all").out)
    assert [row[:2] for row in rows if " …0… " in row[2]] == [[str(SIGNED), "1"]]


def test_it_can_be_skipped(given: list[str], ccx: CommandLine) -> None:
    plain = ccx("explain", *given, "--name", "plain", *JSONL).lines
    ended = ccx("explain", *given, "--skip-zero-range", "--name", "skip", "-f", "jsonl")
    assert "Ranges that hold zero, and were skipped: 1.\n" in ended.err
    assert len(ended.lines) == len(plain)
    for line, other in zip(ended.lines, plain, strict=True):
        if not other.get("holds_zero"):
            assert line == other
            continue
        assert other["formula"] is not None
        same = ("unit", "cluster", "num_ranges", "range", "hits", "baseline")
        assert {key: line[key] for key in same} == {key: other[key] for key in same}
        assert (line["formula"], line["mcc"], line["by_length"]) == (None, None, [])
        assert line["skipped"] is True
    rows = cells(ccx("explain", *given, "--skip-zero-range", "-q", "--all").out)
    assert [row[3:7] for row in rows if " …0… " in row[2]] == [["–"] * 4]
    (info,) = ccx("info", "skip", *JSONL).lines
    (before,) = ccx("info", "plain", *JSONL).lines
    assert info["run"] != before["run"]
    assert info["ranges"] == {**before["ranges"], "skip_zero_range": True}
    assert "that holds zero, no formula was sought." in ccx("info", "skip", "--methods").out
    assert ccx("rerun", "skip", "--check", "-q").code == 0
    # What was not searched counts in no mean, and is compared with no chance.
    measured = ccx("metrics", "skip", "--null", "2", *JSONL).lines
    whole = ccx("metrics", "plain", "--null", "2", *JSONL).lines
    assert len(measured) == len(whole) - 1
    compared, *_ = ccx("compare", "runs", "plain", "skip", "--per", "run", *JSONL).lines
    assert (compared["equal"], compared["only_a"], compared["only_b"]) == (5, 1, 0)
    table = ccx("render", "skip", "--format", "latex", "-q").out
    assert "holds zero, skipped" in table
    assert ccx("render", "skip", "-q").code == 0
    report = ccx.data / "report.html"
    assert ccx("render", "skip", "-q", "--html", str(report)).code == 0
    refused = ccx("explain", *given, "--objective", "cosine", "--skip-zero-range")
    assert (refused.code, refused.err) == (
        2,
        "Error: --skip-zero-range is of ranges, and --objective cosine of the whole activation: "
        "leave it out.\n",
    )


def test_units_that_never_fire_have_a_line_and_are_counted(
    given: list[str], ccx: CommandLine
) -> None:
    ended = ccx("explain", *given, "--name", "five", *JSONL)
    ranges = dict.fromkeys(range(5), 0)
    for line in ended.lines:
        ranges[line["unit"]] += line["num_ranges"] > 0
    assert ranges == {SIGNED: 3, RECTIFIED: 3, DEAD: 0, TWO_VALUES: 2, CONSTANT: 1}
    assert sum(line["unit"] == DEAD for line in ended.lines) == 1
    summary = ccx("summary", "-f", "jsonl")
    assert "1 of 5 units have no range: they never fire.\n" in summary.err
    of_units = [line for line in summary.lines if line["kind"] == "unit"]
    assert [line["unit"] for line in of_units if not line["ranges"]] == [DEAD]
    assert "1 of 5 units have no range: they never fire.\n" in ccx("summary").out
    for command in (["metrics"], ["render"],
                    ["render", "--kind", "distribution"],
                    ["rerun", "--check"], ["score", "five", "red", "--units", "0-4"]):  # fmt: skip
        assert ccx(*command, "-q").code == 0, command


@pytest.mark.parametrize("k", ["1", "4"])
def test_a_layer_of_units_that_never_fire(k: str, ccx: CommandLine) -> None:
    np.save(ccx.data / "dead.npy", np.zeros((3, 6, 4, 4), dtype=np.float32))
    words = ["--activations", str(ccx.data / "dead.npy"), "--subset", "tiny", "--num-clusters", k]
    ended = ccx("explain", *words, *JSONL, "--units", "top:2")
    assert [(line["unit"], line["range"]) for line in ended.lines] == [(0, None), (1, None)]
    for command in (["summary"], ["metrics"], ["render"],
                    ["render", "--html", str(ccx.data / "dead.html")],
                    ["rerun", "--check"]):  # fmt: skip
        assert ccx(*command, "-q").code == 0, command
    assert "2 of 2 units have no range: they never fire.\n" in ccx("summary").out
