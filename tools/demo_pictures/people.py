"""Draws people."""

from __future__ import annotations

from tools.demo_pictures.canvas import Canvas, Color, Surface, shaded
from tools.demo_pictures.plants import draw_shadow

HEAD = Surface("person", ("head",), "skin", grain=0.0)
HAIR = Surface("person", ("head", "hair"), grain=0.04)
TORSO = Surface("person", ("torso",), "fabric", grain=0.03)
ARM = Surface("person", ("arm",), "fabric", grain=0.03)
HAND = Surface("person", ("arm",), "skin", grain=0.0)
LEG = Surface("person", ("leg",), "fabric", grain=0.03)
BARE_LEG = Surface("person", ("leg",), "skin", grain=0.0)

_SKIN: tuple[Color, ...] = ((246, 206, 176), (226, 172, 130), (176, 120, 84), (120, 78, 54))
_HAIR: tuple[Color, ...] = ((46, 34, 28), (110, 70, 40), (214, 172, 92), (160, 70, 36))
_SHIRTS: tuple[Color, ...] = (
    (214, 56, 56),
    (52, 104, 196),
    (248, 204, 64),
    (66, 150, 96),
    (240, 238, 234),
    (148, 86, 178),
    (244, 138, 60),
    (240, 140, 176),
)
_TROUSERS: tuple[Color, ...] = ((44, 58, 96), (70, 70, 78), (120, 92, 66), (30, 32, 38))


def draw_person(canvas: Canvas, x: float, base: float, height: float, summer: bool = False) -> None:
    """Draw a standing or walking person of ``height``; in ``summer`` with bare legs."""
    rng = canvas.rng
    skin, hair = rng.choice(_SKIN), rng.choice(_HAIR)
    shirt, cloth = rng.choice(_SHIRTS), rng.choice(_TROUSERS)
    stride = rng.uniform(0.02, 0.075) * height
    draw_shadow(canvas, x, base, height * 0.16)
    hip, shoulder = base - height * 0.46, base - height * 0.8
    thick = height * 0.075
    for side in (-1, 1):
        foot = x + side * (stride + height * 0.03)
        leg = [(x + side * height * 0.045, hip), (foot, base - height * 0.015)]
        if summer:
            canvas.line(leg, thick, skin, BARE_LEG)
            middle = [leg[0], ((leg[0][0] + foot) / 2, (hip + base) / 2 - height * 0.06)]
            canvas.line(middle, thick * 1.25, cloth, LEG)
        else:
            canvas.line(leg, thick, shaded(cloth, 0.9 if side < 0 else 1.0), LEG)
        canvas.ellipse(
            foot + height * 0.015,
            base - height * 0.012,
            height * 0.05,
            height * 0.022,
            (40, 32, 30),
        )
    for side in (-1, 1):
        lift = rng.uniform(-0.02, 0.3) if side > 0 else rng.uniform(-0.02, 0.08)
        elbow = (x + side * height * 0.17, shoulder + height * (0.17 - lift * 0.3))
        hand = (x + side * height * (0.18 + 0.1 * lift), shoulder + height * (0.33 - lift))
        canvas.line(
            [(x + side * height * 0.1, shoulder + height * 0.04), elbow],
            height * 0.06,
            shaded(shirt, 0.86),
            ARM,
        )
        canvas.line([elbow, hand], height * 0.048, skin, HAND)
    canvas.polygon(
        [
            (x - height * 0.13, shoulder + height * 0.02),
            (x - height * 0.06, shoulder - height * 0.01),
            (x + height * 0.06, shoulder - height * 0.01),
            (x + height * 0.13, shoulder + height * 0.02),
            (x + height * 0.1, hip + height * 0.03),
            (x - height * 0.1, hip + height * 0.03),
        ],
        shirt,
        TORSO,
    )
    radius = height * 0.095
    neck = base - height * 0.895
    canvas.ellipse(x, neck, radius * 0.88, radius, skin, HEAD)
    canvas.dome(x, neck - radius * 0.2, radius * 0.92, radius * 0.88, hair, HAIR)
