"""Tables of attributes of whole images, beside the labels that their pixels may have."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.importing.folders import split_of
from ccx_cli.concepts.importing.names_file import means_nothing
from ccx_cli.concepts.importing.settings import Missing
from ccx_cli.concepts.importing.sources import Source, VocabularyBuilder, loosely
from ccx_cli.concepts.importing.table_rows import (
    BELOW,
    NO,
    UNKNOWN,
    ZERO,
    Meanings,
    Table,
    read_table,
)
from ccx_cli.errors import MissingInputError, UsageError, few
from ccx_cli.records.annotation import TablesRecord


def add_tables(
    source: Source,
    photographs: Path,
    tables: Mapping[str, Path],
    *,
    threshold: float | None = None,
    missing: Missing | None = None,
    separator: str | None = None,
) -> Source:
    """Add the attributes that tables, by category, name of the photographs of a source.

    Photographs without a line in any table are left out, and counted in a note. An attribute whose
    value is a number is present from ``threshold`` on, 1 without it. A value is missing if its cell
    is empty or it is not there; a table that only lists what is present misses nothing.

    Raises
    ------
    UsageError
        If values are missing and ``missing`` does not say what that means, if ``threshold`` or
        ``separator`` has no use, or if two attributes would be one concept.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"`threshold` {threshold} must be a number.")
    if separator == "":
        raise UsageError("`separator` must not be empty: leave it out.")
    meanings = Meanings(threshold)
    names = _Names(photographs, [image.path for image in source.images])
    read = {
        category: read_table(path, names.find, split_of, meanings, separator)
        for category, path in tables.items()
    }
    notes = [note for table in read.values() for note in _describe(table, names, source)]
    files = ", ".join(map(str, tables.values()))
    if separator is not None and not any(table.was_separated for table in read.values()):
        raise UsageError(f"`separator` {separator!r} is in no cell of {files}: leave it out.")
    vocabulary = VocabularyBuilder(source.vocabulary)
    numbers = _number(vocabulary, source, read)
    nothing = sorted(
        {name for table in read.values() for name in table.names if means_nothing(name)}
    )
    if nothing:
        notes.append(f"Attributes that mean no label are left out: {', '.join(nothing)}.")
    named = sorted(set[int]().union(*(table.cells for table in read.values())))
    if len(named) < len(source.images):
        skipped = len(source.images) - len(named)
        notes.append(
            f"Skipped {skipped:,} of {len(source.images):,} photographs, which have no line in "
            f"{files}."
        )
    said = {category: _cells(table, named) for category, table in read.items()}
    if threshold is not None:
        _check_threshold(threshold, read, said)
    if missing is None:
        for category, table in read.items():
            _refuse_missing(table, said[category], [names.paths[index] for index in named])
    kept = np.ones(len(named), bool)
    if missing is Missing.DROP:
        for cells in said.values():
            kept &= (cells != UNKNOWN).all(axis=1)
        if not kept.any():
            raise UsageError(
                f"Each image of {files} misses a value: add values, or say with `missing` no that "
                "such attributes are not there."
            )
        if not kept.all():
            notes.append(f"Left out {(~kept).sum():,} of {len(kept):,} images, which miss a value.")
    is_yes = np.array(meanings.is_yes)
    if threshold is not None:
        notes += _describe_everywhere(threshold, read, said, is_yes)
    images = []
    for row in np.flatnonzero(kept):
        image = source.images[named[row]]
        labels = [
            numbers[category][at]
            for category, cells in said.items()
            for at in np.flatnonzero(is_yes[cells[row]])
        ]
        split = _split(read.values(), named[row], image.path)
        images.append(replace(image, split=split, labels=tuple(filter(None, labels))))
    there = {category for image in images for category, _ in image.labels}
    is_missed = not kept.all() or any((cells == UNKNOWN).any() for cells in said.values())
    return replace(
        source,
        vocabulary=vocabulary.labels(),
        images=tuple(images),
        tables=TablesRecord(
            categories=[category for category in tables if category in there],
            threshold=threshold,
            missing=missing.value if missing is not None and is_missed else None,
        ),
        notes=(*source.notes, *notes),
    )


class _Names:
    """The photographs of a folder, by names that others gave them."""

    def __init__(self, folder: Path, photographs: Sequence[Path]) -> None:
        self.folder = folder
        self.paths = photographs
        self._found: dict[str, int | None] = {}
        self._loose: dict[str, Path] = {}
        self._above: dict[int, str] = {}
        # By what they are called with their suffix, and without: all ends of their paths.
        self._by_end = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
        self._whole: tuple[list[str], list[str]] = [], []
        for index, path in enumerate(photographs):
            name = path.relative_to(folder)
            for form, by_end, whole in zip(
                (name, name.with_suffix("")), self._by_end, self._whole, strict=True
            ):
                whole.append(unicodedata.normalize("NFC", form.as_posix()))
                for end in _ends(whole[-1]):
                    by_end[end].append(index)

    def find(self, name: str) -> int | None:
        """Return the index of the photograph of a name, ``None`` where there is none.

        A name may lack the suffix and the first folders, or have more folders before those here.

        Raises
        ------
        ValueError
            If several photographs may be meant, or are by names that find the same one.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> int | None:
        ends = _ends(unicodedata.normalize("NFC", name).replace("\\", "/"))
        for end in ends:
            for by_end, whole in zip(self._by_end, self._whole, strict=True):
                ending = by_end.get(end, [])
                found = [index for index in ending if whole[index] == end]
                if end == ends[0]:
                    found = found or ending
                if len(found) > 1:
                    one, other = (self.paths[index] for index in found[:2])
                    raise ValueError(f"{name!r} may be {one} or {other}: write more of its path")
                if found:
                    self._check_above(name, found[0], ends[0].removesuffix(end), end)
                    return found[0]
        return None

    def _check_above(self, name: str, index: int, above: str, end: str) -> None:
        """Refuse a name with other folders above the photograph than a name before had."""
        before = self._above.setdefault(index, above)
        if not (above.endswith(before) or before.endswith(above)):
            raise ValueError(
                f"{name!r} and {before + end!r} would both be {self.paths[index]}: give the folder "
                "above with `images`, or remove one"
            )

    def near(self, name: str) -> Path | None:
        """Return a photograph whose name differs in case, blanks, ``%20`` or the ending only."""
        if not self._loose:
            self._loose = {loosely(path.name): path for path in self.paths}
        return self._loose.get(loosely(name.replace("\\", "/")))


def _ends(name: str) -> list[str]:
    """Return what a path ends in, of whole parts, the longest first."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _describe(table: Table, names: _Names, source: Source) -> list[str]:
    """Say what was not read of a table."""
    notes = []
    if table.skipped:
        notes.append(f"Columns of {table.path} that were not read: {', '.join(table.skipped)}.")
    if table.absent:
        absent = next((name for name in table.absent if names.near(name)), next(iter(table.absent)))
        near = names.near(absent)
        fault = f"are not in {names.folder}{', or have no label PNG' if source.vocabulary else ''}"
        fault += f", such as {absent!r}" + (f" (there is {near})" if near else "")
        total = len(table.absent) + len(table.cells)
        notes.append(
            f"Skipped {len(table.absent):,} of {total:,} images of {table.path}, which {fault}."
        )
        if not table.cells:
            raise MissingInputError(
                f"The images of {table.path} {fault}: give their folder with `images`, or make the "
                "names the same."
            )
    return notes


def _number(
    vocabulary: VocabularyBuilder, source: Source, tables: Mapping[str, Table]
) -> dict[str, list[tuple[str, int] | None]]:
    """Return category and label number of each attribute, by category; ``None`` for no label."""
    owners = {label.number: (label.name, "the label PNGs") for label in source.vocabulary}
    numbers: dict[str, list[tuple[str, int] | None]] = {}
    for category, table in tables.items():
        own = numbers[category] = []
        for name in table.names:
            if means_nothing(name):
                own.append(None)
                continue
            number = vocabulary.number(name, category)
            if number in owners:
                other, where = owners[number]
                raise UsageError(
                    f"{name!r} of {table.path} and {other!r} of {where} would be one concept: "
                    "rename one, or join the tables if it is one."
                )
            owners[number] = name, str(table.path)
            own.append((category, number))
    return numbers


def _cells(table: Table, images: Sequence[int]) -> NDArray[np.uint8]:
    """Return what a table says (images, attributes), also of images that it does not name."""
    cells = np.zeros((len(images), len(table.names)), np.uint8)
    for row, index in zip(cells, images, strict=True):
        if index in table.cells:
            said = np.frombuffer(table.cells[index], np.uint8)
            row[: len(said)] = said
            if table.lists and index not in table.unsure:
                row[row == UNKNOWN] = NO
    return cells


def _check_threshold(
    threshold: float, tables: Mapping[str, Table], said: Mapping[str, NDArray[np.uint8]]
) -> None:
    """Refuse a threshold where there are no scores, or where 0 and 1 may be some or not."""
    files = ", ".join(str(table.path) for table in tables.values())
    if not any((cells >= BELOW).any() for cells in said.values()):
        raise UsageError(
            f"`threshold` {threshold:g} has no use, {files} has no scores: leave it out."
        )
    for category, table in tables.items():
        cells = said[category]
        doubtful = (cells >= ZERO).any(axis=0) & ~(cells >= BELOW).any(axis=0)
        if table.meanings.is_beyond and doubtful.any():
            raise UsageError(
                f"{table.path} has only 0 and 1 for {table.names[int(doubtful.argmax())]!r}, which "
                f"may be scores for `threshold` {threshold:g} or not: write no and yes, or leave "
                "the attribute out."
            )


def _describe_everywhere(
    threshold: float,
    tables: Mapping[str, Table],
    said: Mapping[str, NDArray[np.uint8]],
    is_yes: NDArray[np.bool_],
) -> Iterator[str]:
    """Say which numbers are beyond the threshold for every image: they may be no scores."""
    for category, table in tables.items():
        cells = said[category]
        everywhere = np.flatnonzero((cells >= BELOW).any(axis=0) & is_yes[cells].all(axis=0))
        if len(everywhere) and len(cells) > 1:
            shown = few([table.names[at] for at in everywhere])
            yield (
                f"Every image of {table.path} has, from {threshold:g} on: {shown} (remove "
                "columns that are no scores)."
            )


def _refuse_missing(table: Table, cells: NDArray[np.uint8], paths: Sequence[Path]) -> None:
    unknown = cells == UNKNOWN
    if unknown.any():
        row, at = (int(indices[0]) for indices in np.nonzero(unknown))
        raise UsageError(
            f"{table.path} has no value of {table.names[at]!r} for {paths[row]} (missing values: "
            f"{unknown.sum():,}): say with `missing` no that such attributes are not there, or "
            "with `missing` drop to leave such images out."
        )


def _split(tables: Iterable[Table], index: int, path: Path) -> str:
    said = {table.splits[index] for table in tables if index in table.splits}
    if len(said) > 1:
        raise UsageError(
            f"The tables say of {path} that it is {' and '.join(sorted(said))}: correct one."
        )
    return said.pop() if said else ""
