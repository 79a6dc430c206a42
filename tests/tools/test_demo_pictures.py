"""The painter of the demo scenes, and what it packed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ccx_cli.concepts.demo import DEMO_SEED, DEMO_SIDES, demo_labels, demo_scenes
from tools.demo_pictures.canvas import Canvas, Surface
from tools.demo_pictures.scenes import paint_scene, paint_scenes
from tools.demo_pictures.vocabulary import LABEL_NUMBERS, SCENE_NAMES


@pytest.mark.parametrize("side", [224, 227])
def test_a_mask_cell_covers_its_four_pixels(side: int) -> None:
    canvas = Canvas(side, random.Random(0))
    canvas.rectangle(0, 0, 1, 1, (0, 0, 200))
    edge = 40 / side
    canvas.rectangle(edge, edge, 2 * edge, 2 * edge, (200, 0, 0), Surface("car", ("wheel", "hub")))
    rendering = canvas.finish().render()
    expected = np.zeros((side // 2, side // 2), dtype=bool)
    expected[20:40, 20:40] = True
    np.testing.assert_array_equal(rendering.object == LABEL_NUMBERS["object", "car"], expected)
    red = LABEL_NUMBERS["color", "red-c"]
    np.testing.assert_array_equal(rendering.color == red, expected)
    wheel, hub = rendering.parts
    np.testing.assert_array_equal(wheel == LABEL_NUMBERS["part", "wheel"], expected)
    np.testing.assert_array_equal(hub == LABEL_NUMBERS["part", "hub"], expected)


def test_the_same_seed_paints_the_same_scene_and_another_seed_another() -> None:
    for name in SCENE_NAMES:
        first, again, other = (paint_scene(name, seed) for seed in ("1/0", "1/0", "2/0"))
        one, same, different = (scene.painting.render() for scene in (first, again, other))
        np.testing.assert_array_equal(one.image, same.image)
        np.testing.assert_array_equal(one.object, same.object)
        assert (one.image != different.image).any()
    assert [scene.name for scene in paint_scenes(5, len(SCENE_NAMES))] == list(SCENE_NAMES)


@pytest.mark.parametrize("side", DEMO_SIDES)
def test_the_packaged_scenes_are_what_is_painted(side: int) -> None:
    assert demo_labels() == list(LABEL_NUMBERS)
    names = dict(enumerate(LABEL_NUMBERS, start=1))
    painted = paint_scenes(DEMO_SEED, len(SCENE_NAMES), side)
    for mine, packed in zip(painted, demo_scenes(side), strict=False):
        assert names[packed.scene] == ("scene", f"{mine.name}-s")
        assert (names[packed.texture][1] if packed.texture else None) == mine.texture
        expected, rendering = mine.painting.render(), packed.rendering
        for name in ("image", "color", "object", "material", "parts"):
            np.testing.assert_array_equal(getattr(rendering, name), getattr(expected, name))
