"""Records as the rows of one table, which ``pandas.read_csv`` and its like read as they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ccx_cli.records.fields import Json
from ccx_cli.records.flat import Cell, flat

Rows = tuple[list[str], list[list[Cell]]]


STATISTICS = "statistics"


def statistics(record: Json) -> str:
    """Name the kind of records that are statistics of the others."""
    return STATISTICS if record.get("statistic") else ""


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
