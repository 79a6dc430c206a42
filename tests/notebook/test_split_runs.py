"""Runs of a split, and of part of a layer's ranges, say in Python what the commands say."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import ccx_cli
from tests.cli.command_line import CommandLine


def _order(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["unit"], line["formula"], line["cluster"]


def _hold_out_the_last_two(data: Path) -> None:
    (index,) = data.glob("datasets/*/index.csv")
    with index.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 6 else "val"
    with index.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_split_is_scored_on_the_images_that_were_searched(ccx: CommandLine) -> None:
    _hold_out_the_last_two(ccx.data)
    lines = ccx.explain("--units", "0-2", "--split", "train", "-f", "jsonl").lines
    run = ccx_cli.load_run(data_dir=ccx.data)
    assert run.records() == lines
    assert "held_out_iou" in run.frame()
    scored = ccx("score", run.name, "red OR ball", "--top", "0", "-f", "jsonl").lines
    assert sorted(run.score("red OR ball"), key=_order) == sorted(scored, key=_order)
    own = {(each["unit"], each["cluster"]): each for each in run.score("red", units=[0, 1, 2])}
    for line in lines:
        assert own[line["unit"], line["cluster"]]["hits"] == line["hits"]
    # Masks are of any image, searched or not.
    assert [bool(run.formula_mask("red", image).any()) for image in range(8)] == [0, 1] * 4


def test_ends_that_are_all_open_are_numbers(ccx: CommandLine) -> None:
    assert ccx.explain("--units", "0-2", "--num-clusters", "1", "-q").code == 0
    ends = ccx_cli.load_run(data_dir=ccx.data).frame()[["range_low", "range_high"]]
    assert [str(each) for each in ends.dtypes] == ["float64", "float64"]
    assert ends["range_high"].isna().all()


def test_one_explanation_a_unit_is_shown_like_any(ccx: CommandLine) -> None:
    lines = ccx.explain("--units", "0-2", "--objective", "pearson", "-f", "jsonl").lines
    run = ccx_cli.load_run(data_dir=ccx.data)
    assert run.records() == lines
    assert run.frame()["objective"].tolist() == ["pearson"] * 3
    assert run.unit(1)._repr_html_().count("<tr>") == 2
    assert run.images(1) == run.images(1, 0)
