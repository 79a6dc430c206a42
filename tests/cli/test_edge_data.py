"""Data sets at the edge of what can be explained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
    from tests.cli.tiny_set import MASK, RED, SIDE, Picture, draw_pictures, write_set
else:
    from command_line import ON_TINY, CommandLine
    from tiny_set import MASK, RED, SIDE, Picture, draw_pictures, write_set

BLACK = np.zeros((SIDE, SIDE, 3), np.uint8)


def half(label: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint16]]:
    """A mask whose upper half carries a label."""
    mask = np.zeros((MASK, MASK), np.uint16)
    mask[: MASK // 2] = label
    return mask


def test_one_picture_and_one_concept(unused: CommandLine) -> None:
    (picture,) = draw_pictures(1)
    write_set(unused.data / "datasets", [Picture(picture.pixels, {"color": half(RED)})])
    ended = unused.explain("--units", "0-7", "-f", "jsonl")
    assert ended.code == 0
    formulas = {record["formula"] for record in ended.lines}
    assert formulas <= {"red-c", None}
    assert "red-c" in formulas
    for record in ended.lines:
        assert (record["formula"] is None) == (record["iou"] == 0) == (record["length"] == 0)


def test_concepts_that_never_occur_are_in_no_formula(ccx: CommandLine) -> None:
    lines = ccx.explain("--units", "0-9", "-f", "jsonl", "--length", "3").lines
    assert len(lines) == 50
    assert not any("unicorn" in (record["formula"] or "") for record in lines)


def test_no_concept_at_all(unused: CommandLine) -> None:
    pictures = [Picture(picture.pixels) for picture in draw_pictures(2)]
    write_set(unused.data / "datasets", pictures)
    ended = unused.explain("--units", "0-2", "-f", "jsonl")
    assert ended.code == 0
    assert {record["formula"] for record in ended.lines} == {None}
    assert all(record["hits"] >= 0 for record in ended.lines)


@pytest.fixture
def black(unused: CommandLine) -> CommandLine:
    """One black picture: some units of an untrained network do not answer to it."""
    write_set(unused.data / "datasets", [Picture(BLACK, {"color": half(RED)})])
    return unused


def test_units_that_never_fire(black: CommandLine) -> None:
    layer = ["--layer", "layer1"]
    lines = black.explain(*layer, "-f", "jsonl").lines
    dead = [record for record in lines if record["num_ranges"] == 0]
    assert dead
    for record in dead:
        assert (record["cluster"], record["range"], record["formula"]) == (None, None, None)
        assert (record["hits"], record["iou"], record["length"]) == (0, 0.0, 0)
    assert {record["unit"] for record in lines} == set(range(16))

    clustered = black("cluster", *ON_TINY, *layer, "-f", "jsonl")
    silent = sum(record["cluster"] is None for record in clustered.lines)
    assert silent == len(dead)
    assert f"{silent} of 16 units never fire and have no range." in clustered.err

    unit = str(dead[0]["unit"])
    finished = black.file("results/*/explanations.jsonl").read_bytes()
    assert " – " in black.explain(*layer, "--units", unit, "-q").out
    assert black.file("results/*/explanations.jsonl").read_bytes() == finished


def test_more_clusters_than_values(black: CommandLine) -> None:
    # A layer of one value an image has fewer values than ranges asked for.
    ended = black.explain("--layer", "avgpool", "-f", "jsonl", "--num-clusters", "3")
    assert ended.code == 0
    assert {record["num_ranges"] for record in ended.lines} <= {0, 1}
    assert {record["num_clusters"] for record in ended.lines} == {3}


def test_a_unit_of_one_value_for_the_top_quantile(black: CommandLine) -> None:
    ended = black.explain("--layer", "avgpool", "-f", "jsonl", "--num-clusters", "1")
    assert ended.code == 0
    assert {record["num_ranges"] for record in ended.lines} <= {0, 1}


def test_names_with_commas_and_letters_of_any_language(unused: CommandLine, tmp_path: Path) -> None:
    root = write_set(unused.data / "datasets", draw_pictures(4))
    for name in ("label.csv", "c_color.csv"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("red-c", '"rouge ""vif"", été-c"'), encoding="utf-8")
    path = tmp_path / "lines.csv"
    assert unused.explain("--units", "0-7", "-f", "csv", "-o", str(path)).code == 0
    with path.open(encoding="utf-8", newline="") as written:
        formulas = [row["formula"] for row in csv.DictReader(written)]
    lines = unused.explain("--units", "0-7", "-f", "jsonl").lines
    assert formulas == [record["formula"] or "" for record in lines]
    assert any("été-c" in formula for formula in formulas)
