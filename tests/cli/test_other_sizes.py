"""Small and rectangular photographs, through the whole of the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
    from tests.cli.tiny_set import BALL, GREEN, RED, SQUARE, Picture, write_set
else:
    from command_line import CommandLine
    from tiny_set import BALL, GREEN, RED, SQUARE, Picture, write_set

pytestmark = pytest.mark.slow

# Unit 0 is the red channel, unit 1 the green one, both pooled and without what is dark.
SOURCE = """
import torch
from torch import nn


class Channels(nn.Module):
    def __init__(self):
        super().__init__()
        self.pool = nn.AvgPool2d(4)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2, 3)

    def forward(self, images):
        maps = self.relu(self.pool(images[:, :2]) - 0.5)
        return self.fc(maps.mean((2, 3)))
"""


def draw(height: int, width: int, count: int = 6) -> list[Picture]:
    """Draw a bright rectangle somewhere, with masks of half the size."""
    random = np.random.default_rng(0)
    pictures = []
    for number in range(count):
        pixels = random.integers(0, 60, (height, width, 3)).astype(np.uint8)
        color, shape = (np.zeros((height // 2, width // 2), np.uint16) for _ in range(2))
        high, wide = height // 8 * 4, width // 16 * 4
        top = int(random.integers(0, (height - high) // 8 + 1)) * 4
        left = int(random.integers(0, (width - wide) // 8 + 1)) * 4
        spot = np.s_[top : top + high // 2, left : left + wide // 2]
        color[spot] = RED if number % 2 else GREEN
        shape[spot] = SQUARE if number % 3 else BALL
        pixels[2 * top : 2 * top + high, 2 * left : 2 * left + wide, 0 if number % 2 else 1] = 250
        pictures.append(Picture(pixels, {"color": color, "object": shape}))
    return pictures


@pytest.mark.parametrize(
    ("height", "width", "size"), [(32, 32, "32"), (96, 160, "96x160"), (160, 96, "160x96")]
)
def test_units_are_found_where_they_fire(
    unused: CommandLine, tmp_path: Path, height: int, width: int, size: str
) -> None:
    side = max(height, width)
    write_set(unused.data / "datasets", draw(height, width), side=side)
    path = tmp_path / "channels.py"
    path.write_text(SOURCE)
    words = ["--model", f"{path}:Channels", "--input-size", size, "--mean", "0", "--std", "1"]
    words += ["--subset", "tiny", "--layer", "relu"]
    ended = unused("explain", *words, "--ranges", "0.2:inf", "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert "resized" not in ended.err
    for line, color in zip(ended.lines, ("red-c", "green-c"), strict=True):
        assert line["formula"].startswith(color)
        assert line["by_length"][0]["formula"] == color
        # But for the edges, which bilinear upsampling blurs.
        assert line["by_length"][0]["iou"] > 0.6
    directory = unused.file("results/*/header.json").parent
    about = json.loads((directory / "header.json").read_text())["about"]
    assert about["input_size"] == [height, width]
    assert f"{height // 2}x{width // 2}" in about["segmentation"]
    measured = json.loads(unused("metrics", directory.name, "--label-masking", "-f", "json").out)
    assert measured[0]["unit"] == 0
    assert measured[0]["label_masking"] > 0.9
    for more in (["importance", directory.name], ["summary", directory.name]):
        done = unused(*more, "-f", "json")
        assert done.code == 0, done.err
        assert json.loads(done.out)
    assert unused("score", "green-c", *words, "-f", "jsonl").lines


def test_a_known_network_takes_rectangles(unused: CommandLine) -> None:
    write_set(unused.data / "datasets", draw(96, 160), side=160)
    words = ["--model", "shufflenet_v2_x0_5", "--pretrained", "none", "--input-size", "96x160"]
    words += ["--subset", "tiny", "--units", "0-3", "--layer", "stage2", "--layer", "stage3"]
    ended = unused("explain", *words, "-f", "jsonl")
    assert ended.code == 0, ended.err
    assert {line["layer"] for line in ended.lines} == {"stage2", "stage3"}
    shown = unused("layers", *words[:6], "--layer", "stage2", "-f", "jsonl").lines[0]
    assert shown["map"] == [12, 20]
