"""A made-up dataset of ADE20K's size in Broden's layout.

``python -m benchmarks.ade20k_size OUT`` writes ``OUT/broden1_224`` (tables and label PNGs, no
photographs) and ``OUT/cells.npz``, from which :mod:`benchmarks.unit_maps` makes units that follow
an object. Frequencies of labels, layers an image and label sets are near those of Broden's ADE20K
part. Images depend only on the seed and on their number: neither on the workers nor on how many are
made.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.pictures import CATEGORIES, SIDE, Layer, Picture, World, paint, world
from benchmarks.unit_maps import CELL, GRID

CHUNK, SAMPLED = 100, 16  # images a piece of work; every which image is measured


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
    positions = np.uint64(12) * np.arange(5, dtype=np.uint64)
    return distinct_rows((rows.reshape(-1, 2, 5) << positions).sum(axis=2, dtype=np.uint64))


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
        for position, category in enumerate(CATEGORIES):
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
            images[position] += found > 0
            pixels[position] += found
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
    """Write every CSV of the dataset, with the frequencies that were drawn."""
    images = np.sum([chunk.images for chunk in chunks], axis=0)
    coverage = np.sum([chunk.pixels for chunk in chunks], axis=0) / SIDE**2
    header = f"image,split,ih,iw,sh,sw,{','.join(CATEGORIES)}"
    write_csv(root / "index.csv", header, (row for chunk in chunks for row in chunk.rows))

    members = [np.isin(np.arange(len(drawn.names)), drawn.numbers[c]) for c in CATEGORIES]
    own = np.where(members, coverage, -1).argmax(axis=0)
    labels, categories = [], []
    for number in range(1, len(drawn.names)):
        positions = [p for p in np.argsort(-coverage[:, number]) if members[p][number]]
        roles = ";".join(f"{CATEGORIES[p]}({images[p, number]})" for p in positions)
        total, covered = images[:, number].sum(), coverage[:, number].sum()
        labels.append([number, drawn.names[number], roles, total, f"{covered:.6f}", ""])
    write_csv(root / "label.csv", "number,name,category,frequency,coverage,syns", labels)

    for position, category in enumerate(CATEGORIES):
        numbers = np.flatnonzero(own[1:] == position) + 1
        numbers = numbers[np.argsort(-images[position, numbers], kind="stable")]
        rows = [
            [code, n, drawn.names[n], images[position, n], f"{coverage[position, n]:.6f}"]
            for code, n in enumerate(numbers, 1)
        ]
        write_csv(root / f"c_{category}.csv", "code,number,name,frequency,coverage", rows)
        used = [numbers.min(), numbers.max(), len(numbers), images[position].sum()]
        categories.append([category, *used])
    write_csv(root / "category.csv", "name,first,last,count,frequency", categories)


def write_cells(path: Path, chunks: Sequence[Chunk], images: int) -> None:
    """Keep the objects' pixels per cell, sorted by label, for ``unit_maps.object_unit``."""
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


def generate(out: Path, images: int, workers: int, seed: int, count: bool) -> str:
    """Write the whole dataset; returns the report, one fact a line."""
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
    """Read the command line and write the dataset."""
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
