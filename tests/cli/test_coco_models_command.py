"""Detectors and networks for segmentation through the commands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from torchvision import models

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine


@pytest.mark.parametrize(
    ("model", "layer", "units"),
    [
        ("fasterrcnn_mobilenet_v3_large_320_fpn", "backbone.fpn.layer_blocks.0", 256),
        ("lraspp_mobilenet_v3_large", "classifier.cbr.0", 128),
    ],
)
def test_a_layer_is_explained_and_made_again(
    model: str, layer: str, units: int, fresh: CommandLine
) -> None:
    network = ["--model", model, "--pretrained", "none", "--input-size", "64"]
    listed = fresh("layers", *network, "-f", "jsonl").lines
    maps = {line["layer"]: line["units"] for line in listed}
    assert maps[layer] == units
    assert sum(line["default"] for line in listed) == 1
    words = ["--subset", "tiny", "--layer", layer, "--units", "0-1", "--num-clusters", "2"]
    ended = fresh("explain", *network, *words, "-q")
    assert ended.code == 0, ended.err
    assert fresh("rerun", "--check", "-q").code == 0
    masked = fresh("metrics", "--label-masking", "-q", "-f", "json")
    assert masked.code == 0, masked.err
    assert json.loads(masked.out)
    ablated = fresh("ablate", "--images", "1", "-q", "-f", "json")
    assert ablated.code == 0, ablated.err
    assert {line["probability"] for line in json.loads(ablated.out)} == {None}
    for study in ("importance", "roles"):
        ended = fresh(study, "-q")
        assert ended.code == 2
        assert f"{model} does not return one score per class" in ended.err


def test_missing_weights_are_those_on_coco(fresh: CommandLine) -> None:
    ended = fresh("explain", "--model", "fcn_resnet50", "--subset", "tiny", "-q")
    assert ended.code == 3
    assert "get them with `ccx fetch coco/fcn_resnet50`" in ended.err
    listed = fresh("fetch", "coco/fcn_resnet50", "--list", "-f", "json")
    assert "fcn_resnet50_coco-1167a1af.pth" in listed.out
    assert fresh("fetch", "coco/fcn_resnet5", "--list").code == 2


def test_published_weights_are_said_to_be_of_coco(fresh: CommandLine) -> None:
    model = "lraspp_mobilenet_v3_large"
    module = models.get_model(model, weights=None, weights_backbone=None)
    file = fresh.data / f"models/coco/{model}-d234d4ea.pth"
    file.parent.mkdir(parents=True)
    torch.save(module.state_dict(), file)
    words = ["--input-size", "64", "--subset", "tiny", "--units", "0", "--num-clusters", "1", "-q"]
    ended = fresh("explain", "--model", model, *words)
    assert ended.code == 0, ended.err
    header = fresh.file("results/*/header.json")
    assert header.parent.name.startswith(f"{model}-coco-backbone.16-tiny")
    about = json.loads(header.read_text())["about"]
    assert (about["weights"], about["mean"]) == (str(file), [0.485, 0.456, 0.406])
    assert "weights trained on COCO [" in fresh("info", "--methods").out
    assert fresh("rerun", "--check", "-q").code == 0
