"""JSON Lines by unit: appended, flushed and read back however the writer ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError

Record = dict[str, Any]


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

    def append(self, records: Iterable[Record]) -> None:
        """Append one unit's lines in one write; hold the directory's lock."""
        text = "".join(json_line(record) for record in records)
        with self.path.open("ab") as lines:
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
                record = json.loads(line)
                if not isinstance(record["unit"], int) or not isinstance(record["num_ranges"], int):
                    raise TypeError("unit and num_ranges are whole numbers")
                hash(record["cluster"])
            except (ValueError, KeyError, TypeError) as error:
                raise DamagedDataError(
                    f"{self.path}, line {number} is damaged: delete that line and run the command "
                    "again, which does its unit anew."
                ) from error
            yield record


def json_line(record: Record) -> str:
    """Write a record as one line of JSON."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
