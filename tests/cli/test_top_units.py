"""``--units top:N --by``: which units come first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

pytestmark = pytest.mark.slow

JSONL = ["-q", "-f", "jsonl"]


@pytest.fixture
def given(ccx: CommandLine) -> list[str]:
    """Five units on the six pictures; 1 and 4 have the same largest activation, 3 never fires."""
    maps = np.random.default_rng(0).random((5, 6, 7, 7)).astype(np.float32)
    maps[:, 0, 0, 0] = [1.5, 9, 3, 0, 9]
    maps[1, 1:] = maps[3] = 0
    np.save(ccx.data / "five.npy", maps)
    return ["--activations", str(ccx.data / "five.npy"), "--subset", "tiny"]


def units(lines: list[dict[str, object]]) -> list[object]:
    return list(dict.fromkeys(line["unit"] for line in lines))


@pytest.mark.parametrize(
    ("by", "expected"),
    [([], [1, 4, 2, 0, 3]), (["--by", "activation"], [1, 4, 2, 0, 3]),
     (["--by", "frequency"], [0, 2, 4, 1, 3])],
)  # fmt: skip
def test_units_are_explained_and_listed_by_rank(
    by: list[str], expected: list[int], given: list[str], ccx: CommandLine
) -> None:
    short = ["--length", "1", "--num-clusters", "2", "--workers", "1"]
    few = ccx("explain", *given, *short, "--units", "top:2", *by, *JSONL)
    assert units(few.lines) == expected[:2]
    ended = ccx("explain", *given, *short, "--units", "top:5", *by, *JSONL)
    assert units(ended.lines) == expected
    assert [line["cluster"] for line in ended.lines if line["unit"] == 3] == [None]
    (kept,) = (path for path in ccx.files("results/*") if "five" in path.name)
    sessions = json.loads((kept / "header.json").read_text())["sessions"]
    assert sessions[-1]["asked"] == "0-4"
    assert sessions[-1]["units"] == 3
    again = ccx("rerun", kept.name, *JSONL)
    assert (again.code, units(again.lines)) == (0, [0, 1, 2, 3, 4])


def test_what_ranks_may_be_set_for_good(
    given: list[str], ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCX_BY", "frequency")
    assert units(ccx("cluster", *given, "--units", "top:2", *JSONL).lines) == [0, 2]
    assert units(ccx("cluster", *given, "--units", "1", *JSONL).lines) == [1]


def test_the_others_that_work_on_a_layer_take_it_as_well(
    given: list[str], ccx: CommandLine
) -> None:
    listed = ccx("cluster", *given, "--units", "top:2", "--by", "frequency", *JSONL)
    assert units(listed.lines) == [0, 2]
    scored = ccx("score", "red", *given, "--units", "top:2", "--top", "0", *JSONL)
    assert set(units(scored.lines)) == {1, 4}
    compared = ccx("compare", "thresholds", *given, "--units", "top:2", "--each", *JSONL)
    assert {line["unit"] for line in compared.lines if "unit" in line} == {1, 4}


def test_importance_is_of_the_network(ccx: CommandLine, given: list[str]) -> None:
    ended = ccx.explain("--units", "top:3", "--by", "importance", "--length", "1", *JSONL)
    assert ended.code == 0
    ranked = units(ended.lines)
    assert len(ranked) == 3
    plan = ccx("explain", *ON_TINY, "--units", "top:3", "--by", "importance", "--length", "1",
               "--dry-run", *JSONL)  # fmt: skip
    assert [(line["total"], line["done"]) for line in plan.lines][-1] == (3, 3)
    refused = ccx("explain", *given, "--units", "top:3", "--by", "importance", "-q")
    assert (refused.code, refused.err) == (
        2,
        "Error: --by importance needs the network, and five.npy is a file: take activation or "
        "frequency.\n",
    )


def test_a_plan_does_not_rank(ccx: CommandLine) -> None:
    ended = ccx.explain("--units", "top:3", "--by", "frequency", "--dry-run", *JSONL)
    assert ended.lines[-1]["state"] == "unknown"
    assert ccx.files("activations/*/unit-activity") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--units", "top:0"], "--units top:0 is no number of units such as top:100."),
        (["--units", "top:many"], "--units top:many is no number of units such as top:100."),
        (["--units", "top:49"], "--units top:49 is more than the 48 units of layer4."),
        (["--by", "frequency"], "--by frequency ranks units: say how many with --units top:N."),
        (["--units", "0-4", "--by", "activation"],
         "--by activation ranks units: say how many with --units top:N."),
        (["--units", "top:2", "--random-units", "2"],
         "--units and --random-units are mutually exclusive."),
    ],
)  # fmt: skip
def test_what_ranks_nothing_is_refused(
    arguments: list[str], sentence: str, ccx: CommandLine
) -> None:
    ended = ccx.explain(*arguments)
    assert (ended.code, ended.err) == (2, f"Error: {sentence}\n")


@pytest.mark.parametrize("command", ["summary", "metrics", "roles", "analyze", "render"])
def test_units_of_stored_runs_are_named_by_number(command: str, ccx: CommandLine) -> None:
    ended = ccx(command, "--units", "top:2", "-q")
    assert (ended.code, ended.err) == (
        2,
        "Error: --units top:2 ranks the units of a layer: name those of a stored run by number, "
        "such as 1,5,10-20.\n",
    )
