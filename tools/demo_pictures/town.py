"""Composes the scenes that people built: streets, villages, harbors and markets."""

from __future__ import annotations

from tools.demo_pictures.buildings import draw_building, draw_house
from tools.demo_pictures.canvas import Canvas, shaded
from tools.demo_pictures.landscape import (
    GRASS,
    PATH,
    PAVEMENT,
    Weather,
    draw_ground,
    draw_hills,
    draw_path,
    draw_road,
    draw_sky,
    draw_water,
)
from tools.demo_pictures.palette import ASPHALTS, CLOTHS, GRASS_GREENS, WATERS
from tools.demo_pictures.people import draw_person
from tools.demo_pictures.plants import (
    AUTUMN,
    BLOSSOM,
    SUMMER_GREENS,
    draw_bush,
    draw_tree,
)
from tools.demo_pictures.structures import (
    COUNTER,
    STALL_POLE,
    STALL_WALL,
    draw_awning,
    draw_fence,
    draw_pier,
    draw_streetlight,
)
from tools.demo_pictures.vehicles import (
    CAR_COLORS,
    FRUIT,
    draw_car,
    draw_cart,
    draw_motorboat,
    draw_sailboat,
)


def compose_street(canvas: Canvas, weather: Weather) -> None:
    """Draw buildings along a road with cars."""
    rng = canvas.rng
    close = rng.random() < 0.3
    base = rng.uniform(0.52, 0.6)
    draw_sky(canvas, weather, base)
    left = rng.uniform(-0.15, 0.02)
    while left < 1:
        width = rng.uniform(0.2, 0.36)
        if rng.random() < 0.82:
            height = rng.uniform(0.26, 0.48)
            draw_building(canvas, left, left + width, base, height, weather.lit)
        left += width + rng.choice((0.0, 0.01, 0.06))
    draw_ground(canvas, base, (176, 170, 164), PAVEMENT)
    top = base + rng.uniform(0.05, 0.08)
    for _ in range(rng.randint(0, 2)):
        color = rng.choice(SUMMER_GREENS + AUTUMN[:1])
        draw_tree(canvas, rng.random(), base + 0.035, rng.uniform(0.24, 0.36), color)
    if rng.random() < 0.5:
        draw_streetlight(canvas, rng.uniform(0.1, 0.9), base + 0.045, 0.34, weather.lit)
    for _ in range(rng.randint(0, 2)):
        draw_person(canvas, rng.uniform(0.06, 0.94), base + 0.05, rng.uniform(0.15, 0.19))
    bottom = min(0.97, top + rng.uniform(0.28, 0.34))
    draw_road(canvas, top, bottom, rng.choice(ASPHALTS))
    colors = rng.sample(CAR_COLORS, 3)
    if close:
        draw_car(canvas, rng.uniform(0.4, 0.6), bottom - 0.03, rng.uniform(0.62, 0.74), colors[0])
    else:
        lanes = [(top + 0.11, rng.uniform(0.3, 0.38)), (bottom - 0.03, rng.uniform(0.36, 0.46))]
        first = rng.uniform(0.15, 0.85)
        for place, (lane, length) in enumerate(lanes[: 1 + (rng.random() < 0.75)]):
            x = first if place == 0 else (first + rng.uniform(0.35, 0.6)) % 1.0
            draw_car(canvas, x, lane, length, colors[place])
    if rng.random() < 0.35:
        draw_person(canvas, rng.uniform(0.08, 0.92), 0.985, rng.uniform(0.3, 0.36))


def compose_village(canvas: Canvas, weather: Weather) -> None:
    """Draw a few houses on a green."""
    rng = canvas.rng
    horizon = rng.uniform(0.46, 0.56)
    draw_sky(canvas, weather, horizon)
    if rng.random() < 0.6:
        draw_hills(canvas, horizon, rng.uniform(0.1, 0.2), (112, 150, 96))
    green = rng.choice(GRASS_GREENS)
    draw_ground(canvas, horizon, green, GRASS)
    if rng.random() < 0.45:
        draw_path(canvas, horizon, (196, 176, 146), PATH)
    count = rng.choice((1, 2, 2, 3))
    for place in range(count):
        width = rng.uniform(0.24, 0.32) if count > 1 else rng.uniform(0.38, 0.5)
        x = (place + rng.uniform(0.38, 0.62)) / count
        draw_house(canvas, x, horizon + rng.uniform(0.1, 0.17), width, weather.lit)
    for _ in range(rng.randint(0, 2)):
        tone = rng.choice(SUMMER_GREENS + AUTUMN + BLOSSOM)
        draw_tree(
            canvas, rng.random(), horizon + rng.uniform(0.14, 0.24), rng.uniform(0.3, 0.44), tone
        )
    if rng.random() < 0.5:
        base = horizon + rng.uniform(0.24, 0.3)
        left = rng.choice((-0.02, 0.45))
        draw_fence(canvas, left, left + rng.uniform(0.4, 0.6), base, 0.085)
    for _ in range(rng.randint(0, 2)):
        draw_bush(
            canvas, rng.random(), horizon + 0.2, rng.uniform(0.05, 0.08), rng.choice(SUMMER_GREENS)
        )
    guest = rng.random()
    if guest < 0.32:
        length = rng.uniform(0.34, 0.44)
        draw_car(canvas, rng.uniform(0.25, 0.75), 0.9, length, rng.choice(CAR_COLORS))
    elif guest < 0.56:
        draw_cart(canvas, rng.uniform(0.2, 0.8), 0.93, rng.uniform(0.26, 0.34))
    elif guest < 0.85:
        draw_person(canvas, rng.uniform(0.1, 0.9), 0.95, rng.uniform(0.24, 0.34))


def compose_harbor(canvas: Canvas, weather: Weather) -> None:
    """Draw boats before a town, with a pier or a quay."""
    rng = canvas.rng
    horizon = rng.uniform(0.4, 0.5)
    draw_sky(canvas, weather, horizon)
    if rng.random() < 0.6:
        left = rng.uniform(0.0, 0.3)
        for _ in range(rng.randint(2, 4)):
            width = rng.uniform(0.15, 0.24)
            draw_building(
                canvas, left, left + width, horizon + 0.01, rng.uniform(0.15, 0.28), weather.lit
            )
            left += width + 0.01
    draw_water(canvas, horizon, 1.0, rng.choice(WATERS), weather)
    colors = rng.sample(CAR_COLORS, 4)
    lines = sorted(horizon + rng.uniform(0.1, 0.34) for _ in range(rng.randint(2, 4)))
    for color, line in zip(colors, lines, strict=False):
        length = 0.2 + 0.5 * (line - horizon)
        draw = draw_sailboat if rng.random() < 0.6 else draw_motorboat
        draw(canvas, rng.uniform(0.1, 0.9), line, length * rng.uniform(0.9, 1.2), color)
    quay = rng.uniform(0.84, 0.9)
    if rng.random() < 0.65:
        left, right = rng.choice(((-0.02, 0.7), (0.3, 1.02), (-0.02, 1.02)))
        draw_pier(canvas, left, right, quay, quay + 0.08)
        if rng.random() < 0.55:
            x = rng.uniform(max(left, 0.0) + 0.1, min(right, 1.0) - 0.1)
            draw_person(canvas, x, quay + 0.06, rng.uniform(0.22, 0.3))
    elif rng.random() < 0.6:
        draw_ground(canvas, 0.86, (170, 164, 156), PAVEMENT)
        length = rng.uniform(0.36, 0.46)
        draw_car(canvas, rng.uniform(0.25, 0.75), 0.97, length, rng.choice(CAR_COLORS))


def compose_market(canvas: Canvas, weather: Weather) -> str | None:
    """Draw a market stall; return the pattern of its awning where that dominates."""
    rng = canvas.rng
    ground = rng.uniform(0.74, 0.8)
    draw_sky(canvas, weather, ground)
    left = -0.1
    while left < 1.0:
        width = rng.uniform(0.3, 0.5)
        draw_building(canvas, left, left + width, ground, rng.uniform(0.5, 0.62), weather.lit)
        left += width
    draw_ground(canvas, ground, (188, 174, 156), PAVEMENT)
    pattern = rng.choice(("striped", "striped", "dotted", "chequered", "chequered", "plain"))
    large = rng.random() < 0.7
    half = rng.uniform(0.44, 0.52) if large else rng.uniform(0.26, 0.32)
    middle = rng.uniform(0.46, 0.54) if large else rng.uniform(0.3, 0.7)
    top = rng.uniform(0.06, 0.12) if large else rng.uniform(0.34, 0.4)
    bottom = top + (rng.uniform(0.38, 0.44) if large else rng.uniform(0.12, 0.18))
    _draw_stall(canvas, middle, half, (top, bottom, ground + 0.1), pattern)
    for _ in range(rng.choice((0, 1, 1, 2))):
        x = rng.uniform(0.1, 0.9)
        draw_person(canvas, x, rng.uniform(0.95, 0.99), rng.uniform(0.34, 0.42))
    if rng.random() < 0.6:
        x = rng.choice((0.2, 0.26, 0.74, 0.8))
        draw_cart(canvas, x, 0.975, rng.uniform(0.32, 0.42))
    return pattern if large and pattern != "plain" else None


def _draw_stall(
    canvas: Canvas, x: float, half: float, heights: tuple[float, float, float], pattern: str
) -> None:
    """Draw a stall; ``heights`` are those of the awning's top and bottom and of the ground."""
    rng = canvas.rng
    top, bottom, base = heights
    colors = rng.choice(CLOTHS)
    inner = half * 0.88
    counter = base - (base - bottom) * 0.42
    canvas.rectangle(x - inner, bottom - 0.01, x + inner, base, (96, 78, 70), STALL_WALL)
    if rng.random() < 0.6:
        draw_person(canvas, x + rng.uniform(-0.5, 0.5) * inner, base, (base - bottom) * 0.92)
    for side in (-1, 1):
        pole = x + side * inner
        canvas.rectangle(pole - 0.01, bottom, pole + 0.01, base, (150, 112, 74), STALL_POLE)
    wood = rng.choice(((168, 120, 74), (146, 100, 64), (190, 146, 96)))
    fruit = rng.sample(((222, 60, 44), (246, 160, 40), (120, 176, 60), (240, 206, 60)), 3)
    for place in range(3):
        start = x - inner + (place + 0.08) * inner * 2 / 3
        for step in range(6):
            canvas.ellipse(
                start + (step + 0.5) * inner * 2 / 3 * 0.84 / 6,
                counter - 0.006,
                inner * 0.054,
                0.022,
                shaded(fruit[place], rng.uniform(0.85, 1.08)),
                FRUIT,
            )
    canvas.rectangle(x - inner * 1.04, counter, x + inner * 1.04, base, wood, COUNTER)
    canvas.rectangle(
        x - inner * 1.04, counter, x + inner * 1.04, counter + 0.014, shaded(wood, 1.25)
    )
    for step in range(1, 8):
        line = x - inner + step * inner / 4
        canvas.line([(line, counter + 0.014), (line, base)], 0.003, (*shaded(wood, 0.5), 140))
    draw_awning(canvas, (x - half, top, x + half, bottom), colors, pattern)
