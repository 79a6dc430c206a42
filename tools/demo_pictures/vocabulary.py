"""The labels of the demo dataset: names, numbers and categories."""

from __future__ import annotations

from types import MappingProxyType

from ccx_cli.concepts.color_names import COLOR_NAMES
from ccx_cli.probe.networks.torchvision_models import DEMO_CLASSES

SCENE_NAMES = DEMO_CLASSES
"""The kinds of scene that are painted."""

OBJECT_NAMES = (
    "sky",
    "sun",
    "mountain",
    "hill",
    "grass",
    "water",
    "sand",
    "road",
    "path",
    "pavement",
    "pier",
    "house",
    "building",
    "tree",
    "bush",
    "flower",
    "rock",
    "car",
    "boat",
    "person",
    "stall",
    "cart",
    "fruit",
    "umbrella",
    "fence",
    "streetlight",
)

PART_NAMES = (
    "cloud",
    "summit",
    "wall",
    "roof",
    "door",
    "handle",
    "window",
    "chimney",
    "trunk",
    "crown",
    "wheel",
    "hub",
    "body",
    "headlight",
    "hull",
    "sail",
    "mast",
    "head",
    "hair",
    "torso",
    "arm",
    "leg",
    "awning",
    "counter",
    "pole",
    "lamp",
)

MATERIAL_NAMES = (
    "brick",
    "plaster",
    "wood",
    "metal",
    "glass",
    "rubber",
    "foliage",
    "fabric",
    "skin",
    "stone",
    "asphalt",
    "tile",
    "snow",
)

TEXTURE_NAMES = ("striped", "dotted", "chequered")

LABEL_NAMES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "color": tuple(f"{name}-c" for name in COLOR_NAMES),
        "object": OBJECT_NAMES,
        "part": PART_NAMES,
        "material": MATERIAL_NAMES,
        "scene": tuple(f"{name}-s" for name in SCENE_NAMES),
        "texture": TEXTURE_NAMES,
    }
)
"""The names in each category, in Broden's order of categories; numbers count on from 1."""


def _number_labels() -> dict[tuple[str, str], int]:
    pairs = [(category, name) for category, names in LABEL_NAMES.items() for name in names]
    return {pair: number for number, pair in enumerate(pairs, start=1)}


LABEL_NUMBERS: MappingProxyType[tuple[str, str], int] = MappingProxyType(_number_labels())
"""The label number of each (category, name)."""
