"""Reads text files that people write."""

from __future__ import annotations

import codecs
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


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
