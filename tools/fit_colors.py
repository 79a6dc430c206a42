"""Fits the table of color names to photographs: ``python -m tools.fit_colors DATASETS``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import KDTree

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.color_names import COLOR_NAMES, COLOR_TABLE, cells_of, shrink
from ccx_cli.concepts.color_rules import LEVELS
from ccx_cli.concepts.label_maps import read_label_maps

_CELLS, _COLORS = LEVELS**3, len(COLOR_NAMES)
_NEIGHBORS = 5
_HUE_WEIGHT = 8
"""How much more a difference in hue or saturation counts than one in brightness."""

_SHADES = "101010 2850d0 805030 808080 30a040 ff8c00 ff90c0 8030b0 e01818 ffffff ffe000"


def is_held_out(image: str) -> bool:
    """Say whether a photograph is kept for the test, by a hash of its path: one in three."""
    return int(sha256(image.encode()).hexdigest(), 16) % 3 == 0


def count_pixels(datasets: Path, wanted: Callable[[str], bool]) -> NDArray[np.int64]:
    """Count the labeled pixels of the wanted photographs by their cell and their color's label.

    ``datasets`` holds a dataset in Broden's layout, and ``wanted`` is asked for each photograph's
    path in it. The result is ``(32 * 32 * 32, 11)``, colors in the order of ``COLOR_NAMES``.
    """
    dataset = read_broden(datasets, "all")
    position = np.full(max(label.number for label in dataset.labels) + 1, -1)
    for label in dataset.labels:
        if "color" in label.categories:
            position[label.number] = COLOR_NAMES.index(label.name.removesuffix("-c"))
    counts = np.zeros(_CELLS * _COLORS, dtype=np.int64)
    for row in dataset.rows:
        if wanted(row.image) and row.layers:
            with Image.open(dataset.image_path(row.image)) as image:
                cells = cells_of(shrink(np.asarray(image.convert("RGB")), dataset.mask_shape))
            named = position[read_label_maps(dataset, row)].max(axis=0)
            pairs = (cells * _COLORS + named)[named >= 0]
            counts += np.bincount(pairs, minlength=counts.size)
    return counts.reshape(_CELLS, _COLORS)


def fit_table(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the position of the commonest color of each cell, ``(32 * 32 * 32,)``.

    A cell without pixels has the color that most of the five closest others with pixels have.
    """
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    cells = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    direction = cells / np.linalg.norm(cells, axis=1, keepdims=True)
    where = np.hstack([_HUE_WEIGHT * direction, cells.max(axis=1, keepdims=True)])
    seen = counts.any(axis=1)
    shares = counts[seen] / counts[seen].sum(axis=1, keepdims=True)
    found = KDTree(where[seen]).query(where[~seen], _NEIGHBORS)
    distances, nearest = np.asarray(found[0]), np.asarray(found[1])
    votes = counts.astype(np.float64)
    votes[~seen] = (shares[nearest] / distances[..., None]).sum(axis=1)
    return np.asarray(votes.argmax(axis=1), dtype=np.uint8)


def write_table(table: NDArray[np.uint8], path: Path) -> None:
    """Save the table as a palette PNG that shows each name by a shade of it."""
    image = Image.fromarray(table.reshape(LEVELS, LEVELS**2))
    image.putpalette(bytes.fromhex(_SHADES))
    image.save(path, bits=4, optimize=True)


def agreement_lines(name: str, counts: NDArray[np.int64], table: NDArray[np.uint8]) -> list[str]:
    """Say how many of the pixels, of all and of each color, have the name of their label."""
    right = np.where(table[:, None] == np.arange(_COLORS), counts, 0)
    labels, named = counts.sum(axis=0), np.bincount(table, counts.sum(axis=1), _COLORS)
    lines = [f"{name}: {right.sum() / counts.sum():.2%} of {counts.sum():,} pixels"]
    for color, each in enumerate(COLOR_NAMES):
        share, found, correct = labels[color], named[color], right[:, color].sum()
        lines.append(
            f"  {each:7} {share / labels.sum():6.1%} of the labels, {correct / share:6.1%} of them "
            f"named so; {found / labels.sum():6.1%} of the names, {correct / found:6.1%} right"
        )
    return lines


def main() -> None:
    """Fit the table, write it, and print how well it agrees with the labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder of broden1_224, with colors as labels")
    parser.add_argument("--output", type=Path, default=COLOR_TABLE)
    options = parser.parse_args()
    fitted = count_pixels(options.datasets, lambda image: not is_held_out(image))
    table = fit_table(fitted)
    write_table(table, options.output)
    held_out = count_pixels(options.datasets, is_held_out)
    lines = agreement_lines("fitted photographs", fitted, table)
    lines += agreement_lines("held-out photographs", held_out, table)
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
