"""A canvas that keeps, beside the colors, what every pixel shows."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ccx_cli.concepts.demo import SUPERSAMPLING, Rendering, render_scene
from ccx_cli.concepts.demo import Surface as NumberedSurface
from tools.demo_pictures.vocabulary import LABEL_NUMBERS

Color = tuple[int, int, int]
Paint = Color | tuple[int, int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """What a pixel shows.

    ``parts`` goes from the whole to its details (a wheel, the hub in it); ``grain`` is the relative
    strength of the noise that roughens the surface.
    """

    object: str
    parts: tuple[str, ...] = ()
    material: str = ""
    grain: float = 0.02

    def numbered(self) -> NumberedSurface:
        """Return the same with the numbers of the labels."""
        part, detail = (*self.parts, "", "")[:2]
        return NumberedSurface(
            LABEL_NUMBERS["object", self.object],
            LABEL_NUMBERS.get(("part", part), 0),
            LABEL_NUMBERS.get(("part", detail), 0),
            LABEL_NUMBERS.get(("material", self.material), 0),
            self.grain,
        )


@dataclass(frozen=True)
class Painting:
    """What a canvas shows, before light and grain.

    ``image`` is RGB, twice as large as the picture; ``ids`` has the same size, dtype uint8: 1 + the
    index in ``surfaces`` of what a pixel shows, 0 for nothing. ``tint`` is the color of the light.
    """

    image: Image.Image
    ids: NDArray[np.uint8]
    surfaces: tuple[Surface, ...]
    tint: tuple[float, float, float]
    noise_seed: int

    def render(self) -> Rendering:
        """Return the picture and its masks."""
        surfaces = [surface.numbered() for surface in self.surfaces]
        return render_scene(self.image, self.ids, surfaces, self.tint, self.noise_seed)


def mixed(first: Color, second: Color, share: float) -> Color:
    """Return the color ``share`` of the way from ``first`` to ``second``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shaded(color: Color, factor: float) -> Color:
    """Return ``color`` darkened (``factor`` below 1) or lightened (above 1) towards white."""
    if factor <= 1:
        return mixed((0, 0, 0), color, factor)
    return mixed(color, (255, 255, 255), factor - 1)


class Canvas:
    """Draws shapes in coordinates from 0 to 1, x to the right and y down.

    A shape with a ``surface`` says what its pixels show from then on; one without is decoration
    (shadow, reflection, mortar) and leaves the labels below as they are.
    """

    def __init__(self, side: int, rng: random.Random) -> None:
        self.side = side
        self.rng = rng
        self._size = side * SUPERSAMPLING
        shape = (self._size, self._size)
        self._image = Image.new("RGB", shape)
        self._ids = Image.new("L", shape)
        self._brush = ImageDraw.Draw(self._image, "RGBA")
        self._marker = ImageDraw.Draw(self._ids)
        self._surfaces: dict[Surface, int] = {}

    def polygon(
        self, points: Sequence[Point], paint: Paint, surface: Surface | None = None
    ) -> None:
        """Fill a polygon."""
        corners = [(x * self._size, y * self._size) for x, y in points]
        self._brush.polygon(corners, fill=paint)
        if surface is not None:
            self._marker.polygon(corners, fill=self._id(surface))

    def rectangle(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        paint: Paint,
        surface: Surface | None = None,
    ) -> None:
        """Fill an upright rectangle."""
        box = [
            round(left * self._size),
            round(top * self._size),
            round(right * self._size) - 1,
            round(bottom * self._size) - 1,
        ]
        if box[2] < box[0] or box[3] < box[1]:
            return
        self._brush.rectangle(box, fill=paint)
        if surface is not None:
            self._marker.rectangle(box, fill=self._id(surface))

    def ellipse(
        self,
        x: float,
        y: float,
        x_radius: float,
        y_radius: float,
        paint: Paint,
        surface: Surface | None = None,
    ) -> None:
        """Fill an upright ellipse around ``(x, y)``."""
        box = self._box(x, y, x_radius, y_radius)
        self._brush.ellipse(box, fill=paint)
        if surface is not None:
            self._marker.ellipse(box, fill=self._id(surface))

    def dome(
        self,
        x: float,
        y: float,
        x_radius: float,
        y_radius: float,
        paint: Paint,
        surface: Surface | None = None,
    ) -> None:
        """Fill the upper half of an upright ellipse around ``(x, y)``."""
        box = self._box(x, y, x_radius, y_radius)
        self._brush.chord(box, 180, 360, fill=paint)
        if surface is not None:
            self._marker.chord(box, 180, 360, fill=self._id(surface))

    def line(
        self, points: Sequence[Point], width: float, paint: Paint, surface: Surface | None = None
    ) -> None:
        """Draw a line of a width given in the same coordinates."""
        corners = [(x * self._size, y * self._size) for x, y in points]
        pixels = max(1, round(width * self._size))
        self._brush.line(corners, fill=paint, width=pixels, joint="curve")
        if surface is not None:
            self._marker.line(corners, fill=self._id(surface), width=pixels, joint="curve")

    def gradient(
        self, points: Sequence[Point], top: Color, bottom: Color, surface: Surface
    ) -> None:
        """Fill a polygon with a vertical run of colors from its highest to its lowest point."""
        corners = [(x * self._size, y * self._size) for x, y in points]
        left = max(0, math.floor(min(x for x, _ in corners)))
        right = min(self._size, math.ceil(max(x for x, _ in corners)) + 1)
        first = max(0, math.floor(min(y for _, y in corners)))
        last = min(self._size, math.ceil(max(y for _, y in corners)) + 1)
        if right <= left or last <= first:
            return
        ramp = np.linspace(top, bottom, last - first).round().astype(np.uint8)
        colors = Image.fromarray(np.ascontiguousarray(ramp[:, None, :])).resize(
            (right - left, last - first), Image.Resampling.NEAREST
        )
        stencil = Image.new("1", colors.size)
        ImageDraw.Draw(stencil).polygon([(x - left, y - first) for x, y in corners], fill=1)
        self._image.paste(colors, (left, first), stencil)
        self._marker.polygon(corners, fill=self._id(surface))

    def finish(self, tint: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Painting:
        """Return what is painted, to be seen under light of the color ``tint``."""
        return Painting(
            self._image,
            np.asarray(self._ids),
            tuple(self._surfaces),
            tint,
            self.rng.getrandbits(64),
        )

    def _box(self, x: float, y: float, x_radius: float, y_radius: float) -> list[float]:
        left, top = (x - x_radius) * self._size, (y - y_radius) * self._size
        right, bottom = (x + x_radius) * self._size - 1, (y + y_radius) * self._size - 1
        return [left, top, max(left, right), max(top, bottom)]

    def _id(self, surface: Surface) -> int:
        return self._surfaces.setdefault(surface, len(self._surfaces) + 1)
