"""``ccx export``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_of_ranges_are_those_of_explain_and_metrics(ccx: CommandLine, tmp_path: Path) -> None:
    assert ccx("metrics", "--bootstrap", "20", "--null", "3", "-q").code == 0
    measured = rows_of(ccx("metrics", "--bootstrap", "20", "--null", "3", "-q", "-f", "csv").out)
    explained = rows_of(ccx.explain("--units", "0-3", "-q", "-f", "csv").out)
    file = tmp_path / "x.csv"
    ended = ccx("export", "-o", str(file))
    assert (ended.code, ended.out) == (0, "")
    ranges, units = (rows_of(path.read_text()) for path in (file, tmp_path / "x-unit.csv"))
    assert [row["formula"] for row in ranges] == [row["formula"] for row in explained]
    for row, one, other in zip(ranges, explained, measured, strict=True):
        assert one.items() <= row.items()
        assert {key: row[key] for key in other.keys() - one.keys()} == {
            key: other[key] for key in other.keys() - one.keys()
        }
        assert {"iou_low", "samples_coverage", "q_value", "description"} <= row.keys()
    assert [row["unit"] for row in units] == ["0", "1", "2", "3"]
    sentences = ccx("summary", "-q").out.splitlines()
    for unit in units:
        assert unit["sentence"] in sentences
        assert bool(unit["description"]) == bool(unit["formula"])


def test_metrics_of_another_formula_are_left_out(ccx: CommandLine) -> None:
    assert ccx("metrics", "-q").code == 0
    (kept,) = ccx.files("results/*/metrics-*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    lines.sort(key=lambda line: (line["unit"], line["cluster"]))  # They are as units ended.
    lines[0]["formula"] = "another"
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
    first, second, *_ = rows_of(ccx("export", "-q").out)
    assert (first["samples_coverage"], bool(second["samples_coverage"])) == ("", True)


def test_cosy_reads_a_description_of_each_unit(ccx: CommandLine, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "demo-layer4.csv"
    ended = ccx("export", "--to", "cosy", "-o", str(file))
    assert ended.code == 0
    assert "assets/explanations/CLIP-Dissect/demo-layer4.csv" in ended.err
    read = pandas.read_csv(file)
    assert list(read.columns) == ["layer", "unit", "description"]
    ccx("export", "-o", str(tmp_path / "x.csv"))
    units = rows_of((tmp_path / "x-unit.csv").read_text())
    with_text = [unit for unit in units if unit["description"]]
    assert with_text
    for unit in with_text:
        # What CoSy's load_explanations asks of it.
        (found,) = read.loc[read["unit"] == int(unit["unit"]), "description"].values
        assert found == unit["description"].replace("_", " ")
    assert len(read) == len(with_text)
    left_out = len(units) - len(with_text)
    assert (f"{left_out} of 4 units are left out" in ended.err) == bool(left_out)


def test_neuronpedia_json(ccx: CommandLine) -> None:
    rows = json.loads(ccx("export", "--to", "neuronpedia-json", "-q").out)
    cosy = rows_of(ccx("export", "--to", "cosy", "-q").out)
    assert [row["index"] for row in rows] == [row["unit"] for row in cosy]
    assert {(row["modelId"], row["layer"]) for row in rows} == {("demo", "layer4")}
    said = json.loads(ccx("export", "--to", "neuronpedia-json", "--sentence", "-q").out)
    assert all(row["description"].startswith(f"Unit {row['index']} ") for row in said)
    one = ccx("export", "--to", "neuronpedia-json", "--units", rows[0]["index"], "-q").out
    assert json.loads(one) == rows[:1]


def test_parquet_has_the_same_rows(ccx: CommandLine, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "x.parquet"
    assert ccx("export", "-o", str(file), "-q").code == 0
    read = parquet.read_table(file)
    assert str(read.schema.field("range_low").type) == "double"
    assert str(read.schema.field("unit").type) == "int64"
    written = rows_of(ccx("export", "-q").out)
    assert read.column("description").to_pylist() == [row["description"] for row in written]
    assert parquet.read_table(tmp_path / "x-unit.parquet").num_rows == 4


def test_parquet_holds_counts_past_32_bits() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from ccx_cli.cli.parquet import parquet_bytes

    counts = [7, None, 2**40 + 1]
    read = parquet.read_table(io.BytesIO(parquet_bytes(["hits"], [[each] for each in counts])))
    assert str(read.schema.field("hits").type) == "int64"
    assert read.column("hits").to_pylist() == counts


def test_a_run_whose_dataset_is_gone_is_exported(ccx: CommandLine) -> None:
    for path in ccx.files("datasets/*/*"):
        if path.is_file():
            path.unlink()
    ended = ccx("export", "--to", "cosy")
    assert ended.code == 0
    assert ended.out.startswith("layer,unit,description\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--to", "cosy", "-o", "x.json"], "--to cosy writes csv, and --output x.json ends in"),
        (
            ["--to", "csv", "-o", "x.parquet"],
            "--to csv writes csv, and --output x.parquet ends in .parquet",
        ),
        (["--sentence"], "--to csv has both the formula and the sentence: leave --sentence out."),
        (["--to", "milan"], "'milan' is not one of"),
        (["--units", "99"], "goes past the end"),
        (["--simplest", "2"], "--simplest 2 is not a share below 1"),
    ],
)
def test_export_refuses(ccx: CommandLine, words: list[str], sentence: str) -> None:
    ended = ccx("export", "-q", *words)
    assert (ended.code, ended.out) == (2, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_file_of_units_is_not_overwritten(ccx: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x-unit.csv").write_text("mine\n")
    ended = ccx("export", "-o", str(tmp_path / "x.csv"))
    assert ended.code == 2
    assert f"{tmp_path / 'x-unit.csv'} exists" in ended.err
    assert not (tmp_path / "x.csv").exists()
