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
class Row:
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
                f"{column} must be a whole number from {low} to {high}, not {shown(text)}"
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
            raise self.damaged(f"coverage must be a number from 0, not {shown(text)}")
        return value

    def damaged(self, fault: str) -> DamagedDataError:
        """Return the error that names this line of the file and what is wrong with it."""
        return damaged_line(self.path, self.line, fault)


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV: the index of each column, and its rows."""

    path: Path
    columns: dict[str, int]
    rows: list[Row]

    def lacks(self, what: str) -> DamagedDataError:
        """Return the error of a table without the rows that it must have."""
        return damaged_line(self.path, 2, f"{what} must follow the header")


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
        raise damaged_line(path, line, "the text must be UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        fault = f"the line must be comma-separated ({error})"
        raise damaged_line(path, reader.line_num, fault) from error
    if not lines:
        raise damaged_line(path, 1, f"the file is empty: {repair_hint(path.parent)}")
    first_line, header = lines[0]
    columns: dict[str, int] = {}
    for index, column in enumerate(map(str.strip, header)):
        if column and column in columns:
            raise damaged_line(path, first_line, f"two columns are named {column!r}")
        columns[column] = index
    for column in required:
        if column not in columns:
            fault = f"the column {column} is missing of {', '.join(required)}"
            raise damaged_line(path, first_line, fault)
    rows = [Row(path, line, columns, cells) for line, cells in lines[1:]]
    for row in rows:
        # More cells than columns mean a comma outside quotes, which moves the cells after it.
        n_cells = len(row.cells)
        if n_cells != len(header) and (n_cells < len(header) or any(row.cells[len(header) :])):
            raise row.damaged(f"{n_cells} cells under {len(header)} columns")
    return Table(path, columns, rows)


def damaged_line(path: Path, line: int, fault: str) -> DamagedDataError:
    """Return the error that names a line of a file and what is wrong with it."""
    return DamagedDataError(f"{path}, line {line}: {fault}.")


def shown(text: str) -> str:
    """Return a cell in quotes, its beginning if it is long."""
    return repr(text if len(text) <= 60 else f"{text[:59]}\N{HORIZONTAL ELLIPSIS}")


def repair_hint(directory: Path) -> str:
    """Return how to repair a file of the dataset in ``directory``, such as ``broden1_224``."""
    name = directory.name.replace("1_", "")
    return f"restore it, or download the dataset again with `ccx fetch {name}`"
