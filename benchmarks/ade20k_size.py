"""A made-up data set of ADE20K's size in Broden's layout, and unit maps that go with it.

``python benchmarks/ade20k_size.py OUT`` writes ``OUT/broden1_224`` (tables and label PNGs, no
photographs) and ``OUT/cells.npz``, from which :func:`object_unit` makes maps that follow an object.
Frequencies of labels, layers an image and label sets are near those of Broden's ADE20K part. Images
depend only on the seed and on their number: neither on the workers nor on how many are made.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, CELL, GRID = 112, 16, 7
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
SCENE_TILT, BACKDROP_TILT = 0.5, 1.0  # deviation of a scene's log preference for an object
BACKDROP_REACH, BACKDROP_POWER = 2.0, 8.0  # how much wider, and of how much commoner objects
OWN_PARTS = (15, 40)  # kinds of parts of one object
LEAK = 0.02  # share of a region's pixels that take any color
CHUNK, SAMPLED = 100, 16  # images a piece of work; every which image is measured

Layer = NDArray[np.uint16]
Seed = int | Sequence[int]


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


@dataclass(frozen=True)
class Chunk:
    """What a run of images adds to the tables and to the report."""

    rows: list[list[str]]  # of index.csv
    images: NDArray[np.int64]  # (categories, labels) images with the label
    pixels: NDArray[np.int64]  # (categories, labels)
    cells: NDArray[np.int32]  # (entries, 4) label, image, cell, pixels
    label_sets: list[
        NDArray[np.uint64]
    ]  # of each image measured: (sets, 2), labels in 12 bits each
    pngs: int
    size: int  # bytes of the PNGs


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
    for number, (_, category, place, _) in enumerate(found, len(COLORS) + 1):
        numbers[category][place] = number
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
    for place, bearer in enumerate(bearers.tolist()):
        drawn = rng.choice(
            PARTS, int(rng.integers(*OWN_PARTS)), replace=False, p=parts / parts.sum()
        )
        members = numbers["part"][np.union1d(drawn, np.flatnonzero(dealt == place))]
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


def label_sets(picture: Picture) -> NDArray[np.uint64]:
    """List the distinct label sets of an image: (sets, 2), the ascending labels in 12 bits each."""
    others = [layer for c, layers in picture.layers.items() if c != "color" for layer in layers]
    packed = np.zeros(SIDE * SIDE, np.uint64)
    for layer in others:
        packed = (packed << np.uint64(11)) | layer.ravel()
    packed = np.unique((packed << np.uint64(4)) | picture.layers["color"][0].ravel())
    columns = [packed & np.uint64(15)]
    columns += [(packed >> np.uint64(4 + 11 * k)) & np.uint64(2047) for k in range(len(others))]
    columns += [np.full(len(packed), label, np.uint64) for label in picture.whole.values()]
    columns += [np.zeros(len(packed), np.uint64)] * (10 - len(columns))
    rows = np.sort(np.stack(columns, axis=1), axis=1)
    rows[:, 1:][rows[:, 1:] == rows[:, :-1]] = 0
    rows.sort(axis=1)
    places = np.uint64(12) * np.arange(5, dtype=np.uint64)
    return distinct_rows((rows.reshape(-1, 2, 5) << places).sum(axis=2, dtype=np.uint64))


def distinct_rows(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the distinct rows of ``keys``, of shape (rows, 2)."""
    keys = keys[np.lexsort((keys[:, 1], keys[:, 0]))]
    new = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))
    return np.asarray(keys[new])


def name_of(image: int) -> str:
    """Return the path of a photograph under ``images/``, without its suffix."""
    return f"ade20k/ADE_{split_of(image)}_{image + 1:08}"


def split_of(image: int) -> str:
    """Send about as many images to each split as Broden does."""
    return "val" if image * 29 % 100 < 29 else "train"


def write_chunk(images_dir: Path, seed: int, measure_all: bool, first: int, last: int) -> Chunk:
    """Write the PNGs of the images from ``first`` to before ``last``, and count what is in them."""
    labels = len(world(seed).names)
    rows, cells, measured, pngs, size = [], [], [], 0, 0
    images = np.zeros((len(CATEGORIES), labels), np.int64)
    pixels = np.zeros_like(images)
    for image in range(first, last):
        picture = paint(seed, image)
        row = [f"{name_of(image)}.jpg", split_of(image), "224", "224", str(SIDE), str(SIDE)]
        for place, category in enumerate(CATEGORIES):
            entries = []
            found = np.zeros(labels, np.int64)
            layers = picture.layers.get(category, [])
            for number, layer in enumerate(layers, 1):
                suffix = f"_{number}" if category == "part" else ""
                path = images_dir / f"{name_of(image)}_{category}{suffix}.png"
                coded = np.stack([layer & 255, layer >> 8, np.zeros_like(layer)], axis=2)
                Image.fromarray(coded.astype(np.uint8)).save(path, compress_level=1)
                entries.append(path.relative_to(images_dir).as_posix())
                found += np.bincount(layer.ravel(), minlength=labels)
                size += path.stat().st_size
            if category in picture.whole:
                entries.append(str(picture.whole[category]))
                found[picture.whole[category]] = SIDE * SIDE
            pngs += len(layers)
            row.append(";".join(entries))
            images[place] += found > 0
            pixels[place] += found
        rows.append(row)
        cells.append(object_cells(image, picture.layers["object"][0]))
        if measure_all or image % SAMPLED == 0:
            measured.append(label_sets(picture))
    return Chunk(rows, images, pixels, np.concatenate(cells), measured, pngs, size)


def object_cells(image: int, objects: Layer) -> NDArray[np.int32]:
    """Count the pixels of each object in each cell: rows of (label, image, cell, pixels)."""
    seen, local = np.unique(objects, return_inverse=True)
    grid = local.reshape(GRID, CELL, GRID, CELL).transpose(0, 2, 1, 3).reshape(GRID * GRID, -1)
    keys = grid + len(seen) * np.arange(GRID * GRID)[:, None]
    counts = np.bincount(keys.ravel(), minlength=GRID * GRID * len(seen)).reshape(-1, len(seen))
    counts[:, seen == 0] = 0
    cell, which = np.nonzero(counts)
    columns = [seen[which], np.full(len(cell), image), cell, counts[cell, which]]
    return np.stack(columns, axis=1).astype(np.int32)


def write_csv(path: Path, header: str, rows: Iterable[Iterable[object]]) -> None:
    """Write one table."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def write_tables(root: Path, drawn: World, chunks: Sequence[Chunk]) -> None:
    """Write every CSV of the data set, with the frequencies that were drawn."""
    images = np.sum([chunk.images for chunk in chunks], axis=0)
    coverage = np.sum([chunk.pixels for chunk in chunks], axis=0) / SIDE**2
    header = f"image,split,ih,iw,sh,sw,{','.join(CATEGORIES)}"
    write_csv(root / "index.csv", header, (row for chunk in chunks for row in chunk.rows))

    members = [np.isin(np.arange(len(drawn.names)), drawn.numbers[c]) for c in CATEGORIES]
    own = np.where(members, coverage, -1).argmax(axis=0)
    labels, categories = [], []
    for number in range(1, len(drawn.names)):
        places = [p for p in np.argsort(-coverage[:, number]) if members[p][number]]
        roles = ";".join(f"{CATEGORIES[p]}({images[p, number]})" for p in places)
        total, covered = images[:, number].sum(), coverage[:, number].sum()
        labels.append([number, drawn.names[number], roles, total, f"{covered:.6f}", ""])
    write_csv(root / "label.csv", "number,name,category,frequency,coverage,syns", labels)

    for place, category in enumerate(CATEGORIES):
        numbers = np.flatnonzero(own[1:] == place) + 1
        numbers = numbers[np.argsort(-images[place, numbers], kind="stable")]
        rows = [
            [code, n, drawn.names[n], images[place, n], f"{coverage[place, n]:.6f}"]
            for code, n in enumerate(numbers, 1)
        ]
        write_csv(root / f"c_{category}.csv", "code,number,name,frequency,coverage", rows)
        used = [numbers.min(), numbers.max(), len(numbers), images[place].sum()]
        categories.append([category, *used])
    write_csv(root / "category.csv", "name,first,last,count,frequency", categories)


def write_cells(path: Path, chunks: Sequence[Chunk], images: int) -> None:
    """Keep the objects' pixels per cell, sorted by label, for :func:`object_unit`."""
    cells = np.concatenate([chunk.cells for chunk in chunks])
    cells = cells[np.argsort(cells[:, 0], kind="stable")]
    labels, starts = np.unique(cells[:, 0], return_index=True)
    np.savez(
        path,
        images=images,
        labels=labels,
        starts=np.append(starts, len(cells)),
        image=cells[:, 1],
        cell=cells[:, 2].astype(np.uint8),
        pixels=cells[:, 3].astype(np.uint16),
    )


@dataclass(frozen=True)
class Cells:
    """What ``cells.npz`` holds: entries ``starts[i]`` to ``starts[i + 1]`` are of ``labels[i]``."""

    images: int
    labels: NDArray[np.int32]
    starts: NDArray[np.int64]
    image: NDArray[np.int32]
    cell: NDArray[np.uint8]
    pixels: NDArray[np.uint16]  # of the 256 of the cell


@cache
def read_cells(dataset_dir: Path) -> Cells:
    """Read ``cells.npz`` of a data set made by this script."""
    with np.load(dataset_dir / "cells.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Cells(images=int(arrays.pop("images")), **arrays)


def common_objects(dataset_dir: Path) -> NDArray[np.int32]:
    """Return the label numbers of all objects that occur, those of most cells first."""
    cells = read_cells(dataset_dir)
    return cells.labels[np.argsort(-np.diff(cells.starts), kind="stable")]


def object_unit(dataset_dir: Path, label: int, seed: Seed) -> NDArray[np.float32]:
    """Make the activations after a ReLU of a unit that follows one object.

    Parameters
    ----------
    dataset_dir
        The ``OUT`` that the data set was written to.
    label
        The number of an object.
    seed
        Of the noise.

    Returns
    -------
    (images, 7, 7) float32: the object's share of each cell of 16x16 pixels times a gain that
    differs by image, plus noise that a ReLU cuts to zero in about nineteen of twenty other cells.

    Raises
    ------
    ValueError
        If no image shows such an object.
    """
    cells = read_cells(dataset_dir)
    place = int(np.searchsorted(cells.labels, label))
    if place == len(cells.labels) or cells.labels[place] != label:
        raise ValueError(f"No image of {dataset_dir} shows object {label}; see common_objects().")
    rng = np.random.default_rng(seed)
    unit = rng.normal(-0.8, 0.5, (cells.images, GRID * GRID)).astype(np.float32)
    gain = 4 * np.exp(rng.normal(0, 0.3, cells.images))
    shown = slice(cells.starts[place], cells.starts[place + 1])
    share = cells.pixels[shown] / CELL**2
    unit[cells.image[shown], cells.cell[shown]] += gain[cells.image[shown]] * share
    return np.asarray(np.maximum(unit, 0).reshape(-1, GRID, GRID))


def noise_unit(images: int, seed: Seed) -> NDArray[np.float32]:
    """Make the activations after a ReLU of a unit that responds to nothing: (images, 7, 7) float32.

    A smooth normal field, shifted so that 40 to 60 % of the cells are zero.
    """
    rng = np.random.default_rng(seed)
    coarse = np.linspace(0, 3, GRID)[:, None] - np.arange(4)
    blend = np.maximum(1 - np.abs(coarse), 0)
    blend /= np.linalg.norm(blend, axis=1, keepdims=True)
    smooth = np.einsum("yi,xj,nij->nyx", blend, blend, rng.standard_normal((images, 4, 4)))
    field = 0.9 * smooth + 0.19**0.5 * rng.standard_normal((images, GRID, GRID))
    shift = NormalDist().inv_cdf(rng.uniform(0.4, 0.6))
    return np.asarray(np.maximum(field - shift, 0), np.float32)


def benchmark_units(dataset_dir: Path, count: int, seed: int) -> NDArray[np.float32]:
    """Make ``count`` units, by turns one that follows an object and one of noise.

    The objects go from the most common to the 100th, in equal ratios of rank.

    Returns (count, images, 7, 7) float32.
    """
    objects = common_objects(dataset_dir)
    ranks = np.geomspace(1, min(100, len(objects)), (count + 1) // 2).astype(int) - 1
    images = read_cells(dataset_dir).images
    units = np.empty((count, images, GRID, GRID), np.float32)
    for place in range(count):
        if place % 2:
            units[place] = noise_unit(images, (seed, place))
        else:
            units[place] = object_unit(dataset_dir, int(objects[ranks[place // 2]]), (seed, place))
    return units


def generate(out: Path, images: int, workers: int, seed: int, count: bool) -> str:
    """Write the whole data set; returns the report, one fact a line."""
    root = out / "broden1_224"
    images_dir = root / "images"
    (images_dir / "ade20k").mkdir(parents=True)
    firsts = range(0, images, CHUNK)
    lasts = [min(first + CHUNK, images) for first in firsts]
    work = partial(write_chunk, images_dir, seed, count)
    with ProcessPoolExecutor(workers) as pool:
        chunks = list(pool.map(work, firsts, lasts))
    write_tables(root, world(seed), chunks)
    write_cells(out / "cells.npz", chunks, images)
    measured = [sets for chunk in chunks for sets in chunk.label_sets]
    each = np.array([len(sets) for sets in measured])
    facts = {
        "images": images,
        "labels": len(world(seed).names) - 1,
        "PNGs": sum(chunk.pngs for chunk in chunks),
        "bytes of PNGs": sum(chunk.size for chunk in chunks),
        "images measured": len(each),
        "label sets an image": f"{each.mean():.1f} (from {each.min()} to {each.max()})",
        "distinct label sets of those": len(distinct_rows(np.concatenate(measured))),
    }
    return "\n".join(f"{name}: {value}" for name, value in facts.items())


def main() -> None:
    """Read the command line and write the data set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--images", type=int, default=22210)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", action="store_true", help="count label sets over all images")
    options = parser.parse_args()
    if min(options.images, options.workers) < 1 or options.seed < 0:
        parser.error("--images and --workers start at 1, --seed at 0")
    if (options.out / "broden1_224").exists():
        parser.error(f"{options.out / 'broden1_224'} exists: remove it or name another OUT")
    start = time.perf_counter()
    print(generate(**vars(options)))
    print(f"seconds: {time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    main()
