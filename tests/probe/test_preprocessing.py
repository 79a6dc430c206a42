from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from ccx_cli.errors import CcxError
from ccx_cli.probe.images import read_image
from ccx_cli.probe.networks.catalog import IMAGENET_STEMS, choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.networks.loading import layer_activations, load_network
from ccx_cli.probe.networks.torchvision_models import MODELS

USUAL = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("model", [model for model in MODELS if model not in {"demo", "alexnet"}])
def test_imagenet_weights_take_what_their_own_transforms_give(model: str, tmp_path: Path) -> None:
    stems = IMAGENET_STEMS.get(model, (model,))
    seen = 0
    for weights in models.get_model_weights(model):
        name = weights.url.rsplit("/", 1)[1]
        if any(re.fullmatch(re.escape(stem) + r"-[0-9a-f]{8,}\.pth", name) for stem in stems):
            file = tmp_path / name
            file.write_bytes(b"weights")
            transform = weights.transforms()
            choice = choose_network(
                tmp_path, NetworkRequest(model, "imagenet", "layer", weights=file)
            )
            assert choice.input_size == (transform.crop_size[0],) * 2
            assert (list(choice.mean), list(choice.std)) == (transform.mean, transform.std)
            seen += 1
    assert seen


@pytest.mark.parametrize("model", MODELS)
def test_published_inputs_stay(model: str, tmp_path: Path) -> None:
    choice = choose_network(tmp_path, NetworkRequest(model, "none", "layer"))
    assert choice.input_size == ((227, 227) if model == "alexnet" else (224, 224))
    assert choice.resized is None
    file = tmp_path / "w.pth"
    file.touch()
    for model_and_side in (("resnet18", 224), ("alexnet", 227)):
        for pretrained in ("places365", "imagenet"):
            name, side = model_and_side
            choice = choose_network(tmp_path, NetworkRequest(name, pretrained, weights=file))
            assert (choice.input_size, choice.mean, choice.std) == ((side, side), *USUAL)


@pytest.mark.parametrize("size", [(32, 32), (96, 160), (224, 224)])
def test_inputs_of_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    mean, std = (0.1, 0.2, 0.3), (1.0, 2.0, 4.0)
    choice = choose_network(
        tmp_path,
        NetworkRequest("resnet18", "none", "layer2", input_size=size, mean=mean, std=std),
    )
    network = load_network(choice)
    assert network.layout.map_shape == (size[0] // 8, size[1] // 8)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    image = read_image(path, choice.input_size, choice.mean, choice.std)
    resized = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)
    expected = (np.asarray(resized) / 255 - [0.1, 0.2, 0.3]) / [1.0, 2.0, 4.0]
    np.testing.assert_allclose(image, expected.transpose(2, 0, 1), atol=1e-6)
    got = layer_activations(network, torch.from_numpy(image[None]))
    assert got.shape == (1, 128, *network.layout.map_shape)


def test_a_network_for_one_size_only_says_so(tmp_path: Path) -> None:
    choice = choose_network(tmp_path, NetworkRequest("vit_b_32", "none", input_size=(64, 96)))
    with pytest.raises(CcxError, match="vit_b_32 cannot take an image of 64 x 96 pixels"):
        load_network(choice)
