"""CSV and Parquet have one kind of row a file, and no lists in cells."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

METRICS = ("metrics", "--no-label-masking")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_statistics_are_not_among_the_ranges(ccx: CommandLine, tmp_path: Path) -> None:
    lines = ccx(*METRICS, "-q", "-f", "jsonl").lines
    ended = ccx(*METRICS, "-f", "csv")
    rows = rows_of(ended.out)
    ranges = [line for line in lines if line["unit"] is not None]
    assert [(row["unit"], row["cluster"]) for row in rows] == [
        (str(line["unit"]), str(line["cluster"])) for line in ranges
    ]
    assert "statistic" not in rows[0]
    assert (
        "Not in this table, which has one kind of row: statistics. -o FILE.csv writes "
        "FILE-statistics.csv as well, and --format jsonl all rows." in ended.err
    )
    file, beside = tmp_path / "m.csv", tmp_path / "m-statistics.csv"
    ended = ccx(*METRICS, "-o", str(file))
    assert ended.out == ""
    assert f"Also written: {beside}." in ended.err
    assert rows_of(file.read_text()) == rows
    statistics = rows_of(beside.read_text())
    assert {row["statistic"] for row in statistics} == {"mean", "deviation"}
    assert len(statistics) == len(lines) - len(ranges)


def test_pandas_reads_a_table_with_its_types(ccx: CommandLine, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "m.csv"
    assert ccx(*METRICS, "--bootstrap", "20", "-o", str(file)).code == 0
    lines = ccx(*METRICS, "--bootstrap", "20", "-q", "-f", "jsonl").lines
    read = pandas.read_csv(file)
    mean = next(
        line for line in lines if line.get("statistic") == "mean" and line["cluster"] is None
    )
    assert read["mcc"].mean() == pytest.approx(mean["mcc"])
    for name in ("unit", "cluster", "hits"):
        assert read[name].dtype == "int64"
    for name in ("range_low", "range_high", "iou", "iou_low", "iou_high"):
        assert read[name].dtype == "float64"
    assert (read["iou_low"] <= read["iou_high"]).all()


def test_a_file_of_another_kind_is_not_overwritten(ccx: CommandLine, tmp_path: Path) -> None:
    file, beside = tmp_path / "m.csv", tmp_path / "m-statistics.csv"
    beside.write_text("mine\n")
    ended = ccx(*METRICS, "-o", str(file))
    assert ended.code == 2
    assert ended.err == f"Error: {beside} exists: add --force to overwrite it.\n"
    assert not file.exists()
    assert ccx(*METRICS, "-f", "jsonl", "-o", str(tmp_path / "m.jsonl")).code == 0
    assert beside.read_text() == "mine\n"
    assert ccx(*METRICS, "-o", str(file), "--force").code == 0
    assert beside.read_text().startswith("unit,statistic,")


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_gets_the_main_kind_alone(ccx: CommandLine) -> None:
    read, write = os.pipe()
    ended = ccx(*METRICS, "-f", "csv", "-o", f"/dev/fd/{write}")
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as opened:
        text = opened.read()
    assert (ended.code, ended.out) == (0, "")
    assert "statistic" not in text.splitlines()[0]
    assert "Not in this table" in ended.err


@pytest.mark.parametrize(
    ("words", "main", "others"),
    [
        (("summary",), "unit", {"concept", "category"}),
        (("analyze", "--seed", "1"), "cluster", {"default-formula", "default-pair", "total"}),
        (
            ("analyze", "--seed", "1", "--each"),
            "range",
            {"cluster", "default-formula", "default-pair", "total"},
        ),
        (("compare", "objectives"), "objective", {"pair"}),
        (("compare", "objectives", "--each"), "unit", {"objective", "pair"}),
        (("rerun", "--check"), "check", set()),
        (("config", "explain"), "setting", {"file", "directory"}),
    ],
)
def test_each_kind_has_a_table(
    ccx: CommandLine, tmp_path: Path, words: tuple[str, ...], main: str, others: set[str]
) -> None:
    file = tmp_path / "t.csv"
    assert ccx(*words, "-q", "-o", str(file)).code == 0
    written = {path.stem.removeprefix("t-"): path for path in tmp_path.glob("t-*.csv")}
    assert written.keys() == others
    for kind, path in {**written, main: file}.items():
        rows = rows_of(path.read_text())
        if kind == "total":
            assert [row["cluster"] for row in rows] == [""]
        else:
            assert {row["kind"].replace(" ", "-") for row in rows} == {kind}
            assert not any(cell.startswith(("[", "{")) for row in rows for cell in row.values())
    if main == "cluster":
        assert all(row["cluster"] for row in rows_of(file.read_text()))


def test_the_total_of_two_runs_is_apart(ccx: CommandLine, tmp_path: Path) -> None:
    words = ("compare", "runs", "demo-none", "demo-none", "-q")
    for per in ("unit", "cluster"):
        file = tmp_path / f"{per}.csv"
        assert ccx(*words, "--per", per, "-o", str(file)).code == 0
        rows, (total,) = (
            rows_of(path.read_text()) for path in (file, tmp_path / f"{per}-total.csv")
        )
        assert total[per] == ""
        assert sum(int(row["ranges"]) for row in rows) == int(total["ranges"])
    file = tmp_path / "run.csv"
    assert ccx(*words, "--per", "run", "-o", str(file)).code == 0
    assert not (tmp_path / "run-total.csv").exists()


def test_no_command_has_lists_in_cells(ccx: CommandLine) -> None:
    commands: list[tuple[str, ...]] = [
        ("explain", "--model", "demo", "--subset", "tiny", "--units", "0-1", "--ties"),
        ("cluster", "--model", "demo", "--subset", "tiny", "--units", "0-1"),
        ("concepts", "--subset", "tiny"),
        ("layers", "--model", "demo"),
        ("info",),
        ("info", "--all"),
        ("cache", "list"),
        ("roles",),
        ("importance", "--per", "unit", "--units", "0"),
        ("stability", "--resamples", "3", "--units", "0-1"),
        ("simulate", "--units", "0-1"),
        ("ablate", "--units", "0"),
        ("compare", "layers", "demo-none"),
        ("compare", "runs", "demo-none", "demo-none", "--per", "range"),
    ]
    for words in commands:
        ended = ccx(*words, "-q", "-f", "csv")
        assert ended.code == 0, ended.err
        for row in rows_of(ended.out):
            assert not any(cell.startswith(("[", "{")) for cell in row.values()), (words, row)


def test_classes_have_their_names_and_numbers(ccx: CommandLine) -> None:
    lines = ccx("roles", "-q", "-f", "jsonl").lines
    rows = rows_of(ccx("roles", "-q", "-f", "csv").out)
    for row, line in zip(rows, lines, strict=True):
        classes = line["classes"]
        assert row["classes"] == "; ".join(str(each["class"]) for each in classes)
        assert row["classes_contribution"] == "; ".join(
            json.dumps(each["contribution"]) for each in classes
        )
        assert classes


def test_nothing_found_has_a_header(ccx: CommandLine) -> None:
    words = ("cluster", "--model", "demo", "--subset", "tiny", "--units", "0", "-q", "-f", "csv")
    header = ccx(*words).out.splitlines()[0].split(",")
    assert {"range_low", "range_high"} <= set(header)
    ended = ccx("concepts", "--subset", "tiny", "--min-images", "99", "-q", "-f", "csv")
    assert ended.out.startswith("number,") or ended.out.startswith("concept,")
