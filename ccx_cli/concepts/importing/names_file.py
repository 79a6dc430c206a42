"""Names files: which concept each value of an index PNG is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ccx_cli.concepts.broden_csv import LARGEST_LABEL
from ccx_cli.errors import DamagedDataError, MissingInputError

NOTHING = {
    "background",
    "__background__",
    "none",
    "nothing",
    "other",
    "unknown",
    "unlabeled",
    "unlabelled",
    "void",
    "ignore",
}
_NUMBERED = re.compile(r"(\d+)(?:\s*[,;:\t]\s*|\s+)(\S.*)")


def read_names(path: Path, first: int | None = None) -> tuple[dict[int, str], str]:
    """Read the names of the values of index PNGs.

    There are three forms: lines of a number and a name (``3 car``, ``3,car``, ``3: car``);
    lines with a name only, numbered from ``first``; and a JSON object of numbers and names, or a
    JSON list of names. Blank lines and those that begin with ``#`` are skipped.

    Parameters
    ----------
    path
        UTF-8 text.
    first
        Value of the first name where names are not numbered: by default 0 if the first one means
        nothing (background, void, ...), else 1.

    Returns
    -------
    names
        Value to name; values that mean nothing have an empty name.
    counted
        A sentence about how they were numbered, or ``""`` where the file says it.

    Raises
    ------
    MissingInputError
        If the file is not there.
    DamagedDataError
        If it has no names, or one that cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MissingInputError(f"The names file {path} cannot be read: give another.") from error
    except UnicodeDecodeError as error:
        raise DamagedDataError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    pairs, names = (
        _parse_json(path, text) if text.lstrip().startswith(("{", "[")) else _parse_lines(text)
    )
    if pairs and names:
        raise DamagedDataError(
            f"{path} has lines with a number and lines without, such as {names[0]!r}: number all "
            "of them, or none."
        )
    counted = ""
    if names:
        start = first if first is not None else int(names[0].casefold() not in NOTHING)
        pairs = list(enumerate(names, start=start))
        if first is None:
            counted = (
                f"The names in {path} are numbered from {start} ({names[0]} is {start}): "
                "`first` changes that."
            )
    if not pairs:
        raise DamagedDataError(f"{path} contains no names: write one per line, such as `1 car`.")
    found: dict[int, str] = {}
    for value, name in pairs:
        if value in found or value > LARGEST_LABEL:
            raise DamagedDataError(
                f"{path} names the value {value} twice, or it is above {LARGEST_LABEL}: correct it."
            )
        found[value] = "" if name.casefold() in NOTHING else name
    return found, counted


def _parse_lines(text: str) -> tuple[list[tuple[int, str]], list[str]]:
    pairs: list[tuple[int, str]] = []
    names: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        numbered = _NUMBERED.fullmatch(line)
        if numbered:
            pairs.append((int(numbered[1]), numbered[2].strip().strip('"')))
        else:
            names.append(line)
    return pairs, names


def _parse_json(path: Path, text: str) -> tuple[list[tuple[int, str]], list[str]]:
    try:
        content = json.loads(text)
        if isinstance(content, list):
            return [], [_text(name) for name in content]
        return [(_natural(value), _text(name)) for value, name in content.items()], []
    except ValueError as error:
        raise DamagedDataError(
            f"{path} is not a JSON object of numbers and names ({error}): correct it."
        ) from error


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise ValueError(f"{json.dumps(name)} is not a name")
    return name


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"{text!r} is not a number")
    return int(text[:10])
