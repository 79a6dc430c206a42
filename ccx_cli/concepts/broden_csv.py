"""Broden's three kinds of CSV, parsed: categories, labels, and the index of the images."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from ccx_cli.concepts.tables import Row, Table, read_table, repair_hint
from ccx_cli.errors import MissingInputError, UsageError, suggestion

LARGEST_LABEL = 0xFFFF
"""The largest number that a label PNG can hold (``red + 256 * green``)."""

_LARGEST_SIDE = 0xFFFF
_MOST_PIXELS = 89_478_485
_MOST_IMAGES = 0xFFFFFFFF
_LABEL_COLUMNS = ("number", "name", "category", "frequency", "coverage", "syns")
_SIZE_COLUMNS = ("ih", "iw", "sh", "sw")
_IMAGE_COLUMNS = ("image", "split", *_SIZE_COLUMNS)
_NO_FILE_NAME = re.compile(r"[/\\\0]")
_SUBSET_INDEX = re.compile(r"index_(.+)\.csv", re.DOTALL)


class Label(NamedTuple):
    """One concept: a row of ``label.csv``.

    Attributes
    ----------
    number : int
        What its pixels hold, 1..65535.
    category : str
        Its own category: where its coverage is largest.
    categories : tuple of str
        All categories it occurs in, as ``label.csv`` lists them.
    frequency : int
        Images with this label, in the whole of Broden.
    coverage : float
        Sum over those images of the share of pixels that carry it.
    """

    number: int
    name: str
    category: str
    categories: tuple[str, ...]
    frequency: int
    coverage: float
    synonyms: tuple[str, ...]


class ImageRow(NamedTuple):
    """One image and where its labels are: a row of ``index.csv``.

    Attributes
    ----------
    image : str
        Path under ``images/``.
    height, width : int
        Size of the image in pixels (``ih``, ``iw``).
    mask_height, mask_width : int
        Size of its label PNGs in pixels (``sh``, ``sw``).
    layers : tuple of str
        Its label PNGs of all categories, paths under ``images/``, in the order of the columns.
    labels : tuple of int
        Numbers of the labels of the whole image, in the order of the columns.
    """

    image: str
    split: str
    height: int
    width: int
    mask_height: int
    mask_width: int
    layers: tuple[str, ...]
    labels: tuple[int, ...]


def read_categories(path: Path) -> tuple[str, ...]:
    """Return the names in ``category.csv``, at least one, in its order."""
    table = read_table(path, ("name",))
    categories: dict[str, None] = {}
    for row in table.rows:
        name = row.text("name")
        if not name or name in categories or _NO_FILE_NAME.search(name):
            raise row.damaged(f"each category must have a plain name, its own, not {name!r}")
        categories[name] = None
    if not categories:
        raise table.lacks("a category")
    return tuple(categories)


def read_labels(
    directory: Path, categories: tuple[str, ...], files: Collection[str]
) -> tuple[Label, ...]:
    """Return the labels of ``label.csv`` by ascending number, each with its own category.

    Parameters
    ----------
    directory : Path
        Holds ``label.csv`` and a ``c_<category>.csv`` for each category that has a label.
    categories : tuple of str
        As ``category.csv`` lists them; the first of those with equal coverage wins.
    files : collection of str
        Names of the files in the directory.
    """
    table = read_table(directory / "label.csv", _LABEL_COLUMNS)
    listed = {row.line: _category_names(row.text("category")) for row in table.rows}
    used = {category for names in listed.values() for category in names}
    widest: dict[int, tuple[float, str]] = {}
    for category in categories:
        if category in used or f"c_{category}.csv" in files:
            for row in read_table(directory / f"c_{category}.csv", ("number", "coverage")).rows:
                number, coverage = row.integer("number", 1, LARGEST_LABEL), row.coverage()
                if number not in widest or coverage > widest[number][0]:
                    widest[number] = coverage, category
    labels: dict[int, Label] = {}
    for row in table.rows:
        number = row.integer("number", 1, LARGEST_LABEL)
        name = row.text("name")
        if not name:
            raise row.damaged(f"the label {number} must have a name")
        if number in labels:
            raise row.damaged(f"the number {number} is already {labels[number].name!r}")
        known = [category for category in listed[row.line] if category in categories]
        if number not in widest and not known:
            raise row.damaged(f"{name!r} must have a category that category.csv lists")
        labels[number] = Label(
            number,
            name,
            widest[number][1] if number in widest else known[0],
            listed[row.line],
            row.integer("frequency", 0, _MOST_IMAGES),
            row.coverage(),
            tuple(filter(None, map(str.strip, row.text("syns").split(";")))),
        )
    if not labels:
        raise table.lacks("a label")
    return tuple(labels[number] for number in sorted(labels))


def _category_names(cell: str) -> tuple[str, ...]:
    """Return the names of ``part(12);object(3)``."""
    names = (re.sub(r"\(\d*\)$", "", piece.strip()).strip() for piece in cell.split(";"))
    return tuple(filter(None, names))


def read_rows(
    directory: Path,
    subset: str,
    files: Collection[str],
    categories: tuple[str, ...],
    numbers: Collection[int],
) -> tuple[ImageRow, ...]:
    """Return the images of a subset, at least one, in the order of the index.

    Parameters
    ----------
    directory : Path
        Holds ``index.csv`` or ``index_<subset>.csv``.
    subset : str
        Part of the image paths, or ``all``, or a name that has an index of its own.
    files : collection of str
        Names of the files in the directory.
    categories : tuple of str
        Columns with these names hold layers.
    numbers : collection of int
        The labels there are.
    """
    table, kept = _select(directory, subset, files)
    category_columns = [
        index
        for column, index in table.columns.items()
        if column in categories and column not in _IMAGE_COLUMNS
    ]
    size_columns = [table.columns[column] for column in _SIZE_COLUMNS]
    sizes: dict[tuple[str, ...], tuple[int, int, int, int]] = {}
    seen: dict[str, int] = {}
    rows: list[ImageRow] = []
    for row in kept:
        image = row.text("image")
        if not image or _is_outside(image):
            raise row.damaged(f"image must be a path inside images/, not {image!r}")
        if image in seen:
            raise row.damaged(f"{image!r} is already on line {seen[image]}")
        seen[image] = row.line
        # Mostly the same four numbers, row after row.
        texts = tuple([row.cells[column] for column in size_columns])
        if texts not in sizes:
            ih, iw, sh, sw = (row.integer(column, 1, _LARGEST_SIDE) for column in _SIZE_COLUMNS)
            if sh * sw > _MOST_PIXELS:
                raise row.damaged(f"masks of {sh}x{sw} have more than {_MOST_PIXELS:,} pixels")
            sizes[texts] = ih, iw, sh, sw
        size = sizes[texts]
        if rows and size[2:] != (rows[0].mask_height, rows[0].mask_width):
            raise row.damaged(
                f"the masks of {image!r} are {size[2]}x{size[3]} where those of the subset before "
                f"it are {rows[0].mask_height}x{rows[0].mask_width}"
            )
        layers, labels = _split_cells(row, category_columns, numbers)
        rows.append(ImageRow(image, row.text("split"), *size, layers, labels))
    return tuple(rows)


def _select(directory: Path, subset: str, files: Collection[str]) -> tuple[Table, list[Row]]:
    """Return the index that describes the subset, and the rows of it to keep."""
    own_indexes = [match[1] for match in map(_SUBSET_INDEX.fullmatch, sorted(files)) if match]
    own = subset in own_indexes
    path = directory / (f"index_{subset}.csv" if own else "index.csv")
    if not own and own_indexes and path.name not in files:
        raise MissingInputError(
            f"{path} is missing and there is no index_{subset}.csv: {repair_hint(directory)}, "
            f"or name a subset that is there with `subset` ({', '.join(own_indexes)})."
        )
    table = read_table(path, _IMAGE_COLUMNS)
    image_at = table.columns["image"]
    if own or subset == "all":
        kept = table.rows
    else:
        kept = [row for row in table.rows if subset and subset in row.cells[image_at]]
    if not table.rows:
        raise table.lacks("an image")
    if not kept:
        folders = {row.cells[image_at].rpartition("/")[0].partition("/")[0] for row in table.rows}
        there = ["all", *sorted(folders.union(own_indexes) - {""})]
        raise UsageError(
            f"No image path of {path} contains `subset` {subset!r}, choose one of "
            f"{', '.join(there)}{suggestion(subset, there) or '.'}"
        )
    return table, kept


def _split_cells(
    row: Row, columns: Sequence[int], numbers: Collection[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the label PNGs and the whole-image labels that some cells of a row name."""
    layers: list[str] = []
    labels: list[int] = []
    for column in columns:
        if not row.cells[column]:
            continue
        for layer in map(str.strip, row.cells[column].split(";")):
            if layer.isdecimal() and layer.isascii():
                number = int(layer[:4000])
                if number and number not in numbers:
                    raise row.damaged(f"label.csv has no label with the number {layer}")
                if number:
                    labels.append(number)
            elif layer:
                if _is_outside(layer):
                    raise row.damaged(f"a label PNG must be a path inside images/, not {layer!r}")
                layers.append(layer)
    return tuple(layers), tuple(labels)


def _is_outside(path: str) -> bool:
    """Return whether a path leaves ``images/``, or cannot be one."""
    if path[0] in "/\\" or path[1:2] == ":" or "\0" in path:
        return True
    # Nearly no path has dots to look at closer.
    return ".." in path and ".." in path.replace("\\", "/").split("/")
