"""What the pictures of an import are called, so that Broden's layout can hold the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ccx_cli.errors import UsageError

_SUBSET = re.compile(r"[^\W_][\w.+-]*")
# A semicolon parts layers in the index, a backslash folders elsewhere.
_UNFIT = re.compile(r"[;\\\x00-\x1f\x7f]")
_CATEGORY = re.compile(r"[^\W_][\w-]*")
_COLUMNS = {"image", "split", "ih", "iw", "sh", "sw"}
_RESERVED = {"all", "demo"}


def check_subset(name: str) -> str:
    """Return a name that can be a folder, and that ``--subset`` can choose.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if not _SUBSET.fullmatch(name) or name in _RESERVED:
        raise UsageError(
            f"--subset {name!r} cannot be the name of a data set: take letters, digits, _, . and "
            f"-, and not {' or '.join(sorted(_RESERVED))}."
        )
    return name


def check_category(name: str) -> str:
    """Return a name that can be a column of the index and part of a file's name.

    Raises
    ------
    UsageError
        If it cannot.
    """
    if not _CATEGORY.fullmatch(name) or name in _COLUMNS:
        raise UsageError(
            f"{name!r} cannot be the name of a category: take letters, digits and -, such as "
            "object, part, material, scene or texture."
        )
    return name


def subset_of(folder: Path) -> str:
    """Make the name of a data set of the name of a folder."""
    name = re.sub(r"[^\w.+-]+", "-", folder.absolute().name).strip("-._+")
    return f"{name}-images" if name in _RESERVED else name or "images"


def name_images(names: Sequence[str], subset: str, categories: Sequence[str]) -> list[str]:
    """Name each picture, without a suffix, so that no two files of a data set are called the same.

    Parameters
    ----------
    names
        In the source, with ``/``; they are kept where they can be.
    subset
        The folder they are put in.
    categories
        Whose label PNGs lie beside the pictures.
    """
    label_map = re.compile(rf"(.+)_(?:{'|'.join(map(re.escape, categories))})(?:_\d+)?")
    fitting = [_fit(name) for name in names]
    bases = set(fitting)
    taken: set[str] = set()
    stems = []
    for name in fitting:
        match = label_map.fullmatch(name)
        free = name if match is None or match[1] not in bases else f"{name}-image"
        count = 1
        while free in taken:
            count += 1
            free = f"{name}-{count}"
        taken.add(free)
        stems.append(f"{subset}/{free}")
    return stems


def _fit(name: str) -> str:
    text = name.encode("utf-8", "replace").decode()
    parts = (_UNFIT.sub("_", part).strip() for part in text.split("/"))
    return "/".join(part if part not in {"", ".", ".."} else "_" for part in parts)
