"""Which files of a dataset are ccx's own: what its tables, or the list of a download, name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ccx_cli.fetching.unpacking import LISTING, read_listing
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import DEMO_MARKER, IMPORT_MARKER

_TABLES = ("index.csv", "label.csv", "category.csv")
_MARKERS = (IMPORT_MARKER, DEMO_MARKER)
_BEFORE_CATEGORIES = 6
"""Columns of ``index.csv``: the image, its split, and four sizes."""


def dataset_files(directory: Path) -> list[Path]:
    """Return the files of a dataset that ccx made or downloaded; none if it did neither.

    Of an import and the demo they are the tables and what ``index.csv`` names, of a download what
    still has the SHA-256 that it had. What says so comes last.
    """
    if any((directory / marker).is_file() for marker in _MARKERS):
        with suppress(OSError, ValueError, StopIteration, csv.Error):
            return list(_written(directory))
    with suppress(OSError, ValueError):
        listed = read_listing(directory)
        return [
            *(
                directory / each.name
                for each in listed
                if (directory / each.name).is_file()
                and file_digest(directory / each.name) == each.sha256
            ),
            directory / LISTING,
        ]
    return []


def _written(directory: Path) -> Iterator[Path]:
    with (directory / _TABLES[0]).open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        categories = next(rows)[_BEFORE_CATEGORIES:]
        for row in rows:
            yield directory / "images" / row[0]
            cells = (cell for cells in row[_BEFORE_CATEGORIES:] for cell in cells.split(";"))
            yield from (directory / "images" / cell for cell in cells if cell.endswith(".png"))
    for name in (*(f"c_{category}.csv" for category in categories), *_TABLES, *_MARKERS):
        if (directory / name).exists():
            yield directory / name
