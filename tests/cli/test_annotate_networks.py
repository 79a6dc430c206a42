"""``ccx annotate`` with networks of transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("transformers")

if TYPE_CHECKING:
    from tests.cli.command_line import UNTRAINED, CommandLine
    from tests.tiny_networks import save_clipseg, save_segformer
else:
    from command_line import UNTRAINED, CommandLine
    from tiny_networks import save_clipseg, save_segformer


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with photographs of patches in random colors."""
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(5)
    for number in range(5):
        pixels = generator.integers(0, 256, (6, 8, 3)).repeat(16, axis=0).repeat(16, axis=1)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return folder


def test_words_become_explanations(unused: CommandLine, photos: Path, tmp_path: Path) -> None:
    save_clipseg(tmp_path / "network")
    engine = ["--engine", f"clipseg:{tmp_path / 'network'}", "--threshold", "0.4"]
    words = ["--words", "cat,dog,grass", "--side", "64x96", "--batch-size", "2"]
    ended = unused("annotate", str(photos), *words, *engine, "--subset", "mine", "-f", "jsonl")
    assert ended.code == 0
    assert [line["category"] for line in ended.lines] == ["object"]
    assert "Annotated 5 images, " in ended.err
    assert "license" not in ended.err
    ended = unused("explain", *UNTRAINED, "--subset", "mine", "--units", "0-1", "-f", "jsonl")
    assert ended.code == 0
    assert any(line["formula"] for line in ended.lines)


def test_the_names_of_a_network_are_the_words_and_its_license_is_told(
    unused: CommandLine, photos: Path, tmp_path: Path
) -> None:
    save_segformer(tmp_path / "network")
    card = "---\nlicense: other\nlicense_name: nvidia-noncommercial\n---\n"
    (tmp_path / "network/README.md").write_text(card)
    engine = ["--engine", f"semantic:{tmp_path / 'network'}", "--threshold", "0.01"]
    ended = unused("annotate", str(photos), *engine, "--subset", "mine", "-f", "jsonl")
    assert ended.code == 0
    license_ = "other (nvidia-noncommercial)"
    assert f"these weights, {license_}, does not allow commercial use." in ended.err
    assert {*ended.lines[0]["commonest"]} <= {"wall", "sky", "tree", "car", "door_frame"}
    marker = json.loads(unused.file("datasets/**/ccx-import.json").read_text())
    assert f'"license": "{license_}"' in json.dumps(marker)


def test_a_word_that_the_network_does_not_know(
    unused: CommandLine, photos: Path, tmp_path: Path
) -> None:
    save_segformer(tmp_path / "network")
    engine = ["--engine", f"semantic:{tmp_path / 'network'}"]
    ended = unused("annotate", str(photos), *engine, "--words", "trees")
    assert ended.code == 2
    assert "--engine does not know 'trees' of 'trees', did you mean tree?\n" in ended.err
