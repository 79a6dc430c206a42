"""Draws cars, carts and boats."""

from __future__ import annotations

import math

from tools.demo_pictures.canvas import Canvas, Color, Point, Surface, mixed, shaded
from tools.demo_pictures.landscape import WATER
from tools.demo_pictures.plants import draw_shadow

CAR_BODY = Surface("car", ("body",), "metal", grain=0.01)
CAR_WINDOW = Surface("car", ("window",), "glass", grain=0.0)
CAR_WHEEL = Surface("car", ("wheel",), "rubber", grain=0.03)
CAR_HUB = Surface("car", ("wheel", "hub"), "metal", grain=0.0)
CAR_HEADLIGHT = Surface("car", ("headlight",), "glass", grain=0.0)
CART_BODY = Surface("cart", ("body",), "wood", grain=0.08)
CART_WHEEL = Surface("cart", ("wheel",), "wood", grain=0.05)
CART_HUB = Surface("cart", ("wheel", "hub"), "wood", grain=0.05)
FRUIT = Surface("fruit", grain=0.02)
HULL = Surface("boat", ("hull",), "wood", grain=0.03)
STEEL_HULL = Surface("boat", ("hull",), "metal", grain=0.02)
MAST = Surface("boat", ("mast",), "wood", grain=0.02)
SAIL = Surface("boat", ("sail",), "fabric", grain=0.01)
CABIN = Surface("boat", ("wall",), "wood", grain=0.02)
CABIN_WINDOW = Surface("boat", ("window",), "glass", grain=0.0)

CAR_COLORS: tuple[Color, ...] = (
    (206, 38, 40),
    (36, 86, 190),
    (246, 196, 40),
    (46, 130, 74),
    (238, 238, 240),
    (48, 50, 56),
    (240, 124, 36),
    (236, 120, 170),
    (118, 70, 170),
)
_TYRE = (34, 34, 38)
_RIM = (196, 200, 206)


def draw_car(canvas: Canvas, x: float, base: float, length: float, color: Color) -> None:
    """Draw a car from the side, its middle at ``x`` and its wheels on ``base``."""
    van = canvas.rng.random() < 0.35
    outline, panes, height = (_van if van else _saloon)(x, base, length)
    if canvas.rng.random() < 0.5:
        outline, panes = _mirrored(outline, x), [_mirrored(pane, x) for pane in panes]
        front = x - length * 0.47
    else:
        front = x + length * 0.47
    draw_shadow(canvas, x, base, length * 0.52)
    canvas.polygon(outline, color, CAR_BODY)
    sill = base - length * 0.1
    canvas.rectangle(
        x - length * 0.46,
        sill - length * 0.035,
        x + length * 0.46,
        sill,
        (*shaded(color, 0.5), 150),
    )
    glass = mixed((86, 120, 150), (150, 190, 214), canvas.rng.random())
    for pane in panes:
        canvas.polygon(pane, glass, CAR_WINDOW)
        (ax, ay), (bx, by) = pane[0], pane[1]
        canvas.line([(ax, ay), (bx, by)], length * 0.012, (240, 248, 252, 150))
    seam = shaded(color, 0.62)
    canvas.line(
        [(x, base - height * 0.62), (x, sill - length * 0.03)], length * 0.008, (*seam, 200)
    )
    lamp = base - length * 0.185
    canvas.ellipse(front, lamp, length * 0.024, length * 0.03, (255, 244, 190), CAR_HEADLIGHT)
    back = 2 * x - front
    canvas.ellipse(back, lamp, length * 0.018, length * 0.03, (196, 30, 30))
    radius = length * 0.118
    for side in (-0.28, 0.28):
        cx, cy = x + side * length, base - radius
        canvas.dome(cx, cy + radius * 0.1, radius * 1.16, radius * 1.2, shaded(color, 0.35))
        canvas.ellipse(cx, cy, radius, radius, _TYRE, CAR_WHEEL)
        canvas.ellipse(cx, cy, radius * 0.56, radius * 0.56, _RIM, CAR_HUB)
        for angle in range(0, 180, 60):
            turn = math.radians(angle + 20)
            dx, dy = radius * 0.5 * math.cos(turn), radius * 0.5 * math.sin(turn)
            canvas.line([(cx - dx, cy - dy), (cx + dx, cy + dy)], radius * 0.08, (120, 124, 130))


def _saloon(x: float, base: float, length: float) -> tuple[list[Point], list[list[Point]], float]:
    def at(dx: float, dy: float) -> Point:
        return x + dx * length, base - dy * length

    outline = [
        at(-0.49, 0.08),
        at(-0.5, 0.2),
        at(-0.46, 0.26),
        at(-0.31, 0.28),
        at(-0.19, 0.42),
        at(0.13, 0.42),
        at(0.27, 0.28),
        at(0.45, 0.25),
        at(0.5, 0.18),
        at(0.49, 0.08),
    ]
    rear = [at(-0.255, 0.28), at(-0.165, 0.39), at(-0.025, 0.39), at(-0.025, 0.28)]
    fore = [at(0.02, 0.28), at(0.02, 0.39), at(0.115, 0.39), at(0.215, 0.28)]
    return outline, [rear, fore], length * 0.42


def _van(x: float, base: float, length: float) -> tuple[list[Point], list[list[Point]], float]:
    def at(dx: float, dy: float) -> Point:
        return x + dx * length, base - dy * length

    outline = [
        at(-0.49, 0.08),
        at(-0.5, 0.46),
        at(-0.47, 0.5),
        at(0.26, 0.5),
        at(0.4, 0.31),
        at(0.48, 0.27),
        at(0.5, 0.2),
        at(0.49, 0.08),
    ]
    panes = [
        [at(left, 0.31), at(left, 0.45), at(left + 0.19, 0.45), at(left + 0.19, 0.31)]
        for left in (-0.44, -0.21)
    ]
    panes.append([at(0.02, 0.31), at(0.02, 0.45), at(0.235, 0.45), at(0.34, 0.31)])
    return outline, panes, length * 0.5


def _mirrored(points: list[Point], axis: float) -> list[Point]:
    return [(2 * axis - x, y) for x, y in points]


def draw_cart(canvas: Canvas, x: float, base: float, length: float) -> None:
    """Draw a wooden handcart with two spoked wheels, loaded with fruit."""
    rng = canvas.rng
    wood = rng.choice(((156, 106, 62), (128, 84, 52), (178, 130, 80)))
    draw_shadow(canvas, x, base, length * 0.5)
    radius = length * 0.19
    deck = base - length * 0.42
    fruit = rng.choice(((222, 60, 44), (246, 160, 40), (120, 176, 60), (240, 206, 60)))
    for step in range(9):
        canvas.ellipse(
            x - length * 0.36 + step * length * 0.09,
            deck - length * 0.1,
            length * 0.055,
            length * 0.06,
            shaded(fruit, rng.uniform(0.85, 1.05)),
            FRUIT,
        )
    body = [
        (x - length * 0.46, deck - length * 0.1),
        (x + length * 0.46, deck - length * 0.1),
        (x + length * 0.4, deck + length * 0.14),
        (x - length * 0.4, deck + length * 0.14),
    ]
    canvas.polygon(body, wood, CART_BODY)
    for step in (1, 2):
        y = deck - length * 0.1 + step * length * 0.08
        canvas.line([(x - length * 0.43, y), (x + length * 0.43, y)], length * 0.01, (60, 36, 20))
    canvas.line(
        [(x + length * 0.42, deck), (x + length * 0.62, deck - length * 0.1)], length * 0.04, wood
    )
    dark = shaded(wood, 0.5)
    for side in (-0.24, 0.24):
        cx, cy = x + side * length, base - radius
        canvas.ellipse(cx, cy, radius, radius, dark, CART_WHEEL)
        canvas.ellipse(cx, cy, radius * 0.76, radius * 0.76, shaded(wood, 1.25))
        for angle in range(0, 180, 30):
            turn = math.radians(angle)
            dx, dy = radius * 0.8 * math.cos(turn), radius * 0.8 * math.sin(turn)
            canvas.line([(cx - dx, cy - dy), (cx + dx, cy + dy)], radius * 0.13, dark)
        canvas.ellipse(cx, cy, radius * 0.28, radius * 0.28, dark, CART_HUB)


def draw_sailboat(canvas: Canvas, x: float, waterline: float, length: float, color: Color) -> None:
    """Draw a sailing boat whose hull is ``length`` long."""
    rng = canvas.rng
    canvas.ellipse(
        x, waterline + length * 0.04, length * 0.5, length * 0.05, (20, 40, 60, 80), WATER
    )
    foot = waterline - length * 0.16
    top = foot - length * rng.uniform(0.95, 1.2)
    cloth = rng.choice(((248, 246, 240), (248, 246, 240), (226, 70, 60), (250, 214, 80)))
    canvas.polygon(
        [
            (x + length * 0.03, top + length * 0.06),
            (x + length * 0.46, foot - length * 0.04),
            (x + length * 0.03, foot - length * 0.04),
        ],
        cloth,
        SAIL,
    )
    canvas.polygon(
        [
            (x - length * 0.05, top + length * 0.16),
            (x - length * 0.38, foot - length * 0.04),
            (x - length * 0.05, foot - length * 0.04),
        ],
        shaded(cloth, 0.9),
        SAIL,
    )
    canvas.rectangle(x - length * 0.02, top, x + length * 0.015, foot, (110, 82, 56), MAST)
    _draw_hull(canvas, x, waterline, length, color, HULL)


def draw_motorboat(canvas: Canvas, x: float, waterline: float, length: float, color: Color) -> None:
    """Draw a small boat with a cabin."""
    canvas.ellipse(
        x, waterline + length * 0.04, length * 0.5, length * 0.05, (20, 40, 60, 80), WATER
    )
    deck = waterline - length * 0.16
    roof = deck - length * 0.24
    canvas.rectangle(
        x - length * 0.22, roof, x + length * 0.14, deck + 0.01, (244, 242, 236), CABIN
    )
    canvas.rectangle(
        x - length * 0.25, roof - length * 0.03, x + length * 0.17, roof, shaded(color, 0.8), CABIN
    )
    for left in (-0.18, -0.02):
        canvas.rectangle(
            x + left * length,
            roof + length * 0.05,
            x + (left + 0.12) * length,
            roof + length * 0.16,
            (112, 158, 188),
            CABIN_WINDOW,
        )
    _draw_hull(canvas, x, waterline, length, color, STEEL_HULL)


def _draw_hull(
    canvas: Canvas, x: float, waterline: float, length: float, color: Color, surface: Surface
) -> None:
    deck = waterline - length * 0.17
    canvas.polygon(
        [
            (x - length * 0.48, deck),
            (x + length * 0.52, deck - length * 0.03),
            (x + length * 0.36, waterline + length * 0.02),
            (x - length * 0.4, waterline + length * 0.02),
        ],
        color,
        surface,
    )
    canvas.polygon(
        [
            (x - length * 0.48, deck),
            (x + length * 0.52, deck - length * 0.03),
            (x + length * 0.49, deck + length * 0.02),
            (x - length * 0.465, deck + length * 0.04),
        ],
        (250, 248, 240, 220),
    )
