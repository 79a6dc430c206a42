"""``ccx cluster``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
else:
    from command_line import ON_TINY, CommandLine

KEYS = ["unit", "layer", "cluster", "num_clusters", "num_ranges", "range", "values", "share"]


def test_every_format(ccx: CommandLine) -> None:
    def told(form: str) -> str:
        ended = ccx("cluster", *ON_TINY, "--units", "1,4", "-f", form, "-q")
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    lines = [json.loads(line) for line in told("jsonl").splitlines()]
    assert [list(line) for line in lines] == 10 * [KEYS]
    assert [line["unit"] for line in lines] == [1] * 5 + [4] * 5
    assert json.loads(told("json")) == lines
    rows = list(csv.DictReader(io.StringIO(told("csv"))))
    assert [int(row["values"]) for row in rows] == [line["values"] for line in lines]
    assert len(told("table").splitlines()) == 3 + 10 + 1


def test_ranges_ascend_and_are_those_that_are_explained(ccx: CommandLine) -> None:
    lines = ccx("cluster", *ON_TINY, "--units", "0-3", "-f", "jsonl").lines
    explained = ccx.explain("--units", "0-3", "-f", "jsonl").lines
    assert [line["range"] for line in lines] == [line["range"] for line in explained]
    ends = [line["range"] for line in lines if line["unit"] == 1]
    flat = [end for pair in ends for end in pair]
    assert flat == sorted(flat)


def test_a_unit_that_never_fires_has_a_line(ccx: CommandLine, tmp_path: Path) -> None:
    maps = np.zeros((2, 6, 3, 3), dtype=np.float32)
    maps[1] = 2.0  # one value: a range that holds nothing strictly inside
    np.save(tmp_path / "maps.npy", maps)
    given = ["--activations", str(tmp_path / "maps.npy"), "--subset", "tiny"]
    ended = ccx("cluster", *given, "-f", "jsonl")
    dead, constant = ended.lines
    assert [dead[key] for key in KEYS] == [0, dead["layer"], None, 5, 0, None, 0, 0.0]
    assert [constant[key] for key in KEYS[2:]] == [0, 5, 1, [2.0, 2.0], 0, 0.0]
    assert "1 of 2 units never fire" in ended.err
    again = ccx("explain", *given, "--ranges", "2.0:2.0", "--units", "1", "-f", "jsonl")
    assert [(line["range"], line["hits"]) for line in again.lines] == [([2.0, 2.0], 0)]


def test_the_share_of_the_top_quantile(ccx: CommandLine) -> None:
    given = ["--num-clusters", "1", "--quantile", "0.1", "--units", "3", "-f", "jsonl"]
    (line,) = ccx("cluster", *ON_TINY, *given).lines
    assert abs(line["share"] - 0.1) < 0.002
    assert line["values"] == round(line["share"] * 6 * 28 * 28)
