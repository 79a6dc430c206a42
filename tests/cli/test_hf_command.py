"""``--model hf:FOLDER`` through the commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
    from tests.tiny_encoders import CLASSES, save_tiny
else:
    from command_line import CommandLine
    from tiny_encoders import CLASSES, save_tiny

pytest.importorskip("transformers")

QUICK = [
    *("--subset", "tiny", "--num-clusters", "1", "--quantile", "0.02", "--length", "1"),
    *("--units", "0", "-q"),
]


def test_a_folder_through_the_commands(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_tiny("vit", tmp_path / "nets" / "vit")
    monkeypatch.chdir(tmp_path / "nets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    network = ("--model", "hf:vit")
    ended = fresh("layers", *network, "--layer", "all-blocks", "--format", "jsonl")
    assert ended.code == 0, ended.err
    blocks = [(line["layer"], line["map"], line["default"]) for line in ended.lines]
    assert blocks == [
        ("vit.layers.0", [4, 4], False),
        ("vit.layers.1", [4, 4], False),
        ("vit.layers.2", [4, 4], True),
    ]
    ended = fresh("explain", *QUICK, *network)
    assert ended.code == 0, ended.err
    header = fresh.file("results/*/header.json")
    about = json.loads(header.read_text())["about"]
    assert about["model"] == f"hf:{tmp_path / 'nets' / 'vit'}"
    assert (about["pretrained"], about["layer"]) == ("hf", "vit.layers.2")
    monkeypatch.chdir(tmp_path)
    assert fresh("rerun", "--check", "-q").code == 0
    text = fresh("info", "--methods").out
    assert "vit.layers.2 of the network hf:vit (the weights published with it, SHA-256" in text
    assert "transformers" in text
    named = fresh("roles", "--format", "jsonl", "-q")
    assert named.code == 0, named.err
    assert any(f'"{name}"' in named.out for name in CLASSES)
    assert fresh("importance", "-q").code == 0
    shutil.rmtree(tmp_path / "nets")
    shutil.rmtree(fresh.file("activations/*/manifest.json").parent)
    ended = fresh("rerun", "-q")
    assert ended.code == 3
    assert f"`model` hf:{tmp_path / 'nets' / 'vit'}" in ended.err.replace("--model", "`model`")


def test_a_name_that_cannot_be_reached(fresh: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    ended = fresh("explain", *QUICK, "--model", "hf:someone/network", "--layer", "layers.0")
    assert ended.code == 3
    assert "there is no folder someone/network, HF_HUB_OFFLINE is set" in ended.err
