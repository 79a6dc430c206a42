"""Made-up pictures of labels: what 1,250 labels are seen where, and how one image looks.

Images depend only on the seed and on their number. The dataset made of them is written by
:mod:`benchmarks.ade20k_size`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 112  # pixels, the height and width of an image's labels
CATEGORIES = ("color", "object", "part", "material", "scene", "texture")
COLORS = (
    *("black", "grey", "white", "brown", "green", "pink"),
    *("purple", "blue", "yellow", "red", "orange"),
)
COLOR_SHARES = (0.176, 0.201, 0.092, 0.23, 0.08, 0.023, 0.014, 0.077, 0.043, 0.026, 0.038)
OBJECTS, PARTS, BOTH, MATERIALS, SCENES, TEXTURES = 590, 230, 40, 25, 350, 48
# Shares of images, but UNLABELLED of regions and PARTLESS of areas that could have parts.
NO_SCENE, WITH_TEXTURE, WITH_MATERIAL, UNLABELLED, PARTLESS = 0.11, 0.02, 0.06, 0.06, 0.22
PART_LAYERS = (0.47, 0.335, 0.184, 0.011)  # shares of images with 0 to 3 layers of parts
# The next five decide how many label sets there are, and how many of them images share.
OBJECT_FALL = (40.0, 1.0, 170.0)  # offset, power and decay of falling()
SCENE_TILT, BACKDROP_TILT = 0.5, 1.0  # standard deviation of a scene's log preference for an object
BACKDROP_REACH, BACKDROP_POWER = 2.0, 8.0  # how much wider, and of how much commoner objects
OWN_PARTS = (15, 40)  # kinds of parts of one object
LEAK = 0.02  # share of a region's pixels that take any color

Layer = NDArray[np.uint16]


@dataclass(frozen=True)
class World:
    """What all images share; arrays of objects follow ``numbers["object"]``."""

    names: list[str]  # by label number; 0 is no label
    numbers: dict[str, NDArray[np.int64]]  # category: its label numbers, most frequent first
    scene_steps: NDArray[np.float64]  # (scenes,) cumulative shares
    object_steps: NDArray[np.float64]  # (scenes + 1, objects) cumulative; the last for no scene
    backdrop_steps: NDArray[np.float64]  # the same for the regions in the background
    palettes: NDArray[np.float64]  # (objects + 1, colors) shares; the last for unlabelled regions
    materials: NDArray[np.int64]  # (objects,) label number of the material, or 0
    parts: dict[int, NDArray[np.int64]]  # object's or part's number: numbers of its parts


@dataclass(frozen=True)
class Picture:
    """The labels of one image: pixel layers of shape (112, 112) and whole-image labels."""

    layers: dict[str, list[Layer]]
    whole: dict[str, int]


def falling(count: int, offset: float, power: float, decay: float) -> NDArray[np.float64]:
    """Frequencies by rank as Broden has them: Zipf at the head, exponential in the tail."""
    rank = np.arange(float(count))
    shares = (rank + offset) ** -power * np.exp(-rank / decay)
    return np.asarray(shares / shares[0])


def steps(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cumulative shares along the last axis, which end in 1."""
    return np.asarray(np.cumsum(shares / shares.sum(axis=-1, keepdims=True), axis=-1))


@cache
def world(seed: int) -> World:
    """Draw the labels, what is seen in which scene, and what is part of what."""
    rng = np.random.default_rng([seed, 0])
    objects, parts = falling(OBJECTS, *OBJECT_FALL), falling(PARTS, 6, 0.7, 40)
    scenes = falling(SCENES, 1.5, 1.1, 1e9) + 0.003
    both = np.sort(rng.choice(150, BOTH, replace=False))  # objects that are parts of others as well
    as_part = np.sort(rng.choice(PARTS, BOTH, replace=False))
    found = [(15000 * w, "object", i, f"object_{i + 1:03}") for i, w in enumerate(objects)]
    own = set(range(PARTS)) - set(as_part.tolist())
    found += [(8600 * parts[i], "part", i, f"part_{i + 1:03}") for i in own]
    found += [
        (1300 * w, "material", i, f"material_{i + 1:02}")
        for i, w in enumerate(falling(MATERIALS, 3, 1, 10))
    ]
    found += [(2240 * w, "scene", i, f"scene_{i + 1:03}-s") for i, w in enumerate(scenes)]
    found += [(20.0 - i / 8, "texture", i, f"texture_{i + 1:02}") for i in range(TEXTURES)]
    found.sort(key=lambda label: (-label[0], label[3]))

    sizes = (len(COLORS), OBJECTS, PARTS, MATERIALS, SCENES, TEXTURES)
    numbers = {c: np.zeros(n, np.int64) for c, n in zip(CATEGORIES, sizes, strict=True)}
    numbers["color"][:] = np.arange(1, len(COLORS) + 1)
    for number, (_, category, position, _) in enumerate(found, len(COLORS) + 1):
        numbers[category][position] = number
    numbers["part"][as_part] = numbers["object"][both]

    tilt = rng.normal(0, 1, (SCENES + 1, OBJECTS))
    tilt[-1] = 0
    palettes = rng.dirichlet(1.5 * np.array(COLOR_SHARES) * len(COLORS), OBJECTS + 1)
    palettes[-1] = COLOR_SHARES
    made_of = rng.choice(numbers["material"], OBJECTS)
    has_parts = rng.random(OBJECTS) < np.where(np.arange(OBJECTS) < 40, 0.5, 0.3)
    bearers = np.concatenate([numbers["object"][has_parts], numbers["part"][::3]])
    dealt = rng.permutation(PARTS) % len(bearers)  # so that every part is a part of something
    parts_of = {}
    for position, bearer in enumerate(bearers.tolist()):
        drawn = rng.choice(
            PARTS, int(rng.integers(*OWN_PARTS)), replace=False, p=parts / parts.sum()
        )
        members = numbers["part"][np.union1d(drawn, np.flatnonzero(dealt == position))]
        parts_of[bearer] = members[members != bearer]
    return World(
        names=["", *(f"{color}-c" for color in COLORS), *(label[3] for label in found)],
        numbers=numbers,
        scene_steps=steps(scenes),
        object_steps=steps(objects * np.exp(SCENE_TILT * tilt)),
        backdrop_steps=steps(objects**BACKDROP_POWER * np.exp(BACKDROP_TILT * tilt)),
        palettes=palettes,
        materials=np.where(rng.random(OBJECTS) < 0.6, made_of, 0),
        parts=parts_of,
    )


def backdrops(count: int) -> int:
    """Return how many of the regions, the first ones, are walls, skies, floors and their like."""
    return count // 3


def regions(rng: np.random.Generator, count: int) -> NDArray[np.intp]:
    """Cut the image into cells of a Voronoi diagram whose sites differ in reach, bent by waves."""
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    wave, phase = rng.uniform(0.05, 0.25, 4), rng.uniform(0, 6.28, 4)
    y = ys + 4 * np.sin(wave[0] * xs + phase[0]) + 2 * np.sin(wave[1] * ys + phase[1])
    x = xs + 4 * np.sin(wave[2] * ys + phase[2]) + 2 * np.sin(wave[3] * xs + phase[3])
    sites = rng.uniform(0, SIDE, (2, count, 1, 1))
    reach = np.exp(rng.normal(0, 0.45, (2, count, 1, 1)))
    reach[:, : backdrops(count)] *= BACKDROP_REACH
    apart = ((y - sites[0]) / reach[0]) ** 2 + ((x - sites[1]) / reach[1]) ** 2
    return np.asarray(apart.argmin(axis=0))


def part_layer(rng: np.random.Generator, drawn: World, below: Layer, areas: Layer) -> Layer:
    """Put blobs of parts on the areas whose label in the layer below has parts."""
    layer = np.zeros_like(below)
    for area in np.unique(areas):
        ys, xs = np.nonzero(areas == area)
        choice = drawn.parts.get(int(below[ys[0], xs[0]]))
        if choice is None or rng.random() < PARTLESS:
            continue
        labels = rng.choice(choice, min(len(choice), int(rng.integers(1, 5))), replace=False)
        sites = rng.integers(0, len(ys), len(labels))
        apart = (ys - ys[sites, None]) ** 2 + (xs - xs[sites, None]) ** 2
        near = apart.min(axis=0) < rng.uniform(0.03, 0.3) * len(ys)
        layer[ys, xs] = np.where(near, labels[apart.argmin(axis=0)], 0)
    return layer


def paint(seed: int, image: int) -> Picture:
    """Make all labels of one image."""
    rng, w = np.random.default_rng([seed, 1 + image]), world(seed)
    has_scene = rng.random() >= NO_SCENE
    scene = int(np.searchsorted(w.scene_steps[:-1], rng.random())) if has_scene else SCENES
    whole = {"scene": int(w.numbers["scene"][scene])} if has_scene else {}
    if rng.random() < WITH_TEXTURE:
        whole["texture"] = int(rng.choice(w.numbers["texture"]))

    count = int(rng.integers(8, 16))
    region = regions(rng, count)
    seen = np.searchsorted(w.object_steps[scene, :-1], rng.random(count))
    behind = rng.random(backdrops(count))
    seen[: len(behind)] = np.searchsorted(w.backdrop_steps[scene, :-1], behind)
    seen[rng.random(count) < UNLABELLED] = OBJECTS
    objects = np.append(w.numbers["object"], 0).astype(np.uint16)[seen][region]
    layers: dict[str, list[Layer]] = {"object": [objects], "part": []}

    below, areas = objects, region.astype(np.uint16)
    for _ in range(int(rng.choice(len(PART_LAYERS), p=PART_LAYERS))):
        below = part_layer(rng, w, below, areas)
        if not below.any():
            break
        layers["part"].append(below)
        areas = below
    if rng.random() < WITH_MATERIAL:
        made_of = np.append(w.materials, 0)[seen] * (rng.random(count) < 0.7)
        layers["material"] = [made_of.astype(np.uint16)[region]]

    mixed = w.palettes[seen] * rng.gamma(1, 1, (count, len(COLORS)))
    mixed /= mixed.sum(axis=1, keepdims=True)
    mixed = steps((1 - LEAK) * mixed + LEAK * np.array(COLOR_SHARES))
    drawn = rng.random((SIDE, SIDE))
    color = np.ones((SIDE, SIDE), np.uint16)
    for step in mixed.T[:-1]:
        color += drawn > step[region]
    layers["color"] = [color]
    return Picture(layers=layers, whole=whole)
