"""Writes what Broden's layout is made of: label PNGs, and the CSVs that tell of them."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ANY = ""
"""In place of a category: a label in all categories at once."""


class WrittenLabel(NamedTuple):
    """One concept of a set that is written, and the categories that it may occur in."""

    number: int
    name: str
    categories: tuple[str, ...]
    synonyms: tuple[str, ...] = ()


class Tally:
    """In how many images a label occurs, and the sum over them of the share of pixels with it.

    Both are by category and label number; the category ``ANY`` counts each label once.
    """

    def __init__(self) -> None:
        self.frequency: Counter[tuple[str, int]] = Counter()
        self.coverage: defaultdict[tuple[str, int], float] = defaultdict(float)

    def add(self, pixels: Mapping[str, Mapping[int, int]], size: int) -> None:
        """Count an image of ``size`` pixels by category, ``ANY`` among them, and label."""
        for category, of_labels in pixels.items():
            for number, count in of_labels.items():
                self.frequency[category, number] += 1
                self.coverage[category, number] += count / size


def count_labels(layers: Iterable[NDArray[np.uint16]]) -> dict[int, int]:
    """Return, for each label in any of the layers, the pixels that carry it."""
    layers = list(layers)
    numbers = {int(number) for layer in layers for number in np.unique(layer)} - {0}
    masks = {number: [layer == number for layer in layers] for number in sorted(numbers)}
    return {number: int(np.any(mask, axis=0).sum()) for number, mask in masks.items()}


def write_layers(
    images: Path, stem: str, category: str, layers: Sequence[NDArray[np.uint16]]
) -> list[str]:
    """Write the label PNGs of one category of an image; return their paths under ``images/``.

    As in Broden, the low byte of a label number is red, the high byte green.
    """
    names = []
    for level, numbers in enumerate(layers, start=1):
        names.append(f"{stem}_{category}{f'_{level}' if level > 1 else ''}.png")
        rgb = np.stack([numbers % 256, numbers // 256, np.zeros_like(numbers)], axis=-1)
        Image.fromarray(rgb.astype(np.uint8)).save(images / names[-1], format="PNG")
    return names


def write_tables(
    root: Path,
    categories: Sequence[str],
    labels: Sequence[WrittenLabel],
    tally: Tally,
    images: Iterable[Sequence[object]],
) -> None:
    """Write ``index.csv``, ``label.csv``, ``category.csv`` and the ``c_<category>.csv``.

    A row of ``images`` has a cell for each category after the name, the split and the sizes.
    """
    _write_csv(root / "index.csv", ["image", "split", "ih", "iw", "sh", "sw", *categories], images)
    listed: list[list[object]] = []
    for number, name, own_categories, synonyms in labels:
        cells = (f"{category}({tally.frequency[category, number]})" for category in own_categories)
        counts = tally.frequency[ANY, number], f"{tally.coverage[ANY, number]:.6f}"
        listed.append([number, name, ";".join(cells), *counts, ";".join(synonyms)])
    header = ["number", "name", "category", "frequency", "coverage", "syns"]
    _write_csv(root / "label.csv", header, listed)
    summary: list[list[object]] = []
    for category in categories:
        own = [label for label in labels if category in label.categories]
        rows = []
        for code, label in enumerate(own, start=1):
            key = category, label.number
            counts = tally.frequency[key], f"{tally.coverage[key]:.6f}"
            rows.append([code, label.number, label.name, *counts])
        header = ["code", "number", "name", "frequency", "coverage"]
        _write_csv(root / f"c_{category}.csv", header, rows)
        numbers = [label.number for label in own] or [0]
        total = sum(tally.frequency[category, number] for number in numbers)
        summary.append([category, min(numbers), max(numbers), len(own), total])
    _write_csv(root / "category.csv", ["name", "first", "last", "count", "frequency"], summary)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = []
    for row in (header, *rows):
        text = StringIO()
        # With these line ends csv quotes a cell that holds any line end.
        csv.writer(text, lineterminator="\r\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    path.write_text("".join(lines), encoding="utf-8", newline="\n")
