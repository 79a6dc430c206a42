"""``ccx import table`` from the command line, and what is explained with its labels."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.cli.schema import schema_text
from ccx_cli.concepts.broden import read_broden

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, Ended
    from tests.imported_sets import save_values
else:
    from command_line import CommandLine, Ended
    from imported_sets import save_values

SIDE = 16
ATTRIBUTES = ("red", "green", "blue", "noise")
NETWORK = """
import torch
from torch import nn


class Channels(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.fc = nn.Linear(3, 3, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])
            self.fc.weight.copy_(torch.eye(3))

    def forward(self, images):
        return self.fc(self.conv(images).mean((2, 3)))
"""


@pytest.fixture
def has(tmp_path: Path) -> NDArray[np.bool_]:
    """Which of 60 photographs, whose upper half shows it, has which attribute, (60, 4)."""
    rng = np.random.default_rng(5)
    has = rng.random((60, 4)) < 0.4
    (tmp_path / "photos").mkdir()
    lines = [",".join(["image", *ATTRIBUTES, "split"])]
    for number, row in enumerate(has):
        pixels = np.full((SIDE, SIDE, 3), 40 * rng.random(3))
        pixels[: SIDE // 2] += 180 * row[:3]
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"photos/{number}.png")
        save_values(
            tmp_path / f"masks/{number}.png", np.repeat([1, 2], SIDE // 2)[:, None].repeat(SIDE, 1)
        )
        lines.append(
            ",".join([str(number), *map(str, row.astype(int)), ["train", "val"][number % 2]])
        )
    (tmp_path / "attribute.csv").write_text("\n".join(lines))
    (tmp_path / "names.txt").write_text("1 top\n2 bottom\n")
    (tmp_path / "network.py").write_text(NETWORK)
    return has


def imported(ccx: CommandLine, folder: Path, *arguments: str) -> Ended:
    where = [str(folder / "attribute.csv"), "--images", str(folder / "photos")]
    return ccx("import", "table", *where, "--side", str(SIDE), "--workers", "1", *arguments)


def explained(ccx: CommandLine, folder: Path, layer: str, *arguments: str) -> Ended:
    network = ["--model", f"{folder / 'network.py'}:Channels", "--layer", layer]
    words = ["--subset", "photos", "--length", "2", "-f", "jsonl", "--workers", "1"]
    return ccx("explain", *network, *words, *arguments)


def test_a_table_is_all_that_units_without_pixels_need(
    unused: CommandLine, tmp_path: Path, has: NDArray[np.bool_]
) -> None:
    ended = imported(unused, tmp_path, "-f", "jsonl")
    assert ended.code == 0, ended.err
    (line,) = ended.lines
    assert (line["category"], line["concepts"]) == ("attribute", 4)
    assert line["coverage"] == has.any(axis=1).mean()
    assert "60 images (30 train, 30 val) with 4 concepts in" in ended.err
    assert "nothing to do" in imported(unused, tmp_path).err
    rows = read_broden(unused.data / "datasets", "photos", SIDE).rows
    images = [int(row.image.rpartition("/")[2].partition(".")[0]) for row in rows]
    concepts = dict(zip(ATTRIBUTES, has[images].T, strict=True))

    ended = explained(unused, tmp_path, "fc", "--num-clusters", "1", "--quantile", "0.35")
    assert ended.code == 0, ended.err
    pictures = [np.asarray(Image.open(tmp_path / f"photos/{image}.png")) for image in images]
    means = np.array([picture.mean((0, 1)) for picture in pictures])
    for line, name in zip(ended.lines, ATTRIBUTES, strict=False):
        values = means[:, line["unit"]]
        # The threshold is one of the activations, and a hit lies above it.
        hits = values > np.sort(values)[::-1][21]
        assert line["hits"] == hits.sum() * (SIDE // 2) ** 2
        scores = [
            (hits & mask).sum() / (hits | mask).sum()
            for one, other in product(concepts.values(), repeat=2)
            for mask in (one, one | other, one & other, one & ~other)
        ]
        assert line["iou"] == pytest.approx(max(scores))
        assert line["formula"] == name


def header_of(ccx: CommandLine) -> Any:
    return json.loads(ccx.file("results/*/header.json").read_text())


def methods(ccx: CommandLine) -> str:
    return " ".join(ccx("info", "--methods").out.split())


def score(folder: Path) -> None:
    """Turn the attributes into scores, and leave one out."""
    table = folder / "attribute.csv"
    header, first, *lines = table.read_text().splitlines()
    number, _, *cells = first.split(",")
    marked = [line.replace(",1", ",0.9").replace(",0,", ",0.1,") for line in lines]
    table.write_text("\n".join([header, ",".join([number, "", *cells]), *marked]))


@pytest.mark.parametrize(
    ("missing", "meaning", "images"),
    [
        ("no", "missing values counted as absent", 60),
        ("drop", "images that miss a value were left out", 59),
    ],
)
def test_how_scores_were_cut_is_said_wherever_a_run_is(
    unused: CommandLine,
    tmp_path: Path,
    has: NDArray[np.bool_],
    missing: str,
    meaning: str,
    images: int,
) -> None:
    score(tmp_path)
    assert imported(unused, tmp_path, "--threshold", "0.5", "--missing", missing, "-q").code == 0
    marker = json.loads(unused.file("datasets/photos/*/ccx-import.json").read_text())
    tables = {"categories": ["attribute"], "threshold": 0.5, "missing": missing}
    assert marker["tables"] == tables
    assert explained(unused, tmp_path, "fc", "--units", "0").code == 0
    about = header_of(unused)["about"]
    assert (about["tables"], about["map_size"]) == (tables, [1, 1])
    (told,) = unused("info", "-f", "jsonl").lines
    assert (told["dataset"]["tables"], told["dataset"]["images"]) == (tables, images)
    Draft202012Validator(json.loads(schema_text("info"))).validate(told)
    shown = " ".join(unused("info").out.split())
    assert "dataset tables threshold │ 0.5" in shown
    assert f"dataset tables missing │ {missing}" in shown
    text = methods(unused)
    assert (
        "Attributes from tables, of the category attribute, are labels of whole images; a score "
        f"of at least 0.5 counted as present; {meaning}. "
    ) in text
    assert "A unit has one activation for an image, which all pixels of the label maps" in text
    assert "upsampled" not in text


def test_of_a_table_only_what_is_true_is_said(
    unused: CommandLine, tmp_path: Path, has: NDArray[np.bool_]
) -> None:
    # Nothing is missing.
    assert imported(unused, tmp_path, "--missing", "drop", "-q").code == 0
    path = unused.file("datasets/photos/*/ccx-import.json")
    marker = json.loads(path.read_text())
    assert marker["tables"] == {"categories": ["attribute"], "threshold": None, "missing": None}
    assert explained(unused, tmp_path, "conv", "--units", "0").code == 0
    text = methods(unused)
    assert "of the category attribute, are labels of whole images. Images entered" in text
    assert "Activation maps were scaled bilinearly to the 8 x 8 pixels of the label maps" in text
    # What older versions imported and explained.
    del marker["tables"]
    path.write_text(json.dumps(marker))
    assert "nothing to do" in imported(unused, tmp_path).err
    assert explained(unused, tmp_path, "conv", "--units", "1").code == 0
    assert "tables" not in header_of(unused)["about"]
    assert "tables" not in unused("info", "-f", "jsonl").lines[0]["dataset"]
    assert "whole images" not in methods(unused)


def test_attributes_of_images_and_labels_of_pixels_are_one_set(
    unused: CommandLine, tmp_path: Path, has: NDArray[np.bool_]
) -> None:
    labels = ["--labels", f"part={tmp_path / 'masks'}", "--names", str(tmp_path / "names.txt")]
    ended = imported(unused, tmp_path, *labels, "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert [line["category"] for line in ended.lines] == ["part", "attribute"]
    ended = explained(unused, tmp_path, "conv", "--num-clusters", "1", "--quantile", "0.18")
    assert ended.code == 0, ended.err
    for line, name in zip(ended.lines, ATTRIBUTES, strict=False):
        assert line["formula"] == f"{name} AND top"
        assert line["iou"] > 0.8


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--names", "names.txt"], 2, "--names names the values of label PNGs: add --labels"),
        (["--threshold", "0.5"], 2, "--threshold 0.5 has no use, "),
        (["--missing", "perhaps"], 2, "'--missing': 'perhaps' is not one of 'no', 'drop'"),
        (["attribute=other.csv"], 2, "other.csv are both tables of the category attribute: give"),
        (["none.csv"], 3, "The table none.csv cannot be read: give another."),
        (
            ["my table.csv"],
            2,
            "such as object, part, material, scene or texture; give my table.csv",
        ),
        (["color=a.csv", "--colors"], 2, "in the category of a.csv: give the table another, as"),
        (["--images", "nowhere"], 3, "The folder nowhere does not exist"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    arguments: list[str],
    code: int,
    sentence: str,
    unused: CommandLine,
    tmp_path: Path,
    has: NDArray[np.bool_],
) -> None:
    ended = imported(unused, tmp_path, *arguments, "-q")
    assert (ended.code, ended.err[:7]) == (code, "Error: ")
    assert sentence in ended.err
    assert ended.err.count("\n") == 1
    assert not unused.data.exists()
