"""Files that the application writes when it is asked to: never over one that is there."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any


def write_table(directory: Path, name: str, rows: list[dict[str, Any]], form: str) -> Path:
    """Write rows of the same keys and return the file.

    Parameters
    ----------
    directory
        Where to.
    name
        Of the file, without its ending; a number is added if it is taken.
    rows
        At least one.
    form
        ``csv`` or ``json``.
    """
    with _new_file(directory, name, form) as file:
        if form == "json":
            json.dump(rows, file, ensure_ascii=False, indent=1)
            file.write("\n")
        else:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
        return Path(file.name)


def write_picture(directory: Path, name: str, svg: str) -> Path:
    """Write a drawing of the screen and return the file."""
    with _new_file(directory, name, "svg") as file:
        file.write(svg)
        return Path(file.name)


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _new_file(directory: Path, name: str, ending: str) -> IO[str]:
    for free in _names(re.sub(r"[^\w.-]+", "-", name)):
        try:
            return (directory / f"{free}.{ending}").open("x", encoding="utf-8", newline="")
        except FileExistsError:
            continue
    raise AssertionError("names never end")


def _names(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1
