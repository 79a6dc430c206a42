"""Reads text that others wrote: as it is, in columns, or as JSON; faults are said with a fix."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ccx_cli.errors import DamagedDataError, MissingInputError

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonError(ValueError):
    """What is wrong with a JSON file and what to do, to follow its name in a sentence."""


def read_text(path: Path, what: str) -> str:
    """Return the text of a file called ``what``: UTF-8, or UTF-16 with a byte order mark."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF16_MARKS) else "utf-8-sig")
    except OSError as error:
        raise MissingInputError(f"The {what} {path} cannot be read: give another.") from error
    except UnicodeDecodeError as error:
        raise DamagedDataError(
            f"{path} is not UTF-8 text at byte {error.start + 1}: save it as UTF-8."
        ) from error
    if "\0" in text:
        raise DamagedDataError(
            f"{path} has NUL characters, as UTF-16 without a byte order mark has: save it as UTF-8."
        )
    return text


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


def parse_json(data: str | bytes) -> Any:
    """Parse JSON of any of its encodings, in which no object has a key twice."""
    if data[:2] in {b"\x1f\x8b", b"PK"}:
        raise JsonError("is compressed: unpack it")
    try:
        return json.loads(data, object_pairs_hook=_each_key_once)
    except JsonError:
        raise
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"is not JSON from {where} on: correct or restore it") from error
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 text at byte {error.start + 1}: save it as UTF-8") from error
    except RecursionError as error:
        raise JsonError("is nested too deeply: correct or restore it") from error
    except ValueError as error:
        # The only other fault: more digits than Python reads.
        raise JsonError("has a number of thousands of digits: correct it") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f'has the key "{twice}" twice in one object: correct it')
    return found
