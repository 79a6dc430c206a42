"""Draws houses and town buildings."""

from __future__ import annotations

from tools.demo_pictures.canvas import Canvas, Color, Surface, mixed, shaded

WALLS = {
    material: Surface("house", ("wall",), material, grain)
    for material, grain in (("brick", 0.06), ("plaster", 0.03), ("wood", 0.06))
}
ROOF = Surface("house", ("roof",), "tile", grain=0.06)
DOOR = Surface("house", ("door",), "wood", grain=0.04)
HANDLE = Surface("house", ("door", "handle"), "metal", grain=0.0)
WINDOW = Surface("house", ("window",), "glass", grain=0.0)
CHIMNEY = Surface("house", ("chimney",), "brick", grain=0.06)
BUILDING_WALLS = {
    material: Surface("building", ("wall",), material, grain)
    for material, grain in (("brick", 0.06), ("plaster", 0.03), ("stone", 0.05))
}
BUILDING_ROOF = Surface("building", ("roof",), "stone", grain=0.04)
BUILDING_DOOR = Surface("building", ("door",), "wood", grain=0.03)
BUILDING_HANDLE = Surface("building", ("door", "handle"), "metal", grain=0.0)
BUILDING_WINDOW = Surface("building", ("window",), "glass", grain=0.0)
_WALL_COLORS: dict[str, tuple[Color, ...]] = {
    "brick": ((176, 84, 62), (150, 74, 58), (190, 112, 78)),
    "plaster": (
        (240, 228, 204),
        (236, 214, 160),
        (226, 190, 176),
        (204, 218, 226),
        (246, 244, 240),
    ),
    "wood": ((150, 104, 66), (118, 142, 160), (168, 62, 52), (196, 156, 108)),
    "stone": ((172, 168, 162), (150, 152, 156), (196, 186, 170)),
}
_ROOF_COLORS: tuple[Color, ...] = ((172, 70, 50), (128, 62, 52), (84, 86, 96), (110, 84, 68))
_DOOR_COLORS: tuple[Color, ...] = ((104, 66, 40), (44, 88, 120), (150, 44, 44), (52, 104, 70))
_LIT = (255, 220, 120)


def draw_house(canvas: Canvas, x: float, base: float, width: float, lit: bool) -> None:
    """Draw a house of ``width`` with a gable or hip roof; ``lit`` windows glow."""
    rng = canvas.rng
    material = rng.choice(("brick", "plaster", "plaster", "wood"))
    color = rng.choice(_WALL_COLORS[material])
    height = width * rng.uniform(0.6, 0.8)
    left, right, eaves = x - width / 2, x + width / 2, base - height
    roof = rng.choice(_ROOF_COLORS)
    rise = width * rng.uniform(0.36, 0.5)
    if rng.random() < 0.6:
        stack = x + width * rng.choice((-0.26, 0.26))
        canvas.rectangle(
            stack - width * 0.055,
            eaves - rise * 0.95,
            stack + width * 0.055,
            eaves - rise * 0.2,
            (150, 84, 66),
            CHIMNEY,
        )
    canvas.rectangle(left, eaves, right, base, color, WALLS[material])
    _roughen_wall(canvas, left, eaves, right, base, color, material)
    overhang = width * 0.07
    inset = width * rng.choice((0.0, 0.2))
    canvas.polygon(
        [
            (left - overhang, eaves + width * 0.02),
            (x - inset, eaves - rise),
            (x + inset, eaves - rise),
            (right + overhang, eaves + width * 0.02),
        ],
        roof,
        ROOF,
    )
    for row in (0.3, 0.55, 0.8):
        half = (inset * (1 - row)) + (width / 2 + overhang) * row
        y = eaves - rise * (1 - row)
        canvas.line([(x - half, y), (x + half, y)], width * 0.012, (*shaded(roof, 0.6), 150))
    canvas.rectangle(left, eaves + width * 0.02, right, eaves + width * 0.055, (0, 0, 0, 60))
    spot = rng.choice((-0.28, 0.0, 0.28))
    _draw_door(canvas, x + spot * width, base, width * 0.19, height * 0.58, DOOR, HANDLE)
    for place in (-0.3, 0.0, 0.3):
        if abs(place - spot) > 0.2:
            _draw_window(
                canvas,
                x + place * width,
                eaves + height * 0.4,
                width * 0.1,
                height * 0.17,
                lit and rng.random() < 0.8,
                WINDOW,
            )


def draw_building(
    canvas: Canvas, left: float, right: float, base: float, height: float, lit: bool
) -> None:
    """Draw a town building of several storeys with rows of windows."""
    rng = canvas.rng
    material = rng.choice(("brick", "plaster", "plaster", "stone"))
    color = rng.choice(_WALL_COLORS[material])
    top = base - height
    width = right - left
    canvas.rectangle(left, top, right, base, color, BUILDING_WALLS[material])
    _roughen_wall(canvas, left, top, right, base, color, material)
    canvas.rectangle(
        left - 0.006, top - 0.022, right + 0.006, top + 0.008, shaded(color, 0.7), BUILDING_ROOF
    )
    canvas.rectangle(right - width * 0.06, top, right, base, (0, 0, 0, 40))
    columns = max(2, round(width / 0.105))
    rows = max(2, round(height / 0.14))
    pitch, storey = width / columns, height / rows
    entrance = rng.randrange(columns)
    for row in range(rows):
        for column in range(columns):
            x = left + (column + 0.5) * pitch
            if row == rows - 1 and column == entrance:
                _draw_door(
                    canvas, x, base, pitch * 0.55, storey * 0.82, BUILDING_DOOR, BUILDING_HANDLE
                )
                continue
            y = top + (row + 0.48) * storey
            glow = lit and rng.random() < 0.7
            _draw_window(canvas, x, y, pitch * 0.3, storey * 0.3, glow, BUILDING_WINDOW)


def _roughen_wall(
    canvas: Canvas,
    left: float,
    top: float,
    right: float,
    base: float,
    color: Color,
    material: str,
) -> None:
    if material == "brick":
        mortar = (*mixed(color, (226, 216, 204), 0.6), 150)
        course = 0.018
        for row in range(int((base - top) / course) + 1):
            y = top + row * course
            canvas.line([(left, y), (right, y)], 0.0022, mortar)
            shift = 0.02 if row % 2 else 0.0
            for column in range(int((right - left) / 0.04) + 1):
                x = left + column * 0.04 + shift
                if left < x < right:
                    canvas.line([(x, y), (x, min(base, y + course))], 0.0022, mortar)
    elif material == "wood":
        for row in range(1, int((base - top) / 0.025) + 1):
            y = top + row * 0.025
            canvas.line([(left, y), (right, y)], 0.003, (*shaded(color, 0.6), 170))


def _draw_window(
    canvas: Canvas,
    x: float,
    y: float,
    half_width: float,
    half_height: float,
    lit: bool,
    surface: Surface,
) -> None:
    frame = (246, 244, 238)
    rim = half_width * 0.22
    canvas.rectangle(
        x - half_width - rim,
        y - half_height - rim,
        x + half_width + rim,
        y + half_height + rim,
        frame,
    )
    glass = _LIT if lit else mixed((96, 142, 176), (158, 200, 224), canvas.rng.random())
    left, right = x - half_width, x + half_width
    top, bottom = y - half_height, y + half_height
    canvas.rectangle(left, top, right, bottom, glass, surface)
    if not lit:
        canvas.polygon([(left, bottom), (left, y), (x, top), (right, top)], (255, 255, 255, 60))
    canvas.line([(x, top), (x, bottom)], half_width * 0.16, frame)
    canvas.line([(left, y), (right, y)], half_width * 0.16, frame)
    canvas.rectangle(
        left - rim * 1.6, bottom + rim, right + rim * 1.6, bottom + rim * 2.2, (200, 194, 184)
    )


def _draw_door(
    canvas: Canvas,
    x: float,
    base: float,
    width: float,
    height: float,
    surface: Surface,
    handle: Surface,
) -> None:
    color = canvas.rng.choice(_DOOR_COLORS)
    half = width / 2
    canvas.rectangle(
        x - half * 1.2, base - height - width * 0.1, x + half * 1.2, base, (238, 234, 224)
    )
    canvas.rectangle(x - half, base - height, x + half, base, color, surface)
    for top, bottom in ((0.92, 0.56), (0.44, 0.08)):
        canvas.rectangle(
            x - half * 0.7,
            base - height * top,
            x + half * 0.7,
            base - height * bottom,
            (*shaded(color, 0.75), 200),
        )
    canvas.ellipse(
        x + half * 0.68, base - height * 0.48, width * 0.11, width * 0.11, (226, 196, 110), handle
    )
