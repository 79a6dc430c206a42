"""The demo network: its shape, its weights and that they know the demo scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ccx_cli.concepts.demo.dataset import DEMO_SEED
from ccx_cli.concepts.demo.scenes import demo_scenes
from ccx_cli.concepts.demo.vocabulary import LABEL_NUMBERS, SCENE_NAMES
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.demo import DEFAULT_LAYER, DemoNetwork, load_demo_network
from ccx_cli.probe.demo.network import WEIGHTS_PATH
from ccx_cli.probe.demo.train import (
    LESSONS,
    draw_training_set,
    normalised,
    save_weights,
    train,
)


@pytest.mark.parametrize(("side", "cells"), [(224, 28), (227, 29)])
def test_layer4_gives_maps_without_negative_values(side: int, cells: int) -> None:
    network = load_demo_network()
    seen: list[torch.Tensor] = []
    network.get_submodule(DEFAULT_LAYER).register_forward_hook(
        lambda _module, _inputs, output: seen.append(output)
    )
    with torch.no_grad():
        scores = network(torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, len(SCENE_NAMES))
    assert seen[0].shape == (2, 48, cells, cells)
    assert seen[0].dtype == torch.float32
    assert float(seen[0].min()) == 0.0


def test_the_number_of_classes_can_be_chosen() -> None:
    assert DemoNetwork(365)(torch.zeros(1, 3, 224, 224)).shape == (1, 365)


def test_the_packaged_weights_are_small_and_in_evaluation_mode() -> None:
    assert WEIGHTS_PATH.stat().st_size < 1_000_000
    network = load_demo_network()
    assert not network.training
    assert all(value.dtype == torch.float32 for value in network.parameters())


def test_the_packaged_weights_know_the_demo_scenes() -> None:
    scenes = list(demo_scenes(DEMO_SEED, 8 * len(SCENE_NAMES)))
    images = torch.from_numpy(np.stack([s.rendering.image for s in scenes])).permute(0, 3, 1, 2)
    with torch.no_grad():
        classes = load_demo_network()(normalised(images)).argmax(dim=1)
    right = [
        SCENE_NAMES[guess] == s.name for guess, s in zip(classes.tolist(), scenes, strict=True)
    ]
    assert np.mean(right) > 0.8


def test_missing_and_damaged_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"absent\.safetensors"):
        load_demo_network(tmp_path / "absent.safetensors")
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(WEIGHTS_PATH.read_bytes()[:1000])
    with pytest.raises(DamagedDataError, match=r"torn\.safetensors"):
        load_demo_network(torn)


@pytest.mark.parametrize(
    ("category", "name", "least"), [("object", "sky", 0.6), ("part", "wheel", 0.3)]
)
def test_units_answer_to_what_they_were_taught(category: str, name: str, least: float) -> None:
    scenes = list(demo_scenes(DEMO_SEED, 4 * len(SCENE_NAMES)))
    images = torch.from_numpy(np.stack([s.rendering.image for s in scenes])).permute(0, 3, 1, 2)
    unit = LESSONS.index({name: 3})
    with torch.no_grad():
        maps = load_demo_network().features(normalised(images))[:, unit : unit + 1]
    activation = functional.interpolate(maps, (112, 112), mode="bilinear")[:, 0].numpy()
    layers = [(s.rendering.object,) if category == "object" else s.rendering.parts for s in scenes]
    number = LABEL_NUMBERS[category, name]
    labelled = np.stack([np.any([mask == number for mask in masks], axis=0) for masks in layers])
    hits = activation > 1.5
    iou = (hits & labelled).sum() / (hits | labelled).sum()
    assert iou >= least


def test_lessons_weigh_the_pixels_of_a_cell() -> None:
    data = draw_training_set(seed=3, count=len(SCENE_NAMES))
    assert data.classes.tolist() == list(range(len(SCENE_NAMES)))
    street = next(iter(demo_scenes(3, 1))).rendering
    body, wheel, window = (
        sum(
            (level == LABEL_NUMBERS["part", name]).reshape(28, 4, 28, 4).sum(axis=(1, 3))
            for level in street.parts
        )
        for name in ("body", "wheel", "window")
    )
    assert np.any(wheel)
    unit = LESSONS.index({"wheel": 3, "window": 2, "body": 1})
    taught = data.taught[0, unit].numpy()
    np.testing.assert_array_equal(taught, 3 * wheel + 2 * window + body)


@pytest.mark.slow
def test_training_is_reproducible_and_its_weights_can_be_loaded(tmp_path: Path) -> None:
    first, again = (train(seed=1, epochs=1, scenes=64) for _ in range(2))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name], msg=name)
    save_weights(first, tmp_path / "weights.safetensors")
    loaded = load_demo_network(tmp_path / "weights.safetensors")
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(loaded(images), first(images), rtol=0.05, atol=0.05)
