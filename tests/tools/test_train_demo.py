"""The demo network knows what it was taught, and can be trained again."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from ccx_cli.concepts.demo import demo_scenes
from ccx_cli.probe.networks.demo_network import load_demo_network
from tools.demo_pictures.scenes import paint_scenes
from tools.demo_pictures.vocabulary import LABEL_NUMBERS, SCENE_NAMES
from tools.train_demo import LESSONS, normalized, paint_training_set, save_weights, train


def test_the_packaged_weights_know_the_demo_scenes() -> None:
    scenes = list(islice(demo_scenes(), 8 * len(SCENE_NAMES)))
    images = torch.from_numpy(np.stack([s.rendering.image for s in scenes])).permute(0, 3, 1, 2)
    with torch.no_grad():
        classes = load_demo_network()(normalized(images)).argmax(dim=1)
    right = [
        LABEL_NUMBERS["scene", f"{SCENE_NAMES[guess]}-s"] == scene.scene
        for guess, scene in zip(classes.tolist(), scenes, strict=True)
    ]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize(
    ("category", "name", "least"), [("object", "sky", 0.6), ("part", "wheel", 0.3)]
)
def test_units_answer_to_what_they_were_taught(category: str, name: str, least: float) -> None:
    scenes = list(islice(demo_scenes(), 4 * len(SCENE_NAMES)))
    images = torch.from_numpy(np.stack([s.rendering.image for s in scenes])).permute(0, 3, 1, 2)
    unit = LESSONS.index({name: 3})
    with torch.no_grad():
        maps = load_demo_network().features(normalized(images))[:, unit : unit + 1]
    activation = functional.interpolate(maps, (112, 112), mode="bilinear")[:, 0].numpy()
    layers = [(s.rendering.object,) if category == "object" else s.rendering.parts for s in scenes]
    number = LABEL_NUMBERS[category, name]
    labelled = np.stack([np.any([mask == number for mask in masks], axis=0) for masks in layers])
    hits = activation > 1.5
    iou = (hits & labelled).sum() / (hits | labelled).sum()
    assert iou >= least


def test_lessons_weigh_the_pixels_of_a_cell() -> None:
    data = paint_training_set(seed=3, count=len(SCENE_NAMES))
    assert data.classes.tolist() == list(range(len(SCENE_NAMES)))
    street = next(iter(paint_scenes(3, 1))).painting.render()
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
