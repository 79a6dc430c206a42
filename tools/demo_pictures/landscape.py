"""Draws what a scene stands in and on: sky, mountains, grass, water, sand and roads."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tools.demo_pictures.canvas import Canvas, Color, Surface, mixed, shaded

SKY = Surface("sky", grain=0.006)
CLOUD = Surface("sky", ("cloud",), grain=0.006)
SUN = Surface("sun", grain=0.0)
MOUNTAIN = Surface("mountain", material="stone", grain=0.06)
SUMMIT = Surface("mountain", ("summit",), "snow", grain=0.02)
HILL = Surface("hill", material="foliage", grain=0.08)
GRASS = Surface("grass", grain=0.16)
WATER = Surface("water", grain=0.03)
SAND = Surface("sand", grain=0.06)
ROAD = Surface("road", material="asphalt", grain=0.08)
PATH = Surface("path", grain=0.1)
PAVEMENT = Surface("pavement", material="stone", grain=0.08)
ROCK = Surface("rock", material="stone", grain=0.12)


@dataclass(frozen=True)
class Weather:
    """The light of a scene: the sky's colors, the tint on everything, the sun and the clouds."""

    name: str
    top: Color
    bottom: Color
    tint: tuple[float, float, float]
    sun: Color | None
    cloud: Color
    clouds: tuple[int, int]
    lit: bool = False


CLEAR = Weather(
    "clear", (66, 138, 220), (178, 216, 244), (1, 1, 1), (255, 240, 160), (250, 252, 255), (0, 2)
)
FAIR = Weather("fair", (84, 152, 226), (190, 222, 246), (1, 1, 1), None, (250, 251, 255), (2, 5))
CLOUDY = Weather(
    "cloudy", (142, 152, 166), (206, 211, 217), (0.88, 0.9, 0.93), None, (228, 231, 236), (4, 7)
)
DUSK = Weather(
    "dusk",
    (88, 76, 150),
    (255, 172, 96),
    (0.92, 0.76, 0.72),
    (255, 214, 110),
    (255, 178, 150),
    (1, 4),
    lit=True,
)
ROSY = Weather(
    "rosy",
    (150, 128, 196),
    (255, 196, 186),
    (0.96, 0.86, 0.88),
    (255, 236, 190),
    (255, 222, 222),
    (1, 3),
    lit=True,
)
WEATHERS = (CLEAR, FAIR, CLOUDY, DUSK, ROSY)


def draw_sky(canvas: Canvas, weather: Weather, horizon: float) -> None:
    """Fill the canvas down to ``horizon`` with sky, its sun and its clouds."""
    rng = canvas.rng
    below = min(1.0, horizon + 0.05)
    canvas.gradient([(0, 0), (1, 0), (1, below), (0, below)], weather.top, weather.bottom, SKY)
    if weather.sun is not None and rng.random() < 0.75:
        low = weather.lit
        y = horizon * (rng.uniform(0.6, 0.85) if low else rng.uniform(0.15, 0.4))
        _draw_sun(canvas, weather.sun, rng.uniform(0.1, 0.9), y, rng.uniform(0.035, 0.065))
    for _ in range(rng.randint(*weather.clouds)):
        draw_cloud(
            canvas,
            rng.uniform(0.0, 1.0),
            horizon * rng.uniform(0.08, 0.6),
            rng.uniform(0.06, 0.15),
            weather.cloud,
        )


def _draw_sun(canvas: Canvas, color: Color, x: float, y: float, radius: float) -> None:
    for ring in range(6, 0, -1):
        reach = radius * (1 + ring * 0.35)
        canvas.ellipse(x, y, reach, reach, (*color, 22))
    canvas.ellipse(x, y, radius, radius, color, SUN)


def draw_cloud(canvas: Canvas, x: float, y: float, width: float, color: Color) -> None:
    """Draw a flat-bottomed cloud of the half ``width`` around ``(x, y)``."""
    rng = canvas.rng
    puffs = [
        (x + width * offset, y - width * rise * rng.uniform(0.7, 1.2), width * radius)
        for offset, rise, radius in (
            (-0.62, 0.02, 0.26),
            (-0.25, 0.2, 0.36),
            (0.18, 0.24, 0.4),
            (0.58, 0.04, 0.28),
        )
    ]
    for shadow in (True, False):
        paint = shaded(color, 0.91) if shadow else color
        drop = width * 0.07 if shadow else 0
        for px, py, radius in puffs:
            canvas.ellipse(px, py + drop, radius, radius * 0.72, paint, CLOUD)
    canvas.ellipse(x, y + width * 0.13, width * 0.85, width * 0.14, shaded(color, 0.94), CLOUD)


def draw_mountains(canvas: Canvas, base: float, height: float, color: Color, snow: bool) -> None:
    """Draw a range of two to four peaks that stands on ``base``."""
    rng = canvas.rng
    count = rng.randint(2, 4)
    order = rng.sample(range(count), count)
    for place in order:
        x = (place + rng.uniform(0.2, 0.8)) / count
        top = base - height * rng.uniform(0.6, 1.0)
        half = rng.uniform(0.8, 1.3) * (base - top) + 0.5 / count * rng.uniform(0.3, 0.6)
        tone = mixed(color, (235, 240, 250), rng.uniform(0.0, 0.14))
        _draw_peak(canvas, x, top, base + 0.03, half, tone, snow)


def _draw_peak(
    canvas: Canvas, x: float, top: float, base: float, half: float, color: Color, snow: bool
) -> None:
    rng = canvas.rng
    left, right = (x - half, base), (x + half, base)
    canvas.gradient([left, (x, top), right], shaded(color, 1.12), shaded(color, 0.85), MOUNTAIN)
    ridge = x + half * rng.uniform(0.05, 0.25)
    middle = (top + base) / 2
    shade = [(x, top), (x + half * 0.06, middle), (ridge, base), right]
    canvas.polygon(shade, (*shaded(color, 0.55), 95))
    if not snow:
        return
    depth = rng.uniform(0.28, 0.42) * (base - top)
    slope = half / (base - top)
    edge = []
    steps = 6
    for step in range(steps + 1):
        share = step / steps
        drop = depth * (1.0 if step in (0, steps) else rng.uniform(0.62, 1.15))
        edge.append((x + (2 * share - 1) * depth * slope, top + min(drop, depth * 1.15)))
    # The outer corners lie on the flanks, so that the snow ends where the mountain does.
    canvas.polygon([(x, top), *reversed(edge)], (244, 247, 252), SUMMIT)
    canvas.polygon(
        [(x, top), edge[-1], edge[-2], (x + depth * slope * 0.12, top + depth * 0.55)],
        (150, 170, 205, 90),
    )


def draw_hills(canvas: Canvas, base: float, height: float, color: Color) -> None:
    """Draw one to three rolling hills, the farther the paler."""
    rng = canvas.rng
    count = rng.randint(1, 3)
    for place in range(count):
        phase = rng.uniform(0, 2 * math.pi)
        waves = rng.uniform(0.6, 1.4)
        rise = height * (1 - 0.3 * place) * rng.uniform(0.75, 1.0)
        outline = [
            (
                step / 24,
                base - rise * (0.55 + 0.45 * math.sin(phase + waves * 2 * math.pi * step / 24)),
            )
            for step in range(25)
        ]
        tone = mixed(color, (200, 215, 225), 0.35 * (count - 1 - place) / 2)
        bottom = base + 0.03
        canvas.gradient(
            [*outline, (1, bottom), (0, bottom)], shaded(tone, 1.05), shaded(tone, 0.85), HILL
        )


def draw_ground(
    canvas: Canvas, top: float, color: Color, surface: Surface, bottom: float = 1.0
) -> None:
    """Fill the canvas from ``top`` to ``bottom`` with grass, sand or paving."""
    rng = canvas.rng
    wobble = [rng.uniform(-0.008, 0.008) for _ in range(7)]
    outline = [(step / 6, top + wobble[step]) for step in range(7)]
    canvas.gradient(
        [*outline, (1, bottom), (0, bottom)], shaded(color, 1.12), shaded(color, 0.86), surface
    )
    if surface is GRASS:
        for _ in range(int(90 * (bottom - top))):
            x, y = rng.random(), rng.uniform(top + 0.02, bottom)
            size = 0.006 + 0.02 * (y - top)
            tone = shaded(color, rng.choice((0.72, 1.2)))
            canvas.polygon([(x - size / 3, y), (x, y - size), (x + size / 3, y)], (*tone, 200))
    elif surface is SAND:
        for _ in range(int(40 * (bottom - top))):
            x, y = rng.random(), rng.uniform(top + 0.02, bottom)
            canvas.ellipse(x, y, 0.02, 0.004, (*shaded(color, 0.85), 90))


def draw_water(canvas: Canvas, top: float, bottom: float, color: Color, weather: Weather) -> None:
    """Fill the canvas from ``top`` to ``bottom`` with water that mirrors some of the sky."""
    rng = canvas.rng
    far = mixed(color, weather.bottom, 0.45)
    canvas.gradient([(0, top), (1, top), (1, bottom), (0, bottom)], far, color, WATER)
    for _ in range(int(70 * (bottom - top)) + 6):
        y = top + (bottom - top) * rng.random() ** 1.4
        nearness = (y - top) / (bottom - top)
        length = rng.uniform(0.02, 0.06) * (0.6 + 1.6 * nearness)
        x = rng.uniform(-0.05, 1.0)
        crest = mixed(color, (255, 255, 255), 0.6) if rng.random() < 0.6 else shaded(color, 0.75)
        canvas.ellipse(x, y, length, 0.0018 + 0.003 * nearness, (*crest, 120))


def draw_foam(canvas: Canvas, y: float) -> None:
    """Draw the white line where water runs out on a beach."""
    rng = canvas.rng
    for step in range(14):
        x = step / 13
        canvas.ellipse(x, y + rng.uniform(-0.006, 0.006), 0.06, 0.009, (245, 250, 252), WATER)


def draw_road(canvas: Canvas, top: float, bottom: float, color: Color) -> None:
    """Draw a road across the picture, with kerbs and a dashed middle line."""
    canvas.gradient([(0, top), (1, top), (1, bottom), (0, bottom)], shaded(color, 1.1), color, ROAD)
    kerb = (196, 194, 188)
    canvas.rectangle(0, top, 1, top + 0.012, kerb, PAVEMENT)
    canvas.rectangle(0, bottom - 0.014, 1, bottom, kerb, PAVEMENT)
    middle = (top + bottom) / 2
    shift = canvas.rng.uniform(0, 0.2)
    for step in range(-1, 6):
        left = shift + step * 0.2
        canvas.polygon(
            [
                (left, middle - 0.006),
                (left + 0.1, middle - 0.006),
                (left + 0.095, middle + 0.006),
                (left - 0.005, middle + 0.006),
            ],
            (236, 230, 204),
        )


def draw_path(canvas: Canvas, top: float, color: Color, surface: Surface) -> None:
    """Draw a road or a footpath that runs from the viewer to the horizon."""
    rng = canvas.rng
    goal = rng.uniform(0.35, 0.65)
    start = rng.uniform(0.3, 0.7)
    near, far = rng.uniform(0.2, 0.32), rng.uniform(0.015, 0.03)
    bend = rng.uniform(-0.12, 0.12)
    left, right = [], []
    for step in range(13):
        share = step / 12
        x = goal + (start - goal) * share + bend * math.sin(math.pi * share)
        half = far + (near - far) * share**1.5
        y = top + (1 - top) * share
        left.append((x - half, y))
        right.append((x + half, y))
    canvas.gradient([*left, *reversed(right)], shaded(color, 1.1), shaded(color, 0.9), surface)
    if surface is ROAD:
        for step in range(1, 12, 2):
            (ax, ay), (bx, by) = left[step], right[step]
            (cx, cy), (dx, dy) = left[step + 1], right[step + 1]
            width = (bx - ax) * 0.035
            middle, following = (ax + bx) / 2, (cx + dx) / 2
            canvas.polygon(
                [
                    (middle - width, (ay + by) / 2),
                    (middle + width, (ay + by) / 2),
                    (following + width * 1.3, (cy + dy) / 2),
                    (following - width * 1.3, (cy + dy) / 2),
                ],
                (236, 230, 204),
            )


def draw_rock(canvas: Canvas, x: float, base: float, size: float) -> None:
    """Draw a boulder of the half width ``size`` that stands on ``base``."""
    rng = canvas.rng
    tone = mixed((128, 126, 124), (156, 142, 126), rng.random())
    corners = [
        (x + size * dx * rng.uniform(0.9, 1.1), base - size * dy * rng.uniform(0.85, 1.15))
        for dx, dy in ((-1, 0.35), (-0.6, 0.85), (0.05, 1.1), (0.65, 0.8), (1, 0.3))
    ]
    outline = [(x - size, base), *corners, (x + size, base)]
    canvas.polygon(outline, tone, ROCK)
    canvas.polygon(
        [corners[2], corners[3], corners[4], (x + size, base), (x + size * 0.2, base)],
        (*shaded(tone, 0.6), 130),
    )
