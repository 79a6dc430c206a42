"""JSON Lines by unit: appended, flushed and read back however the writer ended."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError
from ccx_cli.printable import escaped
from ccx_cli.store.atomic import naming
from ccx_cli.store.steps import Step

Record = dict[str, Any]

_COUNTS = ("hits", "length")


@dataclass(frozen=True, slots=True)
class UnitLines:
    """A file with the lines of units: each has ``unit``, ``cluster`` and ``num_ranges``.

    Attributes
    ----------
    path
        The file; it need not be there.
    """

    path: Path

    def finished(self) -> dict[int, list[Record]]:
        """Read the units whose lines are all there, by unit, each in cluster order.

        Raises
        ------
        DamagedDataError
            If a line that is not the torn last one cannot be read.
        """
        by_unit: dict[int, dict[int | None, Record]] = {}
        for record in self.all_lines():
            by_unit.setdefault(record["unit"], {})[record["cluster"]] = record
        return {
            unit: sorted(records.values(), key=lambda record: record["cluster"] or 0)
            for unit, records in sorted(by_unit.items())
            if len(records) == max(1, next(iter(records.values()))["num_ranges"])
        }

    def step(self, name: str, units: Sequence[int]) -> Step:
        """Say how many of the units are finished."""
        finished = self.finished()
        done = sum(unit in finished for unit in units)
        size = None
        if finished:
            size = self.path.stat().st_size * (len(units) - done) // len(finished)
        return Step(name, self.path, "units", len(units), done, size)

    def append(self, records: Iterable[Record]) -> None:
        """Append one unit's lines in one write; hold the directory's lock."""
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

    def all_lines(self) -> Iterator[Record]:
        """Yield every whole line, in the order in which they were written.

        Raises
        ------
        DamagedDataError
            If one cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                record = _checked(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise DamagedDataError(
                    f"{self.path}, line {number} is damaged: delete that line and run the command "
                    "again, which does its unit anew."
                ) from error
            yield record


def json_line(record: Record) -> str:
    """Write a record as one line of JSON."""
    return escaped(json.dumps(record, ensure_ascii=False, allow_nan=False)) + "\n"


def _checked(record: Any) -> Record:
    """Return what a line holds if its keys that every reader relies on are of their types."""
    counts = [record["unit"], record["num_ranges"], *(record.get(key, 0) for key in _COUNTS)]
    if record["cluster"] is not None:
        counts.append(record["cluster"])
    if any(type(count) is not int or count < 0 for count in counts):
        raise TypeError("units, clusters and numbers of pixels are whole numbers")
    ends = record.get("range")
    if ends is not None:
        lower, upper = ends
        if not all(end is None or _is_number(end) for end in (lower, upper)):
            raise TypeError("a range has two ends")
    if not (record.get("iou") is None or _is_number(record["iou"])):
        raise TypeError("iou is a number")
    if not isinstance(record.get("formula"), str | None):
        raise TypeError("a formula is text")
    return dict(record)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
