"""``ccx compare heuristics``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

HEURISTICS = ["compare", "heuristics", *ON_TINY]
SEARCHES = ["mmesh", "cfh", "areas", "none", "beam", "optimal"]
KEYS = [
    "heuristic",
    "ranges",
    "visited_mean",
    "visited_deviation",
    "seconds_mean",
    "seconds_deviation",
    "iou_mean",
    "best_in",
    "missed",
    "lost_mean",
    "lost_max",
]


def test_a_row_a_search(ccx: CommandLine) -> None:
    ended = ccx(*HEURISTICS, "-f", "jsonl")
    assert ended.code == 0
    assert [list(line) for line in ended.lines] == 6 * [KEYS]
    assert [line["heuristic"] for line in ended.lines] == SEARCHES
    (ranges,) = {line["ranges"] for line in ended.lines}
    by_name = {line["heuristic"]: line for line in ended.lines}
    assert by_name["optimal"]["best_in"] == ranges > 3
    assert by_name["none"]["iou_mean"] == by_name["beam"]["iou_mean"]
    assert by_name["mmesh"]["visited_mean"] < by_name["none"]["visited_mean"]
    assert "Shapes of concepts: 6 of 6 images" in ended.err


def test_every_format(ccx: CommandLine) -> None:
    chosen = ["--heuristic", "none, cfh,none", "--units", "1,3", "-q"]

    def told(form: str) -> str:
        ended = ccx(*HEURISTICS, *chosen, "-f", form)
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    def steady(row: dict[str, str]) -> list[float | str]:
        return [row["heuristic"], float(row["visited_mean"]), float(row["iou_mean"])]

    rows = json.loads(told("json"))
    assert [row["heuristic"] for row in rows] == ["none", "cfh"]
    expected = [steady(row) for row in rows]
    assert [steady(row) for row in csv.DictReader(io.StringIO(told("csv")))] == expected
    table = told("table")
    assert len(table.splitlines()) == 3 + 2 + 1
    assert f"{rows[1]['visited_mean']:,.0f} ± {rows[1]['visited_deviation']:,.0f}" in table


def test_each_search_finds_what_explain_finds(ccx: CommandLine) -> None:
    given = ["--units", "0-3", "--num-clusters", "5", "-f", "jsonl"]
    lines = ccx(*HEURISTICS, *given, "--each", "--heuristic", "beam,optimal").lines
    for search in ("beam", "optimal"):
        explained = ccx.explain(*given, "--search", search).lines
        own = [line for line in lines if line["heuristic"] == search]
        assert found_in(own) == found_in([line for line in explained if line["hits"]])


def found_in(lines: list[dict[str, Any]]) -> dict[tuple[int, int], tuple[str, float]]:
    return {(line["unit"], line["cluster"]): (line["formula"], line["iou"]) for line in lines}


def test_units_are_drawn_as_published(ccx: CommandLine) -> None:
    wide = ccx(*HEURISTICS, "--units", "1", "-q", "--heuristic", "beam:1,optimal").out
    assert "beam:1" in wide
    assert "by (mean, most)" in wide
    given = ["--heuristic", "beam", "--each", "-f", "jsonl", "--quantile", "0.3"]
    drawn = ccx(*HEURISTICS, *given, "--random-units", "4", "--seed", "7").lines
    explained = ccx.explain("--random-units", "4", "--seed", "7", "-f", "jsonl").lines
    assert {line["unit"] for line in drawn} == {line["unit"] for line in explained}
    by_default = ccx(*HEURISTICS, *given)
    silent = 48 - len({line["unit"] for line in by_default.lines})
    assert not silent or f"{silent} of 48 units have no pixel in range." in by_default.err


def test_shapes_are_kept_and_only_made_for_estimates(ccx: CommandLine) -> None:
    ccx(*HEURISTICS, "--units", "1", "--heuristic", "none,beam")
    assert not ccx.files("segmentations/*/shapes/*")
    ccx(*HEURISTICS, "--units", "1", "--heuristic", "mmesh")
    assert len(ccx.files("segmentations/*/shapes/*.h5")) == 1
    assert "Shapes" not in ccx(*HEURISTICS, "--units", "1", "--heuristic", "mmesh").err
    verified = ccx("cache", "verify", "-f", "json", "-q")
    assert {row["state"] for row in json.loads(verified.out)} == {"whole"}


def test_damaged_shapes_are_named_and_mended(ccx: CommandLine) -> None:
    given = [*HEURISTICS, "--units", "1", "--heuristic", "areas", "-q"]
    assert ccx(*given).code == 0
    shard = ccx.file("segmentations/*/shapes/*.h5")
    shard.write_bytes(shard.read_bytes()[:-1])
    ended = ccx(*given)
    assert ended.code == 4
    assert f"{shard.name} is damaged" in ended.err
    assert "ccx cache build" in ended.err
    assert ccx("cache", "build", *ON_TINY).code == 0
    assert ccx(*given).code == 0


def test_a_plot(ccx: CommandLine, tmp_path: Path) -> None:
    plot = tmp_path / "searches.svg"
    given = [*HEURISTICS, "--units", "0-3", "--plot", str(plot)]
    assert f"Drawn: {plot}" in ccx(*given).err
    first = plot.read_bytes()
    refused = ccx(*given)
    assert refused.code == 2
    assert f"{plot} exists: add --force" in refused.err
    assert plot.read_bytes() == first
    assert ccx(*given, "--force").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--heuristic", "mmseh"], "--heuristic mmseh is not known, did you mean mmesh?"),
        (["--heuristic", "xyz"], "there are mmesh, cfh, areas, none, beam, optimal."),
        (
            ["--heuristic", "beam:x"],
            "--heuristic beam:x is not known: a width stands as in beam:15.",
        ),
        (["--heuristic", ","], "--heuristic is empty"),
        (["--length", "0"], "--length 0 must be 1 or more."),
        (["--beam-limit", "0"], "--beam-limit 0 must be 1 or more."),
        (["--plot", "plot.gif"], "--plot plot.gif must end in .png, .svg or .pdf."),
        (["--units", "1", "--random-units", "2"], "mutually exclusive"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    words: list[str], sentence: str, unused: CommandLine
) -> None:
    ended = unused(*HEURISTICS, *words)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not unused.data.exists()


def test_length_one_visits_nothing(ccx: CommandLine) -> None:
    lines = ccx(*HEURISTICS, "--units", "0-3", "--length", "1", "-f", "jsonl").lines
    assert {line["visited_mean"] for line in lines} == {0}
    assert len({line["iou_mean"] for line in lines}) == 1
