"""Reads the CSVs of a dataset, and names file and line where one is damaged."""

from __future__ import annotations

import codecs
import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV: where each column is, and its rows with the lines they end on."""

    path: Path
    columns: dict[str, int]
    rows: list[tuple[int, list[str]]]

    def damaged(self, line: int, fault: str) -> DamagedDataError:
        """Return the error that names this line of the file and what is wrong with it."""
        return DamagedDataError(f"{self.path}, line {line}: {fault}.")

    def integer(
        self, line: int, cells: list[str], column: str, low: int = 0, high: int | None = None
    ) -> int:
        """Return a cell as a whole number of ``low`` to ``high``, else raise."""
        text = cells[self.columns[column]].strip()
        value = int(text[:4000]) if text.isascii() and text.isdecimal() else -1
        if value < low or (high is not None and value > high):
            reach = f"from {low}" if high is None else f"from {low} to {high}"
            raise self.damaged(line, f"{column} must be a whole number {reach}, not {shown(text)}")
        return value

    def coverage(self, line: int, cells: list[str]) -> float:
        """Return the cell under ``coverage`` as a number from 0, else raise."""
        text = cells[self.columns["coverage"]].strip()
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise self.damaged(line, f"coverage must be a number from 0, not {shown(text)}")
        return value


def read_table(path: Path, required: tuple[str, ...]) -> Table:
    """Read a CSV of a dataset whole.

    Parameters
    ----------
    path : Path
        UTF-8 text, a byte order mark is ignored.
    required : tuple of str
        Columns that must be there, in any order and among any others.

    Returns
    -------
    Table
        All rows but blank ones.

    Raises
    ------
    MissingInputError
        If the file is not there.
    DamagedDataError
        If it is empty, not UTF-8 or not comma-separated, if a required column is missing, or a row
        is shorter than the header.
    """
    try:
        data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        fault = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise MissingInputError(f"{path} {fault}: {repair_hint(path.parent)}.") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = len(data[: error.start + 1].splitlines())
        raise DamagedDataError(f"{path}, line {line}: the text must be UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise DamagedDataError(
            f"{path}, line {reader.line_num}: the line must be comma-separated ({error})."
        ) from error
    if not lines:
        raise DamagedDataError(f"{path}, line 1: the file is empty: {repair_hint(path.parent)}.")
    first_line, header = lines[0]
    columns: dict[str, int] = {}
    for position, column in enumerate(map(str.strip, header)):
        if column and column in columns:
            raise DamagedDataError(f"{path}, line {first_line}: two columns are named {column!r}.")
        columns[column] = position
    table = Table(path, columns, lines[1:])
    for column in required:
        if column not in columns:
            raise table.damaged(
                first_line, f"the column {column} is missing of {', '.join(required)}"
            )
    for line, cells in table.rows:
        # More cells than columns mean a comma outside quotes, which moves the cells after it.
        if len(cells) != len(header) and (len(cells) < len(header) or any(cells[len(header) :])):
            raise table.damaged(line, f"{len(cells)} cells under {len(header)} columns")
    return table


def shown(text: str) -> str:
    """Return a cell in quotes, its beginning if it is long."""
    return repr(text if len(text) <= 60 else f"{text[:59]}\N{HORIZONTAL ELLIPSIS}")


def repair_hint(directory: Path) -> str:
    """Return how to repair a file of the dataset in ``directory``, such as ``broden1_224``."""
    name = directory.name.replace("1_", "")
    return f"restore it, or download the dataset again with `ccx fetch {name}`"
