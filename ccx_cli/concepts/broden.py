"""An image set in Broden's layout: what its CSVs say, and the sizes of the files they name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ccx_cli.concepts.broden_csv import (
    LARGEST_LABEL,
    ImageRow,
    Label,
    read_categories,
    read_labels,
    read_rows,
    repair_hint,
)
from ccx_cli.concepts.datasets import USUAL_SIDE, find_dataset, missing_dataset
from ccx_cli.errors import MissingInputError
from ccx_cli.store.known_files import look_at, size_of

__all__ = ["BrodenDataset", "ImageRow", "Label", "read_broden", "read_dataset"]


@dataclass(frozen=True)
class BrodenDataset:
    """The images of one subset, at least one, and the labels they may carry, by ascending number.

    ``directory`` holds the CSVs and ``images/``. Every label's own category is one of
    ``categories``; ``mask_shape`` is the (height, width) of all label PNGs.
    """

    directory: Path
    subset: str
    labels: tuple[Label, ...]
    categories: tuple[str, ...]
    rows: tuple[ImageRow, ...]
    mask_shape: tuple[int, int]

    @property
    def name(self) -> str:
        """The name of the directory, ``broden1_224`` or the like."""
        return self.directory.name

    def label(self, number: int) -> Label:
        """Return the label with this number; raises ``KeyError`` where there is none."""
        return self._by_number[number]

    def image_path(self, name: str) -> Path:
        """Return the file of an image or a label PNG that a row names."""
        return self.directory / "images" / name

    @cached_property
    def _by_number(self) -> dict[int, Label]:
        return {label.number: label for label in self.labels}

    @cached_property
    def pixel_values(self) -> bytes:
        """65,536 flags: 1 where a pixel may hold the value, a label's number or 0 for none."""
        numbers = {0, *self._by_number}
        return bytes(number in numbers for number in range(LARGEST_LABEL + 1))

    def segmentation_fingerprint(self) -> str:
        """Return the digest by which older versions knew labels: see ``fingerprints``."""
        sizes = self._sizes(layer for row in self.rows for layer in row.layers)
        return _digest("segmentation 1", self.labels, *self.label_rows(), sizes)

    def images_fingerprint(self) -> str:
        """Return the digest by which older versions knew images."""
        names = [row.image for row in self.rows]
        return _digest("images 1", names, self._sizes(names))

    def label_rows(self) -> tuple[object, ...]:
        """Return the categories, and of every row all that says which labels its pixels carry."""
        return self.categories, [
            (row.image, row.mask_height, row.mask_width, row.layers, row.labels)
            for row in self.rows
        ]

    def missing(self, error: FileNotFoundError) -> MissingInputError:
        """Return the error that a file of the dataset is not there."""
        return MissingInputError(f"{error} is missing: {repair_hint(self.directory)}.")

    def _sizes(self, names: Iterable[str]) -> list[int]:
        names = list(names)
        try:
            stamps = look_at(self.directory / "images", names)
        except FileNotFoundError as error:
            raise self.missing(error) from error
        return [size_of(stamps[name]) for name in names]


def read_broden(datasets: Path, subset: str, side: int = USUAL_SIDE) -> BrodenDataset:
    """Find the dataset of a subset under ``datasets`` and read it, as ``read_dataset`` does."""
    return read_dataset(find_dataset(datasets, subset, side), subset)


def read_dataset(directory: Path, subset: str) -> BrodenDataset:
    """Read the CSVs of a dataset, but no picture, and keep the images of one subset.

    Those are the rows of ``index.csv`` whose image path contains it, ``all`` for every row, or all
    rows of ``index_<subset>.csv`` where that exists. Raises ``UsageError`` if none is left,
    ``MissingInputError`` if a CSV is not there, ``DamagedDataError`` with the line of a wrong one.
    """
    try:
        files = {path.name for path in directory.iterdir()}
    except OSError as error:
        raise missing_dataset(directory) from error
    categories = read_categories(directory / "category.csv")
    labels = read_labels(directory, categories, files)
    rows = read_rows(directory, subset, files, categories, {label.number for label in labels})
    return BrodenDataset(
        directory, subset, labels, categories, rows, (rows[0].mask_height, rows[0].mask_width)
    )


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
