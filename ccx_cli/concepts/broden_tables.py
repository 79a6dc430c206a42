"""Writes what Broden's layout is made of: label PNGs, and the CSVs that tell of them."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True)
class WrittenLabel:
    """One concept of a set that is written.

    Attributes
    ----------
    number
        What its pixels hold, 1..65535.
    categories
        Those it may occur in, at least one.
    """

    number: int
    name: str
    categories: tuple[str, ...]
    synonyms: tuple[str, ...] = ()


@dataclass
class Tally:
    """In how many images a label occurs, and the sum over them of the share of pixels with it.

    Attributes
    ----------
    frequency, coverage
        By label number, in whatever category.
    frequency_in, coverage_in
        By category and label number.
    """

    frequency: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    coverage: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    frequency_in: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    coverage_in: dict[tuple[str, int], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, shares: Mapping[str, Mapping[int, float]], together: Mapping[int, float]) -> None:
        """Count one image.

        Parameters
        ----------
        shares
            For each category the share of the pixels that each of its labels covers.
        together
            The same of each label in all categories at once.
        """
        for number, share in together.items():
            self.frequency[number] += 1
            self.coverage[number] += share
        for category, of_labels in shares.items():
            for number, share in of_labels.items():
                self.frequency_in[category, number] += 1
                self.coverage_in[category, number] += share


def write_label_map(path: Path, numbers: NDArray[np.uint16]) -> None:
    """Write ``(height, width)`` label numbers as Broden does: low byte red, high byte green."""
    rgb = np.zeros((*numbers.shape, 3), dtype=np.uint8)
    rgb[..., 0] = numbers % 256
    rgb[..., 1] = numbers // 256
    Image.fromarray(rgb).save(path, format="PNG")


def write_layers(
    images: Path, stem: str, category: str, layers: Sequence[NDArray[np.uint16]]
) -> list[str]:
    """Write the label PNGs of one category of an image; return their paths under ``images/``."""
    names = []
    for level, layer in enumerate(layers, start=1):
        names.append(f"{stem}_{category}{f'_{level}' if level > 1 else ''}.png")
        write_label_map(images / names[-1], layer)
    return names


def write_index(root: Path, categories: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write ``index.csv``: a row an image, with a cell for each category after its sizes."""
    header = ["image", "split", "ih", "iw", "sh", "sw", *categories]
    write_csv(root / "index.csv", header, rows)


def write_label_tables(
    root: Path, categories: Sequence[str], labels: Sequence[WrittenLabel], tally: Tally
) -> None:
    """Write ``label.csv``, ``category.csv`` and a ``c_<category>.csv`` for each category.

    Parameters
    ----------
    root
        The dataset's directory.
    categories
        All there are, in their order.
    labels
        In the order of their rows.
    tally
        How often they occur.
    """
    listed: list[list[str]] = []
    for label in labels:
        cells = (f"{name}({tally.frequency_in[name, label.number]})" for name in label.categories)
        listed.append(
            [
                str(label.number),
                label.name,
                ";".join(cells),
                str(tally.frequency[label.number]),
                f"{tally.coverage[label.number]:.6f}",
                ";".join(label.synonyms),
            ]
        )
    write_csv(
        root / "label.csv",
        ["number", "name", "category", "frequency", "coverage", "syns"],
        listed,
    )
    summary: list[list[str]] = []
    for category in categories:
        own = [label for label in labels if category in label.categories]
        rows = []
        for code, label in enumerate(own, start=1):
            frequency = str(tally.frequency_in[category, label.number])
            coverage = f"{tally.coverage_in[category, label.number]:.6f}"
            rows.append([str(code), str(label.number), label.name, frequency, coverage])
        header = ["code", "number", "name", "frequency", "coverage"]
        write_csv(root / f"c_{category}.csv", header, rows)
        numbers = [label.number for label in own] or [0]
        total = sum(tally.frequency_in[category, label.number] for label in own)
        summary.append([category, str(min(numbers)), str(max(numbers)), str(len(own)), str(total)])
    write_csv(root / "category.csv", ["name", "first", "last", "count", "frequency"], summary)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV in UTF-8 with plain line ends."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
