"""Draws fences, street lamps, piers, umbrellas and awnings."""

from __future__ import annotations

from tools.demo_pictures.canvas import Canvas, Color, Surface, shaded

FENCE = Surface("fence", material="wood", grain=0.06)
LAMP_POLE = Surface("streetlight", ("pole",), "metal", grain=0.02)
LAMP = Surface("streetlight", ("lamp",), "glass", grain=0.0)
PIER = Surface("pier", material="wood", grain=0.1)
AWNING = Surface("stall", ("awning",), "fabric", grain=0.02)
COUNTER = Surface("stall", ("counter",), "wood", grain=0.06)
STALL_POLE = Surface("stall", ("pole",), "wood", grain=0.04)
STALL_WALL = Surface("stall", ("wall",), "fabric", grain=0.04)
UMBRELLA = Surface("umbrella", ("awning",), "fabric", grain=0.01)
UMBRELLA_POLE = Surface("umbrella", ("pole",), "wood", grain=0.02)


def draw_fence(canvas: Canvas, left: float, right: float, base: float, height: float) -> None:
    """Draw a picket fence."""
    color = canvas.rng.choice(((244, 242, 236), (150, 108, 70), (186, 150, 108)))
    width, gap = height * 0.22, height * 0.42
    for y in (0.35, 0.75):
        canvas.rectangle(
            left, base - height * (y + 0.06), right, base - height * (y - 0.06), color, FENCE
        )
    x = left
    while x < right:
        canvas.polygon(
            [
                (x, base),
                (x, base - height * 0.9),
                (x + width / 2, base - height),
                (x + width, base - height * 0.9),
                (x + width, base),
            ],
            color,
            FENCE,
        )
        canvas.rectangle(x + width * 0.75, base - height * 0.9, x + width, base, (0, 0, 0, 40))
        x += gap


def draw_streetlight(canvas: Canvas, x: float, base: float, height: float, lit: bool) -> None:
    """Draw a street lamp of ``height``."""
    metal = (62, 68, 74)
    top = base - height
    canvas.rectangle(x - height * 0.014, top, x + height * 0.014, base, metal, LAMP_POLE)
    canvas.rectangle(
        x - height * 0.035, base - height * 0.06, x + height * 0.035, base, metal, LAMP_POLE
    )
    glow = (255, 226, 140) if lit else (236, 240, 240)
    if lit:
        for reach in (0.16, 0.12, 0.09):
            canvas.ellipse(x, top, height * reach, height * reach, (255, 220, 130, 40))
    canvas.ellipse(x, top, height * 0.055, height * 0.065, glow, LAMP)
    canvas.dome(x, top - height * 0.02, height * 0.07, height * 0.055, metal, LAMP_POLE)


def draw_pier(canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """Draw a wooden deck on posts."""
    wood = canvas.rng.choice(((140, 104, 72), (158, 126, 92), (120, 96, 78)))
    x = left + 0.03
    while x < right:
        canvas.rectangle(x, bottom - 0.005, x + 0.022, bottom + 0.075, shaded(wood, 0.6), PIER)
        x += 0.14
    canvas.gradient(
        [(left, top), (right, top), (right, bottom), (left, bottom)],
        shaded(wood, 1.12),
        shaded(wood, 0.9),
        PIER,
    )
    x = left + 0.05
    while x < right:
        canvas.line([(x, top), (x, bottom)], 0.003, (*shaded(wood, 0.5), 160))
        x += 0.05
    canvas.rectangle(left, bottom - 0.012, right, bottom, shaded(wood, 0.7))


def draw_umbrella(
    canvas: Canvas, x: float, base: float, height: float, colors: tuple[Color, Color]
) -> None:
    """Draw a beach umbrella with gores of two ``colors``."""
    top = base - height
    canvas.line([(x, base), (x, top)], height * 0.03, (170, 130, 88), UMBRELLA_POLE)
    half, rise = height * 0.52, height * 0.42
    rim = top + rise * 0.95
    canvas.dome(x, rim, half, rise, colors[0], UMBRELLA)
    for inner in (0.62, 0.22):
        paint = colors[1] if inner > 0.5 else colors[0]
        canvas.dome(x, rim, half * inner, rise, paint)
    canvas.dome(x + half * 0.35, rim, half * 0.65, rise * 0.82, (0, 0, 0, 26))


def draw_awning(
    canvas: Canvas,
    box: tuple[float, float, float, float],
    colors: tuple[Color, Color],
    pattern: str,
) -> None:
    """Draw a cloth roof in ``box`` (left, top, right, bottom), patterned with two ``colors``.

    ``pattern`` is ``striped``, ``dotted``, ``chequered`` or ``plain``.
    """
    left, top, right, bottom = box
    canvas.rectangle(left, top, right, bottom, colors[0], AWNING)
    size = 0.055 if pattern == "striped" else 0.05
    columns = max(2, round((right - left) / size))
    pitch = (right - left) / columns
    rows = max(1, round((bottom - top) / pitch))
    height = (bottom - top) / rows
    for column in range(columns):
        x = left + column * pitch
        if pattern == "striped" and column % 2:
            canvas.rectangle(x, top, x + pitch, bottom, colors[1])
        for row in range(rows):
            y = top + row * height
            if pattern == "chequered" and (row + column) % 2:
                canvas.rectangle(x, y, x + pitch, y + height, colors[1])
            elif pattern == "dotted":
                shift = pitch * (0.75 if row % 2 else 0.25)
                canvas.ellipse(x + shift, y + height / 2, pitch * 0.27, pitch * 0.27, colors[1])
        scallop = colors[column % 2] if pattern in ("striped", "chequered") else colors[0]
        canvas.ellipse(x + pitch / 2, bottom, pitch / 2, pitch * 0.42, scallop, AWNING)
    canvas.rectangle(left, top, right, top + 0.014, (*shaded(colors[0], 0.5), 120))
    for step in range(6):
        y = top + (bottom - top) * step / 6
        canvas.rectangle(left, y, right, bottom, (0, 0, 0, 9))
