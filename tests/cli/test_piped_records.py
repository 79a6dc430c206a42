"""``ccx metrics -`` and ``ccx summary -``: explanations from a pipe."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.records.flat import flat

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, Ended
else:
    from command_line import ON_TINY, CommandLine, Ended

Piped = Any


@pytest.fixture
def piped(ccx: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Piped:
    """A command line with text on stdin."""

    def run(text: str, *words: str) -> Ended:
        stdin = io.TextIOWrapper(io.BytesIO(text.encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        return ccx(*words)

    return run


@pytest.fixture
def stored(ccx: CommandLine) -> list[dict[str, Any]]:
    return ccx.explain("--units", "0-3", "-q", "-f", "jsonl").lines


def written(records: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


METRICS = ["metrics", "-", "-f", "jsonl", "--no-label-masking"]


def test_all_records_are_the_whole_run(
    piped: Piped, ccx: CommandLine, stored: list[dict[str, Any]]
) -> None:
    ended = piped(written(stored), *METRICS)
    assert ended.code == 0
    assert "The explanations are those of demo-none-layer4-tiny" in ended.err
    assert ended.out == ccx("metrics", "--no-label-masking", "-f", "jsonl").out


def test_some_records_are_measured_alone(
    piped: Piped, ccx: CommandLine, stored: list[dict[str, Any]]
) -> None:
    some = [record for record in stored if record["cluster"] == 3 and record["unit"] > 0]
    words = ["--masking-images", "1", "--null", "3", "-f", "jsonl"]
    measured = piped(written(some[::-1]), "metrics", "-", *words).lines
    whole = ccx("metrics", *words).lines
    shares = ("q_value",)  # adjusted over the ranges that were sent in
    rows = [{key: row[key] for key in row if key not in shares} for row in measured[:3]]
    expected = [row for row in whole if row.get("statistic") is None and row["cluster"] == 3]
    assert rows == [
        {key: row[key] for key in row if key not in shares} for row in expected if row["unit"] > 0
    ]
    mean = sum(row["iou"] for row in rows) / 3
    assert [row["cluster"] for row in measured[3:]] == [3, 3, None, None]
    assert measured[3]["iou"] == pytest.approx(mean)
    # What was kept of the whole run's null is not that of a part of it.
    assert ccx("metrics", *words).lines == whole


def test_parts_of_records_do(piped: Piped, stored: list[dict[str, Any]]) -> None:
    keys = ("unit", "layer", "cluster", "formula")
    short = [{key: record[key] for key in keys} for record in stored[:2]]
    ended = piped(f"\n{written(short)}\n", *METRICS)
    assert ended.code == 0
    assert [row["cluster"] for row in ended.lines[:2]] == [0, 1]


OWN = '{"unit": 2, "cluster": 1, "formula": "NOT ball OR ball AND red-c"}\n'


def test_formulas_of_ones_own_are_measured_on_the_ranges_of_a_run(
    piped: Piped, ccx: CommandLine, stored: list[dict[str, Any]]
) -> None:
    kept = sorted(path.name for path in ccx.data.glob("results/*/*"))
    words = ("metrics", "-", "-f", "jsonl", "--masking-images", "2", "--bootstrap", "5")
    ended = piped(OWN + written(stored[:1]), *words)
    assert ended.code == 0, ended.err
    assert "The metrics are not kept: they are of your own formulas." in ended.err
    as_stored, own = ended.lines[:2]
    assert as_stored["formula"] == stored[0]["formula"]
    assert (own["unit"], own["cluster"]) == (2, 1)
    assert own["formula"] == "NOT ball OR (ball AND red-c)"
    scored = ccx("score", own["formula"], *ON_TINY, "--units", "2", "-f", "jsonl").lines
    there = next(row for row in scored if row["cluster"] == 1)
    assert (own["iou"], own["hits"]) == (there["iou"], there["hits"])
    assert own["detection_accuracy"] == there["both"] / there["total"]
    assert own["label_masking"] > 0
    assert sorted(path.name for path in ccx.data.glob("results/*/*")) == kept
    # What the run itself is worth stays as it was.
    rows = ccx(*METRICS[:1], "--no-label-masking", "-f", "jsonl").lines
    row = next(row for row in rows if (row["unit"], row["cluster"]) == (2, 1))
    assert row["formula"] != own["formula"]


def test_what_score_writes_is_measured(
    piped: Piped, ccx: CommandLine, stored: list[dict[str, Any]]
) -> None:
    range_ = (stored[0]["unit"], stored[0]["cluster"])
    words = ["score", "NOT ball", *ON_TINY, "--units", str(range_[0]), "-f", "jsonl"]
    scored = [line for line in ccx(*words).lines if (line["unit"], line["cluster"]) == range_]
    measured, *_ = piped(written(scored), *METRICS[:1], "-", "-f", "jsonl").lines
    assert measured["formula"] == "NOT ball"
    assert [measured[key] for key in ("iou", "hits")] == [scored[0][key] for key in ("iou", "hits")]


def test_what_ones_own_formulas_do_not_go_with_is_refused(
    piped: Piped, stored: list[dict[str, Any]]
) -> None:
    ended = piped(OWN, *METRICS, "--null", "3")
    assert (ended.code, ended.out) == (2, "")
    assert "--null compares formulas that were searched" in ended.err
    ended = piped(OWN, "summary", "-")
    assert (ended.code, ended.out) == (2, "")
    assert "`ccx metrics -` and `ccx score` measure formulas of your own" in ended.err


def test_a_summary_is_of_what_was_sent(piped: Piped, stored: list[dict[str, Any]]) -> None:
    ended = piped(written(stored[:2]), "summary", "-", "-f", "jsonl")
    assert ended.code == 0
    units = [row for row in ended.lines if row["kind"] == "unit"]
    assert [(row["unit"], row["ranges"]) for row in units] == [(0, 2)]


def test_the_run_is_the_last_that_holds_the_records(
    piped: Piped, ccx: CommandLine, stored: list[dict[str, Any]]
) -> None:
    beam = ccx.explain("--units", "0-3", "--search", "beam", "-q", "-f", "jsonl").lines
    assert "optimal3" in piped(written(stored), *METRICS).err
    ended = piped(written(beam), *METRICS)
    assert "beam3" in ended.err
    ended = piped(written(stored), *METRICS, "--run", "demo-none-layer4-tiny-k5-beam3")
    assert ended.code == 2
    assert "Line 1 of the input, unit 0 and cluster 0, is not in the run" in ended.err


def change(record: dict[str, Any], **keys: Any) -> str:
    return written([{**record, **keys}])


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        (lambda _: "", 3, "holds no explanations"),
        (
            lambda first: written([first]) + "{\n",
            4,
            "Line 2 of the input is not an explanation",
        ),
        (lambda _: "[]\n", 4, "Line 1 of the input is not an explanation (Expected 'object'"),
        (lambda first: written([first, first]), 4, "same unit and cluster as line 1"),
        (lambda first: change(first, unit="0"), 4, "Expected 'int', got 'str'"),
        (lambda first: change(first, unit=True), 4, "Expected 'int', got 'bool'"),
        (
            lambda first: change(first, formula="unicorn"),
            2,
            "Line 1 of the input: No pixel of the scored images carries",
        ),
        (lambda first: change(first, formula="bal OR ball"), 2, "Line 1 of the input: "),
        (lambda first: change(first, unit=40), 3, "No stored run has the ranges of the input"),
        (lambda first: change(first, hits=first["hits"] + 1), 3, "No stored run has the ranges"),
        (lambda first: change(first, formula=""), 3, "No stored run has the ranges"),
        (
            lambda first: written([first]) + change(first, layer="layer3", cluster=1),
            2,
            "Line 2 of the input is of layer3",
        ),
        (lambda first: '{"unit": 0, "cluster": 1}\n', 4, "missing required field 'formula'"),
        (lambda first: "\udcff", 4, "Line 1"),
    ],
)
def test_lines_that_are_no_records_are_named(
    piped: Piped, stored: list[dict[str, Any]], text: Any, code: int, sentence: str
) -> None:
    content = text(stored[0]).encode("utf-8", "surrogateescape").decode("latin-1")
    ended = piped(content, *METRICS)
    assert (ended.code, ended.out) == (code, "")
    assert sentence in ended.err


def test_options_that_do_not_go_with_it_are_refused(
    piped: Piped, stored: list[dict[str, Any]]
) -> None:
    assert piped(written(stored), *METRICS, "--units", "1").code == 2
    assert piped("", "metrics", "--run", "demo").code == 2


def test_parquet_holds_what_csv_does(piped: Piped, ccx: CommandLine, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "lines.parquet"
    words = [*ON_TINY, "--units", "0-3", "--ties", "-q"]
    lines = ccx("explain", *words, "-f", "jsonl").lines
    assert ccx("explain", *words, "-f", "parquet", "-o", str(file)).out == ""
    rows = parquet.read_table(file).to_pylist()
    assert [{k: v for k, v in row.items() if v is not None} for row in rows] == [
        {k: v for k, v in flat(line).items() if v is not None} for line in lines
    ]
    before = file.read_bytes()
    assert ccx("explain", *words, "-f", "parquet", "-o", str(file)).code == 2
    assert file.read_bytes() == before


def test_parquet_of_several_kinds_and_of_nothing(ccx: CommandLine, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "rows.parquet"
    assert ccx("summary", "-q", "-f", "parquet", "-o", str(file)).code == 0
    for kind in ("unit", "concept", "category"):
        path = file if kind == "unit" else tmp_path / f"rows-{kind}.parquet"
        rows = parquet.read_table(path).to_pylist()
        assert {row["kind"] for row in rows} == {kind}
    ended = ccx(
        "concepts", "--subset", "tiny", "--min-images", "99", "-f", "parquet", "-o", f"{file}2"
    )
    assert ended.code == 0
    assert parquet.read_table(f"{file}2").num_rows == 0


def test_parquet_is_refused_where_it_cannot_be(
    ccx: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("ccx_cli.cli.output_files.find_spec", lambda name: name)
    ended = ccx("info", "-f", "parquet")
    assert ended.code == 2
    assert "cannot be written to a terminal" in ended.err
    monkeypatch.setattr("ccx_cli.cli.output_files.find_spec", lambda _: None)
    ended = ccx("info", "-f", "parquet", "-o", "x.parquet")
    assert ended.code == 2
    assert "ccx-cli[parquet]" in ended.err
