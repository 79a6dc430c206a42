"""Draws the demo scenes, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tools.demo_pictures import countryside, town
from tools.demo_pictures.canvas import Canvas, Painting
from tools.demo_pictures.landscape import WEATHERS, Weather
from tools.demo_pictures.vocabulary import SCENE_NAMES

_COMPOSERS: dict[str, Callable[[Canvas, Weather], str | None]] = {
    "street": town.compose_street,
    "village": town.compose_village,
    "meadow": countryside.compose_meadow,
    "lake": countryside.compose_lake,
    "beach": countryside.compose_beach,
    "mountain": countryside.compose_mountain,
    "forest": countryside.compose_forest,
    "harbor": town.compose_harbor,
    "market": town.compose_market,
}


@dataclass(frozen=True)
class PaintedScene:
    """A painted scene, its kind and the texture that dominates it, if any."""

    name: str
    painting: Painting
    texture: str | None


def paint_scenes(seed: int, count: int, side: int = 224) -> Iterator[PaintedScene]:
    """Yield ``count`` scenes, one kind after the other; equal seeds yield equal scenes.

    Parameters
    ----------
    seed
        Scenes of different seeds share nothing but the style of drawing.
    count
        How many scenes; scene ``i`` is of the kind ``SCENE_NAMES[i % len(SCENE_NAMES)]``.
    side
        Height and width of the pictures in pixels.
    """
    for number in range(count):
        name = SCENE_NAMES[number % len(SCENE_NAMES)]
        yield paint_scene(name, f"{seed}/{number}", side)


def paint_scene(name: str, seed: str, side: int = 224) -> PaintedScene:
    """Draw the scene of the kind ``name`` that ``seed`` determines."""
    rng = random.Random(f"{name}/{seed}")
    canvas = Canvas(side, rng)
    weather = rng.choice(WEATHERS)
    texture = _COMPOSERS[name](canvas, weather)
    return PaintedScene(name, canvas.finish(weather.tint), texture)
