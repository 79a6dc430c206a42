"""Text files of a few columns between spaces, as labeled sets list their images in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError


def read_columns(path: Path, columns: int) -> Iterator[list[str]]:
    """Yield the first columns of each line; the last one of two has the rest of it, and spaces.

    Raises
    ------
    DamagedDataError
        If a line has fewer, or the file is no text.
    """
    try:
        with path.open(encoding="utf-8") as text:
            for number, line in enumerate(text, 1):
                row = line.split(maxsplit=1) if columns == 2 else line.split()[:columns]
                if row and len(row) < columns:
                    raise DamagedDataError(
                        f"{path}, line {number}: {line.strip()!r:.60} must have {columns} columns: "
                        "restore it."
                    )
                if row:
                    yield [cell.strip() for cell in row]
    except OSError as error:
        raise MissingInputError(f"{path} is missing: restore it.") from error
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not text: restore it.") from error
