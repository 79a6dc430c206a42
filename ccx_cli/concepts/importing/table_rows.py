"""Reads a table of attributes of whole images: one attribute a line, or a column for each."""

from __future__ import annotations

import csv
import math
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TextIO

from ccx_cli.concepts.importing.names_cells import EITHER_COLUMNS, column
from ccx_cli.errors import DamagedDataError, MissingInputError

UNKNOWN, NO, YES, ZERO, ONE, BELOW, FROM, SCORE, TEXT = range(9)
"""What a cell says. A number is below a threshold or from it on, and a score where there is none.

0 and 1 are kept apart: beside other numbers they are scores, else no and yes.
"""

_WORDS = {
    **dict.fromkeys(("", "?", "na", "n/a", "nan", "null", "none", "unknown"), UNKNOWN),
    **dict.fromkeys(("no", "n", "false"), NO),
    **dict.fromkeys(("yes", "y", "true"), YES),
}
_REMEMBERED = 100_000
_DELIMITERS = ("\t", ";", ",")
_BETWEEN = ("|", ";")

_OF_IMAGES = ("image", "img", "photo", "photograph", "picture", "file")
_IMAGE_COLUMNS = {word + end for word in _OF_IMAGES for end in ("", "s", "name", "path", "id")}
_IMAGE_COLUMNS |= {"path", "imageindex", "imagefile", "imagefilename", "imagefilepath"}
_SPLIT_COLUMNS = {"split", "partition", "subset"}
_OF_ATTRIBUTES = ("attribute", "label", "class", "concept", "tag", "finding")
_ATTRIBUTE_COLUMNS = {word + end for word in _OF_ATTRIBUTES for end in ("", "s", "name", "labels")}
_ATTRIBUTE_COLUMNS |= {*EITHER_COLUMNS}
_OTHER_COLUMNS = {"id", "index", "unnamed0", "fold", "istraining", "istrainingimage"}
"""Numbers of lines, as pandas calls them, and of splits: no attributes."""
_VALUE_COLUMNS = {"value", "present", "ispresent", "score", "probability", "confidence"}


class Meanings(dict[str, int]):
    """What the texts of cells mean, each read once."""

    def __init__(self, threshold: float | None) -> None:
        super().__init__()
        self._threshold = threshold
        zero, one = (threshold <= 0, threshold <= 1) if threshold is not None else (False, True)
        self.is_yes = (False, False, True, zero, one, False, True)
        """Whether a cell of each meaning says that an attribute is present."""

        self.is_beyond = zero or not one
        """Whether 0 or 1 mean something else as scores than no and yes."""

    def __missing__(self, text: str) -> int:
        meaning = self._read(text.strip().casefold())
        if len(self) < _REMEMBERED:
            self[text] = meaning
        return meaning

    def _read(self, text: str) -> int:
        if text in _WORDS:
            return _WORDS[text]
        try:
            number = float(text)
        except ValueError:
            return TEXT
        if not math.isfinite(number) or "_" in text:
            return TEXT
        if number in (0, 1):
            return ONE if number else ZERO
        if self._threshold is None:
            return SCORE
        return FROM if number >= self._threshold else BELOW


@dataclass(slots=True)
class Table:
    """What a table says of the images that are there, by their indices.

    ``cells`` have what is said of the first of the attributes ``names``; nothing is said of the
    rest. Where the table only ``lists`` what is present, that means no, else it is unknown.
    ``unsure`` are images of which a line names no attribute, and ``absent`` the names of images
    that are not there.
    """

    path: Path
    meanings: Meanings
    names: list[str] = field(default_factory=list)
    cells: dict[int, bytearray] = field(default_factory=dict)
    lists: bool = False
    unsure: set[int] = field(default_factory=set)
    absent: dict[str, None] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    splits: dict[int, str] = field(default_factory=dict)
    was_separated: bool = False

    def damaged(self, line: int, fault: str) -> DamagedDataError:
        """Return an error about a line."""
        return DamagedDataError(f"{self.path}, line {line}: {fault}.")

    def add(self, line: int, image: str, known: bytearray, at: int, meaning: int) -> None:
        """Note what a line says of an attribute of an image, which must agree with others."""
        before = known[at]
        if before == UNKNOWN:
            known[at] = meaning
        elif meaning != UNKNOWN:
            was, is_now = (self.meanings.is_yes[each] for each in (before, meaning))
            if was != is_now:
                said = ("is no, but yes", "is yes, but no")[is_now]
                raise self.damaged(
                    line, f"{self.names[at]!r} of {image} {said} on a line before: correct one"
                )

    def refuse_cell(self, line: int, name: str, text: str, meaning: int) -> NoReturn:
        """Refuse a cell that is a score without a threshold, or none of what cells may be."""
        where = f"{text.strip()[:60]!r} in the column {name!r}"
        if meaning == SCORE:
            raise self.damaged(
                line, f"{where} is a score: say with `threshold` from which score on it counts"
            )
        raise self.damaged(
            line,
            f"{where} is neither yes nor no (1, 0, true, false) nor a score such as 0.5: correct "
            "it, remove the column, or call it attribute if its cells name attributes",
        )


class _Wide:
    """A column for each attribute."""

    def __init__(self, table: Table, header: Sequence[str], columns: Sequence[int]) -> None:
        self._table = table
        self._columns = columns
        table.names = [header[index] for index in columns]

    def read(self, line: int, image: str, index: int | None, cells: Sequence[str]) -> None:
        """Read the line of an image; without an ``index``, the image is not there."""
        table = self._table
        texts = [cells[column] for column in self._columns]
        said = bytearray(map(table.meanings.__getitem__, texts))
        if max(said) > FROM:
            at = next(at for at, meaning in enumerate(said) if meaning > FROM)
            table.refuse_cell(line, table.names[at], texts[at], said[at])
        if index is None:
            return
        known = table.cells.setdefault(index, said)
        if known is not said:
            for at, meaning in enumerate(said):
                table.add(line, image, known, at, meaning)


class _Long:
    """One attribute a line, or several in one cell, with a value or without."""

    def __init__(
        self,
        table: Table,
        header: Sequence[str],
        attribute: int,
        value: int | None,
        others: Sequence[int],
        separator: str | None,
    ) -> None:
        self._table = table
        self._header = header
        self._attribute = attribute
        self._value = value
        self._separator = separator
        self._numbers: dict[str, int] = {}
        self._named: dict[str, list[int]] = {}
        # Columns that hold nothing else than no and yes so far, and whether they hold any.
        self._doubtful = dict.fromkeys(others, UNKNOWN)
        table.lists = value is None
        table.skipped += [header[index] for index in others]

    def read(self, line: int, image: str, index: int | None, cells: Sequence[str]) -> None:
        """Read the line of an image; without an ``index``, the image is not there."""
        table, meanings = self._table, self._table.meanings
        for index_, before in [*self._doubtful.items()]:
            self._doubtful[index_] = max(before, meanings[cells[index_]])
            if self._doubtful[index_] > ONE:
                del self._doubtful[index_]
        meaning = YES
        if self._value is not None:
            meaning = meanings[cells[self._value]]
            if meaning > FROM:
                table.refuse_cell(line, self._header[self._value], cells[self._value], meaning)
        text = cells[self._attribute]
        named = self._named.get(text)
        if named is None:
            named = self._named[text] = self._number(line, text)
        if index is None:
            return
        known = table.cells.setdefault(index, bytearray())
        if not named:
            table.unsure.add(index)
        for at in named:
            if at >= len(known):
                known.extend(bytes(at + 1 - len(known)))
            table.add(line, image, known, at, meaning)

    def _number(self, line: int, text: str) -> list[int]:
        """Return the indices of the attributes that a cell names."""
        table, found = self._table, []
        if text.strip().startswith(("[", "{")):
            raise table.damaged(
                line,
                f"{text.strip()[:60]!r} is a list: name its attributes without brackets and "
                "quotes, and say with `separator` what is between them",
            )
        names = [text] if self._separator is None else text.split(self._separator)
        table.was_separated |= len(names) > 1
        # Beside a value, a comma is of the name.
        between = (*_BETWEEN, ",") if table.lists else _BETWEEN
        for name in map(str.strip, names):
            mark = next((mark for mark in between if mark in name), None)
            if mark is not None and self._separator is None:
                raise table.damaged(
                    line,
                    f"{name!r} may be several attributes: say so with `separator` '{mark}', or "
                    "rename it",
                )
            if name:
                found.append(self._numbers.setdefault(name, len(self._numbers)))
                if found[-1] == len(table.names):
                    table.names.append(name)
            elif self._value is not None or len(names) > 1:
                raise table.damaged(line, "it names no attribute: correct it")
        return found

    def finish(self, line: int) -> None:
        """Refuse a table, with its header on a line, that may be meant otherwise."""
        table = self._table
        attribute = self._header[self._attribute]
        for index, said in self._doubtful.items():
            if said != UNKNOWN:
                raise table.damaged(
                    line,
                    f"attributes may be the cells of the column {attribute!r}, or columns such as "
                    f"{self._header[index]!r}: rename or remove one of them",
                )
        if table.lists and all(table.meanings[name] <= ONE for name in table.names):
            raise table.damaged(
                line,
                f"the column {attribute!r} names no attribute, it only holds "
                f"{', '.join(sorted(table.names)) or 'empty cells'}: call it as the attribute",
            )


def read_table(
    path: Path,
    find: Callable[[str], int | None],
    split_of: Callable[[str], str | None],
    meanings: Meanings,
    separator: str | None,
) -> Table:
    """Read a table of either form, which its header tells.

    ``find`` returns the index of the image of a name, ``None`` where there is none, or raises
    ``ValueError``; ``split_of`` returns the split that a word says. ``separator`` is between
    attributes in one cell.
    """
    table = Table(path, meanings)
    rows = _rows(path)
    first, header = next(rows, (1, []))
    line = first
    header = [cell.strip() for cell in header]
    if any("\0" in name for name in header):
        raise _no_text(path)
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise table.damaged(line, f"two columns are named {twice[0]!r}: rename or remove one")

    def one_of(words: set[str], what: str) -> int | None:
        found = [index for index, name in enumerate(header) if column(name) in words]
        if len(found) > 1:
            names = ", ".join(header[index] for index in found)
            raise table.damaged(line, f"several columns may have {what} ({names}): leave one")
        return found[0] if found else None

    image = one_of(_IMAGE_COLUMNS, "the images")
    image = one_of({"id"}, "the images") if image is None else image
    if image is None:
        raise table.damaged(
            line,
            "the header has no column of images: call it image, and separate columns by commas, "
            "semicolons or tabs",
        )
    split = one_of(_SPLIT_COLUMNS, "the splits")
    attribute = one_of(_ATTRIBUTE_COLUMNS, "attributes")
    value = None if attribute is None else one_of(_VALUE_COLUMNS, "the values")
    taken = {image, split, attribute, value}
    others = [index for index, name in enumerate(header) if name and index not in taken]
    table.skipped = [header[index] for index in others if column(header[index]) in _OTHER_COLUMNS]
    others = [index for index in others if header[index] not in table.skipped]
    if attribute is None and not others:
        raise table.damaged(line, "no column is an attribute or names attributes: add one")
    form: _Wide | _Long
    if attribute is None:
        form = _Wide(table, header, others)
    else:
        form = _Long(table, header, attribute, value, others, separator)
    for line, cells in rows:
        if len(cells) != len(header) and (len(cells) < len(header) or any(cells[len(header) :])):
            raise table.damaged(
                line, f"it has {len(cells)} cells under {len(header)} columns: correct it"
            )
        name = cells[image].strip()
        if not name:
            raise table.damaged(line, f"the column {header[image]!r} names no image: correct it")
        try:
            index = find(name)
        except ValueError as error:
            raise table.damaged(line, str(error)) from error
        if index is None:
            table.absent[name] = None
        elif split is not None and (text := cells[split].strip()):
            said = split_of(text)
            if said is None:
                raise table.damaged(
                    line, f"{text!r} in the column {header[split]!r} must be train, val or test"
                )
            if table.splits.setdefault(index, said) != said:
                raise table.damaged(line, f"{name} is {said}, but not so before: correct one")
        form.read(line, name, index, cells)
    if not table.cells and not table.absent:
        raise table.damaged(line, "no line follows the header: give a table that has some")
    if isinstance(form, _Long):
        form.finish(first)
    return table


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a table that are not blank, from its header on, with their numbers."""
    line = 0
    try:
        with path.open("rb") as file:
            is_utf16 = file.read(2) in {BOM_UTF16_LE, BOM_UTF16_BE}
        with path.open(encoding="utf-16" if is_utf16 else "utf-8-sig", newline="") as text:
            delimiter = _delimiter(text)
            text.seek(0)
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            for cells in reader:
                line = reader.line_num
                if any(map(str.strip, cells)):
                    yield line, cells
    except OSError as error:
        raise MissingInputError(f"The table {path} cannot be read: give another.") from error
    except UnicodeDecodeError as error:
        raise _no_text(path) from error
    except csv.Error as error:
        raise DamagedDataError(
            f"{path}, line {line + 1}: it is no line of a table ({error}): correct it."
        ) from error


def _no_text(path: Path) -> DamagedDataError:
    return DamagedDataError(f"{path} is not UTF-8 text: save it as CSV in UTF-8.")


def _delimiter(text: TextIO) -> str:
    """Return the delimiter with which the first line that is not blank names the images."""
    for delimiter in _DELIMITERS:
        text.seek(0)
        with suppress(csv.Error):
            lines = csv.reader(text, delimiter=delimiter, strict=True)
            header = next((cells for cells in lines if any(map(str.strip, cells))), [])
            if len(header) > 1 and not {*map(column, header)}.isdisjoint({*_IMAGE_COLUMNS, "id"}):
                return delimiter
    return ","
