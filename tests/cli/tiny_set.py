"""Draws data sets of a few pictures in Broden's layout."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
MASK = 28
RED, GREEN, SQUARE, BALL, FIELD, UNSEEN = 1, 2, 3, 4, 5, 6
LABELS = {
    RED: ("red-c", "color"),
    GREEN: ("green-c", "color"),
    SQUARE: ("square", "object"),
    BALL: ("ball", "object"),
    FIELD: ("field-s", "scene"),
    UNSEEN: ("unicorn", "object"),
}
CATEGORIES = ("color", "object", "scene")


@dataclass(frozen=True)
class Picture:
    """A photograph, ``(h, w, 3)`` uint8, its masks by category, its scene or 0."""

    pixels: NDArray[np.uint8]
    masks: Mapping[str, NDArray[np.uint16]] = field(default_factory=dict)
    scene: int = 0


def draw_pictures(count: int, seed: int = 0) -> list[Picture]:
    """Draw noisy pictures, each with a red or green square or ball somewhere."""
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(count):
        pixels = random.integers(0, 90, (SIDE, SIDE, 3)).astype(np.uint8)
        color, shape = (np.zeros((MASK, MASK), np.uint16) for _ in range(2))
        top, left = random.integers(0, 16, 2)
        spot = np.s_[top : top + 12, left : left + 12]
        color[spot] = RED if number % 2 else GREEN
        shape[spot] = SQUARE if number % 3 else BALL
        large = np.s_[8 * top : 8 * top + 96, 8 * left : 8 * left + 96]
        pixels[(*large, 0 if number % 2 else 1)] = 250
        pictures.append(Picture(pixels, {"color": color, "object": shape}, FIELD * (number % 2)))
    return pictures


def write_set(
    datasets: Path, pictures: Sequence[Picture], folder: str = "tiny", side: int = SIDE
) -> Path:
    """Write ``datasets/broden1_<side>`` and return it; the folder is also the subset."""
    root = datasets / f"broden1_{side}"
    (root / "images" / folder).mkdir(parents=True)
    index = [["image", "split", "ih", "iw", "sh", "sw", *CATEGORIES]]
    for number, picture in enumerate(pictures):
        stem = f"{folder}/{number:03d}"
        Image.fromarray(picture.pixels).save(root / "images" / f"{stem}.png")
        cells = {"scene": str(picture.scene) if picture.scene else ""}
        for category, mask in picture.masks.items():
            name = cells[category] = f"{stem}_{category}.png"
            coded = np.stack([mask % 256, mask // 256, np.zeros_like(mask)], axis=-1)
            Image.fromarray(coded.astype(np.uint8)).save(root / "images" / name)
        masks: list[NDArray[Any]] = [*picture.masks.values(), np.empty((MASK, MASK))]
        sizes = [str(size) for size in (*picture.pixels.shape[:2], *masks[0].shape)]
        index.append([f"{stem}.png", "val", *sizes, *(cells.get(c, "") for c in CATEGORIES)])
    _write(root / "index.csv", index)
    labels = [["number", "name", "category", "frequency", "coverage", "syns"]]
    labels += [[str(n), name, f"{c}(1)", "1", "1.0", ""] for n, (name, c) in LABELS.items()]
    _write(root / "label.csv", labels)
    categories = [["name", "first", "last", "count", "frequency"]]
    for category in CATEGORIES:
        own = [(n, name) for n, (name, of) in LABELS.items() if of == category]
        categories.append([category, str(own[0][0]), str(own[-1][0]), str(len(own)), "1"])
        rows = [["code", "number", "name", "frequency", "coverage"]]
        rows += [[str(code), str(n), name, "1", "1.0"] for code, (n, name) in enumerate(own, 1)]
        _write(root / f"c_{category}.csv", rows)
    _write(root / "category.csv", categories)
    return root


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator="\n").writerows(rows)
