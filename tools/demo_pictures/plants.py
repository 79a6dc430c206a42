"""Draws trees, bushes and flowers."""

from __future__ import annotations

import math

from tools.demo_pictures.canvas import Canvas, Color, Surface, shaded

TRUNK = Surface("tree", ("trunk",), "wood", grain=0.12)
CROWN = Surface("tree", ("crown",), "foliage", grain=0.2)
BUSH = Surface("bush", material="foliage", grain=0.2)
FLOWER = Surface("flower", grain=0.05)

SUMMER_GREENS: tuple[Color, ...] = ((58, 128, 52), (74, 146, 60), (44, 110, 58), (98, 150, 56))
AUTUMN: tuple[Color, ...] = ((214, 120, 38), (196, 74, 40), (222, 172, 52))
BLOSSOM: tuple[Color, ...] = ((244, 178, 200), (250, 214, 224))
FIR_GREENS: tuple[Color, ...] = ((34, 88, 62), (42, 100, 60), (28, 76, 58))
FLOWER_COLORS: tuple[Color, ...] = (
    (226, 48, 48),
    (250, 208, 44),
    (250, 248, 246),
    (234, 92, 166),
    (138, 76, 190),
    (250, 140, 40),
)


def draw_shadow(canvas: Canvas, x: float, base: float, width: float) -> None:
    """Darken the ground below something of the half ``width``."""
    canvas.ellipse(x + width * 0.15, base, width, width * 0.16, (20, 30, 40, 70))


def draw_tree(canvas: Canvas, x: float, base: float, height: float, color: Color) -> None:
    """Draw a broad-leaved tree of ``height`` that stands on ``base``."""
    rng = canvas.rng
    draw_shadow(canvas, x, base, height * 0.28)
    bark = rng.choice(((108, 76, 50), (92, 66, 48), (128, 92, 62)))
    _draw_trunk(canvas, x, base, height * 0.55, height * 0.055, bark)
    radius = height * rng.uniform(0.26, 0.32)
    middle = base - height + radius
    for angle in range(0, 360, 60):
        turn = math.radians(angle + rng.uniform(-15, 15))
        puff = radius * rng.uniform(0.5, 0.62)
        dark = shaded(color, 0.82 if math.sin(turn) > 0.2 else 0.95)
        canvas.ellipse(
            x + radius * 0.66 * math.cos(turn),
            middle + radius * 0.5 * math.sin(turn),
            puff,
            puff * 0.92,
            dark,
            CROWN,
        )
    canvas.ellipse(x, middle, radius * 0.72, radius * 0.66, color, CROWN)
    light = (*shaded(color, 1.16), 170)
    canvas.ellipse(x - radius * 0.3, middle - radius * 0.3, radius * 0.42, radius * 0.34, light)


def draw_fir(canvas: Canvas, x: float, base: float, height: float, color: Color) -> None:
    """Draw a conifer of ``height`` that stands on ``base``."""
    rng = canvas.rng
    draw_shadow(canvas, x, base, height * 0.2)
    _draw_trunk(canvas, x, base, height * 0.25, height * 0.04, (92, 66, 48))
    half = height * rng.uniform(0.2, 0.25)
    foot = base - height * 0.12
    top = base - height
    tiers = 4
    for tier in range(tiers):
        low = foot - (foot - top) * tier / tiers
        high = max(top, low - (foot - top) * 0.42)
        reach = half * (1 - 0.72 * tier / (tiers - 1) * 0.95)
        edge = [(x - reach, low), (x - reach * 0.4, low + height * 0.015)]
        edge += [(x + reach * 0.4, low + height * 0.015), (x + reach, low), (x, high)]
        canvas.polygon(edge, shaded(color, 0.9 + 0.07 * tier), CROWN)
        canvas.polygon([(x, high), (x + reach, low), (x + reach * 0.1, low)], (10, 30, 40, 60))


def draw_palm(canvas: Canvas, x: float, base: float, height: float) -> None:
    """Draw a palm of ``height`` that stands on ``base``."""
    rng = canvas.rng
    lean = height * rng.uniform(-0.18, 0.18)
    draw_shadow(canvas, x, base, height * 0.15)
    top = base - height * 0.8
    steps = 8
    spine = [(x + lean * (s / steps) ** 1.8, base + (top - base) * s / steps) for s in range(9)]
    canvas.line(spine, height * 0.05, (140, 104, 68), TRUNK)
    crown = spine[-1]
    green = rng.choice(SUMMER_GREENS)
    for angle in range(-170, 20, 27):
        turn = math.radians(angle + rng.uniform(-8, 8))
        tip = (
            crown[0] + height * 0.34 * math.cos(turn),
            crown[1] + height * 0.2 * math.sin(turn) + height * 0.09,
        )
        bow = (
            (crown[0] + tip[0]) / 2,
            (crown[1] + tip[1]) / 2 - height * 0.09,
        )
        thick = height * 0.045
        canvas.polygon(
            [crown, (bow[0], bow[1] - thick), tip, (bow[0], bow[1] + thick)],
            shaded(green, rng.uniform(0.85, 1.08)),
            CROWN,
        )


def draw_bush(canvas: Canvas, x: float, base: float, size: float, color: Color) -> None:
    """Draw a round bush of the half width ``size``."""
    rng = canvas.rng
    draw_shadow(canvas, x, base, size)
    for offset in (-0.55, 0.5, 0.0):
        radius = size * rng.uniform(0.45, 0.62)
        tone = shaded(color, 0.85 if offset else 1.0)
        canvas.dome(x + offset * size, base, radius, radius * 1.5, tone, BUSH)


def draw_flower(canvas: Canvas, x: float, base: float, size: float, color: Color) -> None:
    """Draw a flower of ``size`` with a stem, seen from the side."""
    stem = size * 0.9
    canvas.line([(x, base), (x, base - stem)], size * 0.12, (52, 112, 48))
    radius = size * 0.36
    y = base - stem
    for angle in range(0, 360, 72):
        turn = math.radians(angle + 18)
        canvas.ellipse(
            x + radius * 0.7 * math.cos(turn),
            y + radius * 0.7 * math.sin(turn),
            radius * 0.62,
            radius * 0.62,
            color,
            FLOWER,
        )
    canvas.ellipse(x, y, radius * 0.4, radius * 0.4, (244, 200, 60), FLOWER)


def draw_trunk(canvas: Canvas, x: float, base: float, top: float, width: float) -> None:
    """Draw a tall trunk whose crown is above the picture's upper edge."""
    rng = canvas.rng
    bark = rng.choice(((104, 74, 52), (84, 62, 48), (126, 94, 68)))
    draw_shadow(canvas, x, base, width * 2.2)
    _draw_trunk(canvas, x, base, base - top, width, bark)
    for _ in range(5):
        y = rng.uniform(top, base)
        canvas.line([(x, y), (x + width * 0.1, y + width * 1.6)], width * 0.12, (40, 26, 18, 110))


def _draw_trunk(
    canvas: Canvas, x: float, base: float, height: float, width: float, color: Color
) -> None:
    canvas.polygon(
        [
            (x - width * 0.9, base),
            (x - width * 0.5, base - height),
            (x + width * 0.5, base - height),
            (x + width * 0.9, base),
        ],
        color,
        TRUNK,
    )
    canvas.polygon(
        [
            (x + width * 0.15, base),
            (x + width * 0.1, base - height),
            (x + width * 0.5, base - height),
            (x + width * 0.9, base),
        ],
        (20, 10, 5, 80),
    )
