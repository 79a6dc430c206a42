"""Broden's three kinds of CSV, parsed: categories, labels, and the index of the images."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ccx_cli.concepts.datasets import BRODEN_SIDES, DEMO_SUBSET, own_names, side_of
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError, suggestion
from ccx_cli.store.paths import DEMO_MARKER, is_imported

# The largest number that a label PNG can hold, red + 256 * green.
LARGEST_LABEL = 0xFFFF
LARGEST_SIDE = 0xFFFF
MOST_PIXELS = 89_478_485
_MOST_IMAGES = 0xFFFFFFFF
_LABEL_COLUMNS = ("number", "name", "category", "frequency", "coverage", "syns")
_SIZE_COLUMNS = ("ih", "iw", "sh", "sw")
_IMAGE_COLUMNS = ("image", "split", *_SIZE_COLUMNS)
_NO_FILE_NAME = re.compile(r"[/\\\0]")
_SUBSET_INDEX = re.compile(r"index_(.+)\.csv", re.DOTALL)


class Label(NamedTuple):
    """One concept: a row of ``label.csv``, whose ``number`` from 1 to 65535 its pixels hold.

    Of ``categories``, all that it occurs in, ``category`` has its largest coverage; ``frequency``
    are the images of Broden with it, ``coverage`` the sum of the shares of their pixels.
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

    ``image`` and ``layers``, its label PNGs of all categories, are paths under ``images/``;
    ``labels`` are the numbers of the labels of the whole image. Sizes are in pixels.
    """

    image: str
    split: str
    height: int
    width: int
    mask_height: int
    mask_width: int
    layers: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a CSV, which knows where it ends."""

    path: Path
    line: int
    columns: dict[str, int]
    cells: list[str]

    def text(self, column: str) -> str:
        """Return a cell without the blanks around it."""
        return self.cells[self.columns[column]].strip()

    def integer(self, column: str, low: int, high: int) -> int:
        """Return a cell as a whole number of ``low`` to ``high``, else raise."""
        text = self.text(column)
        value = int(text[:4000]) if text.isascii() and text.isdecimal() else -1
        if not low <= value <= high:
            raise self.damaged(
                f"{column} must be a whole number from {low} to {high}, not {_shown(text)}"
            )
        return value

    def coverage(self) -> float:
        """Return the cell under ``coverage`` as a number from 0, else raise."""
        text = self.text("coverage")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self.damaged(f"coverage must be a number from 0, not {_shown(text)}")
        return value

    def damaged(self, fault: str) -> DamagedDataError:
        return _damaged_line(self.path, self.line, fault)


def read_categories(path: Path) -> tuple[str, ...]:
    """Return the names in ``category.csv``, at least one, in its order."""
    categories: dict[str, None] = {}
    for row in _read_table(path, ("name",), "a category"):
        name = row.text("name")
        if not name or name in categories or _NO_FILE_NAME.search(name):
            raise row.damaged(f"each category must have a plain name, its own, not {name!r}")
        categories[name] = None
    return tuple(categories)


def read_labels(
    directory: Path, categories: tuple[str, ...], files: Collection[str]
) -> tuple[Label, ...]:
    """Return the labels of ``label.csv`` by ascending number, each with its own category.

    ``files`` are the names of those in the directory. Of categories in which a label has equal
    coverage, the first of ``categories`` wins.
    """
    rows = _read_table(directory / "label.csv", _LABEL_COLUMNS, "a label")
    listed = {row.line: _category_names(row.text("category")) for row in rows}
    used = {category for names in listed.values() for category in names}
    widest: dict[int, tuple[float, str]] = {}
    for category in categories:
        if category in used or f"c_{category}.csv" in files:
            for row in _read_table(directory / f"c_{category}.csv", ("number", "coverage")):
                number, coverage = row.integer("number", 1, LARGEST_LABEL), row.coverage()
                if number not in widest or coverage > widest[number][0]:
                    widest[number] = coverage, category
    labels: dict[int, Label] = {}
    for row in rows:
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
    """Return the images of a subset, at least one, in the order of ``index.csv``.

    ``subset`` is part of the image paths, ``all``, or a name that has an ``index_<subset>.csv`` of
    its own; ``files`` are the names of those in the directory, ``numbers`` the labels there are.
    """
    kept = _select(directory, subset, files)
    columns = kept[0].columns
    own = set(categories).difference(_IMAGE_COLUMNS)
    category_columns = [index for column, index in columns.items() if column in own]
    size_columns = [columns[column] for column in _SIZE_COLUMNS]
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
            ih, iw, sh, sw = (row.integer(column, 1, LARGEST_SIDE) for column in _SIZE_COLUMNS)
            if sh * sw > MOST_PIXELS:
                raise row.damaged(f"masks of {sh}x{sw} have more than {MOST_PIXELS:,} pixels")
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


def _select(directory: Path, subset: str, files: Collection[str]) -> list[_Row]:
    """Return the rows of the index that describes the subset, at least one."""
    own_indexes = [match[1] for match in map(_SUBSET_INDEX.fullmatch, sorted(files)) if match]
    own = subset in own_indexes
    path = directory / (f"index_{subset}.csv" if own else "index.csv")
    if not own and own_indexes and path.name not in files:
        raise MissingInputError(
            f"{path} is missing and there is no index_{subset}.csv: {repair_hint(directory)}, "
            f"or name a subset that is there with `subset` ({', '.join(own_indexes)})."
        )
    rows = _read_table(path, _IMAGE_COLUMNS, "an image")
    if own or subset == "all":
        return rows
    image_at = rows[0].columns["image"]
    kept = [row for row in rows if subset and subset in row.cells[image_at]]
    if not kept and directory.parent.name == subset:
        return rows
    if not kept:
        folders = {row.cells[image_at].rpartition("/")[0].partition("/")[0] for row in rows}
        names = own_names(directory.parent)
        there = ["all", *sorted(folders.union(own_indexes, names) - {""})]
        raise UsageError(
            f"No image path of {path} contains `subset` {subset!r}, choose one of "
            f"{', '.join(there)}{suggestion(subset, [*there, DEMO_SUBSET]) or '.'}"
        )
    return kept


def _split_cells(
    row: _Row, columns: Sequence[int], numbers: Collection[int]
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
    if path[0] in "/\\" or path[1:2] == ":" or "\0" in path:
        return True
    return ".." in path.replace("\\", "/").split("/")


def _read_table(path: Path, required: tuple[str, ...], what: str = "") -> list[_Row]:
    """Read all rows of a CSV but blank ones; with ``what`` named, at least one."""
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        fault = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise MissingInputError(f"{path} {fault}: {repair_hint(path.parent)}.") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = len(data[: error.start + 1].splitlines())
        raise _damaged_line(path, line, "the text must be UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        fault = f"the line must be comma-separated ({error})"
        raise _damaged_line(path, reader.line_num, fault) from error
    if not lines:
        raise _damaged_line(path, 1, f"the file is empty: {repair_hint(path.parent)}")
    first_line, header = lines[0]
    columns: dict[str, int] = {}
    for index, column in enumerate(map(str.strip, header)):
        if column and column in columns:
            raise _damaged_line(path, first_line, f"two columns are named {column!r}")
        columns[column] = index
    for column in required:
        if column not in columns:
            fault = f"the column {column} is missing of {', '.join(required)}"
            raise _damaged_line(path, first_line, fault)
    rows = [_Row(path, line, columns, cells) for line, cells in lines[1:]]
    for row in rows:
        # More cells than columns mean a comma outside quotes, which moves the cells after it.
        n_cells = len(row.cells)
        if n_cells != len(header) and (n_cells < len(header) or any(row.cells[len(header) :])):
            raise row.damaged(f"{n_cells} cells under {len(header)} columns")
    if what and not rows:
        raise _damaged_line(path, 2, f"{what} must follow the header")
    return rows


def _damaged_line(path: Path, line: int, fault: str) -> DamagedDataError:
    return DamagedDataError(f"{path}, line {line}: {fault}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}\N{HORIZONTAL ELLIPSIS}")


def repair_hint(directory: Path) -> str:
    """Return how to repair a file of the dataset in ``directory``, such as ``broden1_224``."""
    if is_imported(directory):
        return "restore it, or import the dataset again with `force`"
    if (directory / DEMO_MARKER).is_file():
        return f"restore it, or delete {directory} and run `ccx demo`"
    if side_of(directory) not in BRODEN_SIDES:
        return "restore it"
    name = directory.name.replace("1_", "")
    return f"restore it, or download the dataset again with `ccx fetch {name}`"
