"""JSON Lines of records: appended, flushed and read back however the writer ended."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET

from ccx_cli.errors import DamagedDataError
from ccx_cli.printable import escaped, printable
from ccx_cli.records import brief
from ccx_cli.records.brief import Brief
from ccx_cli.records.columns import NONE, Columns
from ccx_cli.records.fields import Record, to_json
from ccx_cli.store.atomic import naming
from ccx_cli.store.steps import Step

R = TypeVar("R", bound=Record)
K = TypeVar("K", bound=Record)
BRIEF = "brief.msgpack"
# What a damaged line raises, and what the validation of a record does.
_FAULTS = (ValueError, TypeError, RecursionError)


def json_line(record: Record | dict[str, Any]) -> str:
    """Write a record as one line of JSON."""
    content = to_json(record) if isinstance(record, Record) else record
    return escaped(json.dumps(content, ensure_ascii=False, allow_nan=False)) + "\n"


def decode(line: bytes | str, kind: type[R], *, printable_texts: bool = False) -> R:
    """Read one line of JSON, UTF-8; keys that ``kind`` does not have are ignored.

    With ``printable_texts``, control characters in texts are replaced. A ``ValueError`` says what
    is wrong with which key.
    """
    try:
        if printable_texts and not _is_plain(line):
            return msgspec.convert(made_printable(msgspec.json.decode(line)), kind)
        return msgspec.json.decode(line, type=kind)
    except _FAULTS as error:
        # The command line takes names in backquotes for parameters.
        raise ValueError(str(error).replace("`", "'")) from error


def _is_plain(line: bytes | str) -> bool:
    """Tell whether no text of a JSON line can have a control character."""
    if isinstance(line, str):
        line = line.encode(errors="surrogatepass")
    return line.isascii() and (b"\\" not in line or b"\\" not in line.replace(b'\\"', b""))


def made_printable(value: Any) -> Any:
    """Replace control characters in all texts of JSON values."""
    match value:
        case str():
            return printable(value)
        case list():
            return [made_printable(each) for each in value]
        case dict():
            return {printable(str(key)): made_printable(each) for key, each in value.items()}
        case _:
            return value


@dataclass(frozen=True, slots=True)
class RecordLines(Generic[R]):
    """A file of records of one kind, one a line; it need not be there.

    With ``printable_texts``, control characters in texts are replaced as they are read. ``needed``
    are keys that a line may lack, without which its unit is not finished. ``brief`` makes of a
    record what lists need of it, which is kept beside a large file.
    """

    path: Path
    kind: type[R]
    printable_texts: bool = False
    needed: tuple[str, ...] = ()
    brief: type[Any] | None = None

    def append(self, records: Iterable[R]) -> None:
        """Append records in one write; hold the directory's lock."""
        text = "".join(json_line(record) for record in records)
        with naming(self.path), self.path.open("ab") as lines:
            lines.write(text.encode())
            lines.flush()
            os.fsync(lines.fileno())

    def drop_torn_line(self) -> None:
        """Cut off what a killed writer left after the last whole line; hold the lock."""
        if self.is_torn():
            with self.path.open("r+b") as lines:
                lines.truncate(sum(len(line) for line in lines if line.endswith(b"\n")))

    def is_torn(self) -> bool:
        """Tell whether something follows the last whole line."""
        if not self.path.exists() or not self.path.stat().st_size:
            return False
        with self.path.open("rb") as lines:
            lines.seek(-1, os.SEEK_END)
            return lines.read() != b"\n"

    def read(self, damaged: Callable[[int, str], None] | None = None) -> Iterator[R]:
        """Yield the record of every whole line, in the order in which they were written.

        ``damaged`` is called with the number and the fault of every line that cannot be read;
        without it, such a line raises ``DamagedDataError``.
        """
        return (record for record, _, _ in self._read(damaged))

    def _read(
        self,
        damaged: Callable[[int, str], None] | None = None,
        start: int = 0,
        before: int = 0,
    ) -> Iterator[tuple[R, bytes, int]]:
        """Yield the record of every whole line, the line, and where in the file it ends.

        The lines before ``start``, so many as ``before``, are left out.
        """
        stop = start
        try:
            lines = self.path.open("rb")
        except FileNotFoundError:
            return
        with lines:
            lines.seek(start)
            for number, line in enumerate(lines, start=before + 1):
                if not line.endswith(b"\n"):
                    return
                stop += len(line)
                try:
                    record = decode(line, self.kind, printable_texts=self.printable_texts)
                except ValueError as error:
                    if damaged is None:
                        raise self.damaged_line(number, str(error)) from error
                    damaged(number, str(error))
                else:
                    yield record, line, stop

    def read_brief(self) -> Brief[Any] | None:
        """Read, complete and keep what lists need; ``None`` if the file is small or damaged."""
        kind = self.brief
        if kind is None or not self.path.exists():
            return None
        if self.path.stat().st_size < brief.LEAST_BYTES:
            return None
        path = self.path.with_name(BRIEF)
        found = brief.read_brief(path, self.path, kind)
        try:
            for record, line, _ in self._read(None, found.size, len(found)):
                found.add(line, record, kind.of(record), _is_plain(line))
        except (DamagedDataError, OSError):
            return None
        if self.printable_texts and not found.is_plain:
            return None
        if found.is_worth_writing:
            found.write(path)
        return found

    def by_unit(
        self,
        damaged: Callable[[int, str], None] | None = None,
        seen: Callable[[R], object] | None = None,
    ) -> UnitLines[R]:
        """Check every line, as ``read`` does, and show it to ``seen``; return the units.

        Of several lines of a range, the last counts.
        """
        kept = self.read_brief()
        if kept is not None:
            # What small runs do without: NumPy takes as long to import as a completion may take.
            from ccx_cli.records.line_places import LinePlaces

            if seen is not None:
                for record in kept.records(kept.kind):
                    seen(record)
            there = LinePlaces(kept.columns)
            return UnitLines(self, there, there.whole, kept.size, kept, there.numbers)
        found: dict[int, dict[int, _Line]] = {}
        size = 0
        of_unit: Any
        for of_unit, text, size in self._read(damaged):
            lacks = UNSET in [getattr(of_unit, key) for key in self.needed]
            cluster = NONE if of_unit.cluster is None else of_unit.cluster
            line = (cluster, size - len(text), size, of_unit.num_ranges, lacks)
            found.setdefault(of_unit.unit, {})[cluster] = line
            if seen is not None:
                seen(of_unit)
        places, whole = {}, set()
        for unit in sorted(found):
            own = sorted(found.pop(unit).values(), key=itemgetter(0))
            if len(own) >= max(1, own[0][3]) and not any(line[4] for line in own):
                whole.add(unit)
            spans: list[int] = []
            for _, start, end, *_ in own:
                if spans[-1:] == [start]:
                    spans[-1] = end
                else:
                    spans += [start, end]
            places[unit] = tuple(spans)
        return UnitLines(self, places, frozenset(whole), size)

    def finished(self) -> UnitLines[R]:
        """Return the units whose lines are all there.

        The records have a ``unit``, a ``cluster`` and its ``num_ranges``; a line that cannot be
        read raises ``DamagedDataError``, unless it is the torn last one.
        """
        units = self.by_unit()
        return units.only(units.whole)

    def step(self, name: str, units: Sequence[int]) -> Step:
        """Say how many of the units are finished."""
        finished = self.finished()
        done = sum(unit in finished for unit in units)
        size = None
        if finished:
            size = self.path.stat().st_size * (len(units) - done) // len(finished)
        return Step(name, self.path, "units", len(units), done, size)

    def damaged_line(self, number: int, fault: str) -> DamagedDataError:
        """Return the error that names a line that cannot be read."""
        return DamagedDataError(
            f"{self.path}, line {number} is damaged ({printable(fault)}): delete that line and "
            "run the command again, which computes its unit again."
        )


_Line = tuple[int, int, int, int, bool]
"""A line's cluster, where it begins and ends, its unit's ranges, and whether it lacks a key."""


class UnitLines(Mapping[int, list[R]]):
    """The records of units, ascending, each unit's in cluster order, read whenever asked for.

    So that units are many, only where their lines are is kept in memory; ``whole`` are the units
    whose lines are all there. The lines are those that were there first, whatever is added.
    """

    def __init__(
        self,
        lines: RecordLines[R],
        places: Mapping[int, tuple[int, ...]],
        whole: frozenset[int],
        size: int,
        brief: Brief[Any] | None = None,
        numbers: Callable[[int], Sequence[int]] | None = None,
    ) -> None:
        self.whole = whole
        self._brief, self._numbers = brief, numbers
        self._lines, self._places, self._size = lines, places, size
        self._file: int | None = None

    def __getitem__(self, unit: int) -> list[R]:
        places = self._places[unit]
        if self._file is None:
            self._file = os.open(self._lines.path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
        records, kind, printable_texts = [], self._lines.kind, self._lines.printable_texts
        try:
            for start, stop in zip(places[::2], places[1::2], strict=True):
                *lines, rest = os.pread(self._file, stop - start, start).split(b"\n")
                if rest or not lines:
                    raise ValueError("a part of a line")
                records += [decode(line, kind, printable_texts=printable_texts) for line in lines]
        except ValueError as error:
            raise DamagedDataError(
                f"{self._lines.path} was changed while it was read: run the command again."
            ) from error
        return records

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, unit: object) -> bool:
        return unit in self._places

    def is_of_all(self) -> bool:
        """Tell whether nothing was added to the file since it was read."""
        path = self._lines.path
        return (path.stat().st_size if path.exists() else 0) == self._size

    def only(self, units: Iterable[int]) -> UnitLines[R]:
        """Return some of the units."""
        wanted = set(units)
        if wanted.issuperset(self._places):
            return self
        places = {unit: self._places[unit] for unit in self._places if unit in wanted}
        return UnitLines(
            self._lines, places, self.whole & wanted, self._size, self._brief, self._numbers
        )

    def of_kind(self, kind: type[K]) -> Mapping[int, Sequence[K]]:
        """Return the same lines, of which only the keys of another kind of record are read."""
        brief = self._brief
        if brief is not None and brief.kind.LEFT_OUT.isdisjoint(kind.__struct_fields__):
            return self._in_brief(brief, kind)
        lines = RecordLines(self._lines.path, kind, self._lines.printable_texts)
        return UnitLines(lines, self._places, self.whole, self._size)

    def in_brief(self) -> Mapping[int, Sequence[Any]]:
        """Return what lists need of the records; all of them where that is not kept."""
        return self if self._brief is None else self._in_brief(self._brief, self._brief.kind)

    @cached_property
    def columns(self) -> tuple[Columns, list[int]] | None:
        """The columns of all explanations of a large file, and which rows are those of the units.

        Explanations are in their simplest form.
        """
        if self._brief is None:
            return None
        return self._brief.columns, self._rows()

    def _rows(self) -> list[int]:
        assert self._numbers is not None
        return list(chain.from_iterable(map(self._numbers, self._places)))

    def _in_brief(self, brief: Brief[Any], kind: type[K]) -> dict[int, list[K]]:
        assert self._numbers is not None
        records = brief.records(kind)
        return {unit: [records[n] for n in self._numbers(unit)] for unit in self._places}


def is_whole(records: Sequence[Any]) -> bool:
    """Tell whether all lines of a unit are there: one a range, or one without a range."""
    return len(records) >= max(1, int(records[0].num_ranges))
