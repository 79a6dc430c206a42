"""JSON Lines of records: appended, flushed and read back however the writer ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import UNSET

from ccx_cli.errors import DamagedDataError
from ccx_cli.printable import escaped, printable
from ccx_cli.records.fields import Record, to_json
from ccx_cli.store.atomic import naming
from ccx_cli.store.steps import Step

R = TypeVar("R", bound=Record)
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
        if printable_texts:
            return msgspec.convert(made_printable(msgspec.json.decode(line)), kind)
        return msgspec.json.decode(line, type=kind)
    except _FAULTS as error:
        # The command line takes names in backquotes for parameters.
        raise ValueError(str(error).replace("`", "'")) from error


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
    are keys that a line may lack, without which its unit is not finished.
    """

    path: Path
    kind: type[R]
    printable_texts: bool = False
    needed: tuple[str, ...] = ()

    def append(self, records: Iterable[R]) -> None:
        """Append records in one write; hold the directory's lock."""
        text = "".join(json_line(record) for record in records)
        with naming(self.path), self.path.open("ab") as lines:
            lines.write(text.encode())
            lines.flush()
            os.fsync(lines.fileno())

    def drop_torn_line(self) -> None:
        """Cut off what a killed writer left after the last whole line; hold the lock."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self.path.open("r+b") as lines:
                lines.truncate(whole)

    def is_torn(self) -> bool:
        """Tell whether something follows the last whole line."""
        content = self.path.read_bytes() if self.path.exists() else b""
        return bool(content) and not content.endswith(b"\n")

    def read(self, damaged: Callable[[int, str], None] | None = None) -> Iterator[R]:
        """Yield the record of every whole line, in the order in which they were written.

        ``damaged`` is called with the number and the fault of every line that cannot be read;
        without it, such a line raises ``DamagedDataError``.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                record = decode(line, self.kind, printable_texts=self.printable_texts)
            except ValueError as error:
                if damaged is None:
                    raise self.damaged_line(number, str(error)) from error
                damaged(number, str(error))
            else:
                yield record

    def finished(self) -> dict[int, list[R]]:
        """Read the units whose lines are all there, by unit, each in cluster order.

        The records have a ``unit``, a ``cluster`` and its ``num_ranges``; a line that cannot be
        read raises ``DamagedDataError``, unless it is the torn last one.
        """
        return {
            unit: records
            for unit, records in by_unit(self.read()).items()
            if is_whole(records)
            and not any(getattr(each, key) is UNSET for each in records for key in self.needed)
        }

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


def by_unit(records: Iterable[R]) -> dict[int, list[R]]:
    """Gather records by unit, ascending, each unit's in cluster order; the last of each counts."""
    found: dict[int, dict[int | None, Any]] = {}
    for record in records:
        of_unit: Any = record
        found.setdefault(of_unit.unit, {})[of_unit.cluster] = record
    return {unit: sorted(some.values(), key=_cluster) for unit, some in sorted(found.items())}


def _cluster(record: Any) -> int:
    return record.cluster or 0


def is_whole(records: Sequence[Any]) -> bool:
    """Tell whether all lines of a unit are there: one a range, or one without a range."""
    return len(records) >= max(1, int(records[0].num_ranges))
