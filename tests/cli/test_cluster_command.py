"""``ccx cluster``."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

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


def test_the_share_of_the_top_quantile(ccx: CommandLine) -> None:
    given = ["--num-clusters", "1", "--quantile", "0.1", "--units", "3", "-f", "jsonl"]
    (line,) = ccx("cluster", *ON_TINY, *given).lines
    assert abs(line["share"] - 0.1) < 0.002
    assert line["values"] == round(line["share"] * 6 * 28 * 28)
