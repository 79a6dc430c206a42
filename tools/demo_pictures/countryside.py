"""Composes the scenes of nature: meadows, lakes, beaches, mountains and forests."""

from __future__ import annotations

from tools.demo_pictures.buildings import draw_house
from tools.demo_pictures.canvas import Canvas, Color, shaded
from tools.demo_pictures.landscape import (
    CLOUDY,
    FAIR,
    GRASS,
    PATH,
    SAND,
    Weather,
    draw_foam,
    draw_ground,
    draw_hills,
    draw_mountains,
    draw_path,
    draw_rock,
    draw_sky,
    draw_water,
)
from tools.demo_pictures.palette import CLOTHS, GRASS_GREENS, SANDS, STONES, WATERS
from tools.demo_pictures.people import draw_person
from tools.demo_pictures.plants import (
    AUTUMN,
    BLOSSOM,
    FIR_GREENS,
    FLOWER,
    FLOWER_COLORS,
    SUMMER_GREENS,
    draw_bush,
    draw_fir,
    draw_flower,
    draw_palm,
    draw_tree,
    draw_trunk,
)
from tools.demo_pictures.structures import draw_umbrella
from tools.demo_pictures.vehicles import (
    CAR_COLORS,
    draw_sailboat,
)


def compose_meadow(canvas: Canvas, weather: Weather) -> str | None:
    """Draw a meadow: bare, with a tree, strewn with flowers or in rows of them.

    Return the texture that dominates it, if any.
    """
    rng = canvas.rng
    kind = rng.choice(("bare", "tree", "tree", "dotted", "striped"))
    horizon = rng.uniform(0.24, 0.36) if kind in ("dotted", "striped") else rng.uniform(0.42, 0.62)
    draw_sky(canvas, weather, horizon)
    if rng.random() < 0.5:
        draw_hills(canvas, horizon, rng.uniform(0.08, 0.18), (110, 156, 90))
    draw_ground(canvas, horizon, rng.choice(GRASS_GREENS), GRASS)
    if kind == "tree":
        tone = rng.choice(SUMMER_GREENS + AUTUMN + BLOSSOM)
        draw_tree(
            canvas,
            rng.uniform(0.2, 0.8),
            horizon + rng.uniform(0.1, 0.25),
            rng.uniform(0.4, 0.6),
            tone,
        )
        if rng.random() < 0.4:
            draw_person(
                canvas, rng.uniform(0.1, 0.9), rng.uniform(0.82, 0.96), rng.uniform(0.22, 0.3)
            )
        _scatter_flowers(canvas, horizon + 0.2, rng.randint(0, 14))
        return None
    if kind == "dotted":
        _scatter_flowers(canvas, horizon + 0.06, rng.randint(110, 150), rng.choice(FLOWER_COLORS))
        return "dotted"
    if kind == "striped":
        _draw_flower_rows(canvas, horizon + 0.03)
        return "striped"
    return None


def _scatter_flowers(canvas: Canvas, top: float, count: int, color: Color | None = None) -> None:
    rng = canvas.rng
    for y in sorted(rng.uniform(top, 1.02) for _ in range(count)):
        size = 0.03 + 0.06 * (y - top)
        draw_flower(canvas, rng.random(), y, size, color or rng.choice(FLOWER_COLORS))


def _draw_flower_rows(canvas: Canvas, top: float) -> None:
    """Draw rows of flowers that run to a point on the horizon."""
    rng = canvas.rng
    colors = rng.sample(FLOWER_COLORS, 3)
    goal = rng.uniform(0.3, 0.7)
    rows = 11
    for row in range(rows):
        near = (row + 0.5) / rows * 3.0 - 1.0
        half = 0.075
        edge = [(goal + (near - goal) * 0.03, top), (near - half, 1.0), (near + half, 1.0)]
        color = colors[row % 3]
        canvas.polygon(edge, color, FLOWER)
        for _ in range(36):
            share = rng.random() ** 0.6
            x = goal + (near - goal) * (0.03 + 0.97 * share) + rng.uniform(-half, half) * share
            y = top + (1 - top) * share
            tone = (*shaded(color, rng.choice((0.75, 1.3))), 190)
            canvas.ellipse(x, y, 0.012 * share, 0.009 * share, tone)


def compose_lake(canvas: Canvas, weather: Weather) -> None:
    """Draw a lake before hills or mountains."""
    rng = canvas.rng
    horizon = rng.uniform(0.38, 0.52)
    draw_sky(canvas, weather, horizon)
    if rng.random() < 0.45:
        draw_mountains(
            canvas, horizon, rng.uniform(0.14, 0.24), rng.choice(STONES), rng.random() < 0.4
        )
    else:
        draw_hills(canvas, horizon, rng.uniform(0.08, 0.16), (86, 132, 84))
    for _ in range(rng.randint(0, 7)):
        draw_fir(
            canvas, rng.random(), horizon + 0.01, rng.uniform(0.08, 0.16), rng.choice(FIR_GREENS)
        )
    draw_water(canvas, horizon, 1.0, rng.choice(WATERS), weather)
    if rng.random() < 0.4:
        x, length = rng.uniform(0.25, 0.75), rng.uniform(0.22, 0.34)
        draw_sailboat(canvas, x, horizon + rng.uniform(0.12, 0.25), length, rng.choice(CAR_COLORS))
    if rng.random() < 0.65:
        shore = rng.uniform(0.8, 0.9)
        draw_ground(canvas, shore, rng.choice(GRASS_GREENS), GRASS)
        if rng.random() < 0.6:
            x = rng.choice((0.1, 0.16, 0.84, 0.9))
            draw_tree(
                canvas, x, shore + 0.08, rng.uniform(0.5, 0.68), rng.choice(SUMMER_GREENS + AUTUMN)
            )
        for _ in range(rng.randint(0, 2)):
            draw_rock(canvas, rng.random(), shore + 0.07, rng.uniform(0.03, 0.07))
        if rng.random() < 0.3:
            draw_person(canvas, rng.uniform(0.3, 0.7), 0.96, rng.uniform(0.22, 0.28))


def compose_beach(canvas: Canvas, weather: Weather) -> None:
    """Draw sea and sand with umbrellas, palms and bathers."""
    rng = canvas.rng
    # Sea and grey sky run into each other: a cloudy beach keeps its dull light only.
    if weather is CLOUDY:
        weather = FAIR
    horizon = rng.uniform(0.32, 0.42)
    draw_sky(canvas, weather, horizon)
    shore = horizon + rng.uniform(0.14, 0.22)
    draw_water(canvas, horizon, shore + 0.02, (34, 140, 176), weather)
    for _ in range(rng.randint(0, 2)):
        x, length = rng.uniform(0.1, 0.9), rng.uniform(0.12, 0.18)
        draw_sailboat(canvas, x, horizon + 0.06, length, rng.choice(CAR_COLORS))
    draw_ground(canvas, shore, rng.choice(SANDS), SAND)
    draw_foam(canvas, shore)
    if rng.random() < 0.45:
        draw_palm(canvas, rng.choice((0.12, 0.2, 0.8, 0.88)), 0.88, rng.uniform(0.56, 0.74))
    for _ in range(rng.randint(0, 2)):
        base = rng.uniform(0.74, 0.92)
        draw_umbrella(
            canvas, rng.uniform(0.15, 0.85), base, rng.uniform(0.26, 0.36), rng.choice(CLOTHS)
        )
    for _ in range(rng.choice((0, 1, 1, 2))):
        base = rng.uniform(0.76, 0.97)
        draw_person(canvas, rng.uniform(0.1, 0.9), base, rng.uniform(0.24, 0.34), summer=True)
    if rng.random() < 0.25:
        draw_rock(canvas, rng.random(), 0.94, rng.uniform(0.06, 0.1))


def compose_mountain(canvas: Canvas, weather: Weather) -> None:
    """Draw peaks behind a pasture."""
    rng = canvas.rng
    horizon = rng.uniform(0.6, 0.76)
    draw_sky(canvas, weather, horizon)
    draw_mountains(canvas, horizon, rng.uniform(0.4, 0.52), rng.choice(STONES), rng.random() < 0.75)
    if rng.random() < 0.4:
        draw_hills(canvas, horizon, rng.uniform(0.06, 0.12), (84, 124, 88))
    draw_ground(canvas, horizon, rng.choice(GRASS_GREENS), GRASS)
    for _ in range(rng.choice((0, 2, 4, 6))):
        base = horizon + rng.uniform(0.03, 0.16)
        draw_fir(canvas, rng.random(), base, rng.uniform(0.16, 0.3), rng.choice(FIR_GREENS))
    for _ in range(rng.randint(0, 2)):
        draw_rock(canvas, rng.random(), rng.uniform(0.84, 0.98), rng.uniform(0.05, 0.11))
    if rng.random() < 0.3:
        draw_house(canvas, rng.uniform(0.25, 0.75), 0.86, rng.uniform(0.22, 0.28), weather.lit)
    elif rng.random() < 0.3:
        draw_person(canvas, rng.uniform(0.15, 0.85), 0.95, rng.uniform(0.2, 0.28))


def compose_forest(canvas: Canvas, weather: Weather) -> None:
    """Draw many trees, broad-leaved or firs."""
    rng = canvas.rng
    horizon = rng.uniform(0.5, 0.6)
    draw_sky(canvas, weather, horizon)
    autumn = rng.random() < 0.3
    firs = not autumn and rng.random() < 0.5
    tones = AUTUMN if autumn else (FIR_GREENS if firs else SUMMER_GREENS)
    draw_ground(canvas, horizon, (150, 138, 78) if autumn else (84, 128, 62), GRASS)
    for _ in range(9):
        color = shaded(rng.choice(tones), rng.uniform(0.75, 0.95))
        height = rng.uniform(0.3, 0.46)
        (draw_fir if firs else draw_tree)(canvas, rng.random(), horizon + 0.02, height, color)
    if rng.random() < 0.55:
        draw_path(canvas, horizon + 0.02, (176, 148, 112), PATH)
    for base in sorted(rng.uniform(horizon + 0.06, 0.86) for _ in range(rng.randint(3, 6))):
        side = rng.choice((rng.uniform(0.0, 0.34), rng.uniform(0.66, 1.0)))
        height = 0.4 + 0.7 * (base - horizon)
        (draw_fir if firs else draw_tree)(canvas, side, base, height, rng.choice(tones))
    if rng.random() < 0.5:
        for x in rng.sample((0.06, 0.2, 0.8, 0.93), rng.randint(1, 2)):
            draw_trunk(canvas, x, rng.uniform(0.92, 1.02), -0.05, rng.uniform(0.05, 0.08))
    for _ in range(rng.randint(0, 3)):
        draw_bush(
            canvas, rng.random(), rng.uniform(0.8, 1.0), rng.uniform(0.06, 0.1), rng.choice(tones)
        )
    if rng.random() < 0.3:
        draw_person(canvas, rng.uniform(0.35, 0.65), 0.92, rng.uniform(0.2, 0.28))
