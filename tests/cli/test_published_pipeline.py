"""The whole published pipeline on made files: fetched from a host, then explained, by default."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from ccx_cli.probe.networks.catalog import PLACES365_FILES

if TYPE_CHECKING:
    from tests import loopback_host as hosts
    from tests.cli.command_line import CommandLine
    from tests.old_checkpoints import save_as_once, seeded, with_old_names
    from tests.published_files import broden_zip
else:
    import loopback_host as hosts
    from command_line import CommandLine
    from old_checkpoints import save_as_once, seeded, with_old_names
    from published_files import broden_zip

UNITS = {"alexnet": 256, "densenet161": 2208, "resnet18": 512, "resnet50": 2048, "vgg16": 512}
IMAGES = 12


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[hosts.Host]:
    """A mirror of the published hosts, which themselves no test gets through to."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, hosts.nobody())
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with hosts.loopback_host() as running:
        for side in (224, 227):
            running.files[f"/data/broden1_{side}.zip"] = broden_zip(side, IMAGES)
        yield running


def published_weights(model: str, folder: Path) -> bytes:
    """Save a seeded network as the published one is saved."""
    options = {"init_weights": False} if model == "vgg16" else {}
    network = seeded(models.get_model(model, weights=None, num_classes=365, **options))
    file = folder / PLACES365_FILES[model]
    if model == "densenet161":
        save_as_once(with_old_names(network), file, cuda=True)
    elif model == "vgg16":
        torch.save(dissection_names(network), file, _use_new_zipfile_serialization=False)
    else:
        state = OrderedDict((f"module.{k}", v) for k, v in network.state_dict().items())
        content = {"epoch": 90, "arch": model, "state_dict": state, "best_prec1": 50.0}
        save_as_once(content, file, cuda=True, python_2=True)
    written = file.read_bytes()
    file.unlink()
    return written


def dissection_names(vgg: models.VGG) -> dict[str, torch.Tensor]:
    """Name the weights of a VGG-16 as its publisher did."""
    blocks = (2, 2, 3, 3, 3)
    convolutions = [
        f"conv{b}_{n}" for b, count in enumerate(blocks, 1) for n in range(1, count + 1)
    ]
    places = [i for i, layer in enumerate(vgg.features) if isinstance(layer, nn.Conv2d)]
    new = {f"features.{i}": f"features.{n}" for i, n in zip(places, convolutions, strict=True)}
    new |= {f"classifier.{i}": f"classifier.{n}" for i, n in ((0, "fc6"), (3, "fc7"), (6, "fc8a"))}
    return OrderedDict(
        (f"{new[place]}.{kind}", tensor)
        for name, tensor in vgg.state_dict().items()
        for place, _, kind in [name.rpartition(".")]
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", sorted(UNITS))
def test_fetched_and_explained(
    unused: CommandLine, host: hosts.Host, tmp_path: Path, model: str
) -> None:
    weights = published_weights(model, tmp_path)
    file = PLACES365_FILES[model]
    host.files[f"/{file}"] = weights
    side = 227 if model == "alexnet" else 224
    names = [f"broden{side}", f"places365/{model}"]
    fetched = unused("fetch", *names, "--mirror", host.url, "-f", "jsonl", "--retries", "0")
    if model == "vgg16":
        # No made file has the SHA-256 that the published one's name begins.
        assert fetched.code == 4
        assert "not 0bafbc55..." in fetched.err
        (unused.data / "models" / "places365" / file).write_bytes(weights)
    else:
        assert fetched.code == 0, fetched.err
        assert [line["state"] for line in fetched.lines] == ["fetched", "fetched"]
    del host.files[f"/{file}"], weights

    ended = unused("explain", "--model", model)
    assert ended.code == 0, ended.err
    assert f"{UNITS[model]:,} of {UNITS[model]:,} units explained" in ended.err
    header = json.loads(unused.file("results/*/header.json").read_text())
    assert header["about"]["images"] == IMAGES
    assert header["about"]["subset"] == "ade20k"
    assert header["about"]["layer"] == ("layer4" if "resnet" in model else "features")
    lines = [
        json.loads(line)
        for line in unused.file("results/*/explanations.jsonl").read_text().splitlines()
    ]
    assert {line["unit"] for line in lines} == set(range(UNITS[model]))
    found = [line for line in lines if line["formula"]]
    assert all(line["proven"] and 0 < line["iou"] <= 1 and line["length"] <= 3 for line in found)
    assert len(found) > UNITS[model]
    pixels = IMAGES * (side // 2) ** 2
    assert max(line["hits"] for line in lines if line["hits"] is not None) <= pixels

    pascal = unused("explain", "--model", model, "--subset", "pascal", "--units", "0", "-q")
    assert pascal.code == 0, pascal.err


def test_alexnet_is_given_masks_of_113_pixels(unused: CommandLine, host: hosts.Host) -> None:
    words = ["cache", "build", "--model", "alexnet", "--pretrained", "none", "--no-activations"]
    assert unused("fetch", "broden227", "--mirror", host.url).code == 0
    ended = unused(*words)
    assert ended.code == 0, ended.err
    assert f"{IMAGES} images, 7 concepts" in ended.err
    label = unused.data / "datasets" / "broden1_227" / "images" / "ade20k" / "00000_color.png"
    with Image.open(label) as opened:
        assert opened.size == (113, 113)
