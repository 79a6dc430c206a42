"""Colors that several scenes share."""

from __future__ import annotations

from tools.demo_pictures.canvas import Color

GRASS_GREENS: tuple[Color, ...] = ((104, 164, 66), (88, 150, 62), (126, 172, 76), (150, 170, 84))
SANDS: tuple[Color, ...] = ((232, 208, 156), (222, 196, 146), (240, 220, 176))
STONES: tuple[Color, ...] = ((126, 122, 124), (110, 116, 132), (142, 122, 106))
ASPHALTS: tuple[Color, ...] = ((92, 94, 100), (76, 78, 86), (110, 108, 108))
WATERS: tuple[Color, ...] = ((38, 104, 168), (30, 124, 160), (54, 130, 178))
CLOTHS: tuple[tuple[Color, Color], ...] = (
    ((206, 44, 44), (250, 246, 238)),
    ((40, 92, 180), (250, 246, 238)),
    ((250, 246, 238), (46, 140, 84)),
    ((248, 200, 56), (206, 74, 44)),
    ((128, 70, 168), (252, 238, 220)),
    ((240, 132, 52), (255, 246, 226)),
)
