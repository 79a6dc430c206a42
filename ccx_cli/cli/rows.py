"""Records as the rows of one table, which ``pandas.read_csv`` and its like read as they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from ccx_cli.records.fields import Json
from ccx_cli.records.flat import Cell, flat

Rows = tuple[list[str], list[list[Cell]]]


STATISTICS = "statistics"


def by_kind(records: Sequence[Json]) -> Callable[[Json], str]:
    """Return what tells the main kind, ``""``, from others: that of the first record is the main.

    Statistics of the others are a kind of their own.
    """
    main = records[0].get("kind") if records else None

    def kind_of(record: Json) -> str:
        kind = record.get("kind")
        if kind == main:
            return STATISTICS if record.get("statistic") else ""
        return file_kind(str(kind))

    return kind_of


def file_kind(kind: str) -> str:
    """Return what names of files call a kind."""
    return kind.replace(" ", "-")


def flat_rows(records: Sequence[Json], keys: Sequence[str] = ()) -> Rows:
    """Return the names of columns, and the rows; without any, the names are those of ``keys``."""
    rows = [flat(record) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names or list(flat(dict.fromkeys(keys))), [
        [row.get(name) for name in names] for row in rows
    ]


def csv_text(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Write rows as CSV, truth as ``true`` and ``false``, nothing as an empty cell."""
    lines = []
    for row in (names, *rows):
        text = io.StringIO()
        # With these line ends csv quotes a cell that holds any line end.
        csv.writer(text, lineterminator="\r\n").writerow(
            [str(cell).lower() if isinstance(cell, bool) else cell for cell in row]
        )
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)
