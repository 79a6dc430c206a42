"""Where datasets are: Broden in ``broden1_SIDE``, an import or the demo in ``NAME/broden1_SIDE``.

Imports of older versions are in ``broden1_SIDE`` as well. The command line completes with this
module, so it imports nothing heavy.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.fetching.sets import SETS
from ccx_cli.store.paths import IMPORT_MARKER, is_imported

DEMO_SUBSET = "demo"
"""The folder under ``images/`` that holds the demo's pictures, and the name of the subset."""

USUAL_SIDE = 224
BRODEN_SIDES = (224, 227)
NAME = re.compile(r"(?!broden1_)[^\W_][\w.+-]*", re.IGNORECASE)
"""What a dataset of its own can be called."""

_DIRECTORY = re.compile(r"broden1_([1-9]\d{0,4})", re.ASCII)


def own_directory(datasets: Path, name: str, side: int) -> Path:
    """Return where a dataset of its own belongs."""
    return datasets / name / f"broden1_{side}"


def side_of(directory: Path) -> int | None:
    """Return the side that the name of a directory says; ``None`` if it is no dataset's."""
    match = _DIRECTORY.fullmatch(directory.name)
    return int(match[1]) if match else None


def is_own(directory: Path, datasets: Path) -> bool:
    """Tell whether a dataset is one of its own, no part of Broden."""
    return directory.parent != datasets or is_imported(directory)


def read_marker(path: Path) -> dict[str, Any]:
    """Read what an import or the demo says of itself, empty where there is neither."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def own_names(datasets: Path) -> list[str]:
    """Return the names of the datasets of their own but the demo's, sorted."""
    found = {path.parent.name for path in datasets.glob("*/broden1_*") if side_of(path)}
    return sorted(name for name in found - {DEMO_SUBSET} if NAME.fullmatch(name))


def has_subset(directory: Path, subset: str) -> bool:
    """Tell whether a dataset has a folder or a list of images called ``subset``."""
    folder, listed = directory / "images" / subset, directory / f"index_{subset}.csv"
    # What is too long for a file's name is none.
    with suppress(OSError, ValueError):
        return bool(subset) and "/" not in subset and (folder.is_dir() or listed.is_file())
    return False


def find_datasets(datasets: Path, subset: str) -> dict[int, Path]:
    """Return the datasets that have a subset, by side, ascending.

    Those called so; else those with a folder or list of images called so; else all in Broden's
    place, as a part of their images' paths may be called so. The demo is found by name only.
    Raises ``UsageError`` if datasets of one side, or an import and Broden, have it.
    """
    flat = _sides_in(datasets)
    named = _sides_in(datasets / subset) if NAME.fullmatch(subset) else {}
    if subset == DEMO_SUBSET:
        return named
    having = {side: path for side, path in flat.items() if has_subset(path, subset)}
    if named:
        for path in having.values():
            if not is_imported(path):
                raise _ambiguous(subset, next(iter(named.values())), path)
        return dict(sorted({**having, **named}.items()))
    for name in own_names(datasets):
        for side, path in _sides_in(datasets / name).items():
            if has_subset(path, subset):
                if side in having:
                    raise _ambiguous(subset, having[side], path)
                having[side] = path
    return dict(sorted(having.items())) or flat


def find_dataset(
    datasets: Path, subset: str, side: int | None = None, parameter: str = "side"
) -> Path:
    """Return the directory of a dataset; without a side, of 224 pixels or the only one there is.

    Raises ``UsageError`` if there are several sides, none of them usual, or as ``find_datasets``
    does, ``MissingInputError`` if there is none, or only of other sides.
    """
    found = find_datasets(datasets, subset)
    if side is None and len(found) == 1:
        side = next(iter(found))
    wanted = side or USUAL_SIDE
    if wanted in found:
        return found[wanted]
    having = (path.parent.name == subset or has_subset(path, subset) for path in found.values())
    if subset in SETS and not any(having):
        raise MissingInputError(
            f"`subset` {subset} is not in {datasets}: get it with `ccx fetch {subset}`."
        )
    if not found:
        raise missing_dataset(datasets / f"broden1_{wanted}")
    there = " and ".join(map(str, found.values()))
    if side is None:
        raise UsageError(f"`subset` {subset} is in {there}: choose one with `{parameter}`.")
    sides = " or ".join(map(str, found))
    fetch = ""
    if side in BRODEN_SIDES and not any(is_own(path, datasets) for path in found.values()):
        fetch = f", or download Broden of that side with `ccx fetch broden{side}`"
    raise MissingInputError(
        f"`subset` {subset} has no dataset of side {side}, it is in {there}: give `{parameter}` "
        f"{sides}{fetch}."
    )


def missing_dataset(directory: Path) -> MissingInputError:
    """Return the error of a dataset that is not there, which says what is and how to get one."""
    side = side_of(directory)
    get = "make one with `ccx import`"
    if side in BRODEN_SIDES:
        get = f"download it with `ccx fetch broden{side}`"
    names = own_names(directory.parent)
    named = f"name one that is here with `subset` ({', '.join(names)}), " if names else ""
    return MissingInputError(
        f"There is no dataset in {directory}: {named}{get}, or try the built-in one with `ccx "
        "demo`."
    )


def check_free_name(datasets: Path, name: str, side: int) -> Path:
    """Return where an import goes: where an older version put it, else a folder of its own.

    Raises ``UsageError`` if the name is that of a subset that is there, or its folder is not ccx's.
    """
    for there, path in _sides_in(datasets).items():
        if read_marker(path / IMPORT_MARKER).get("subset") == name:
            if there == side:
                return path
        elif has_subset(path, name):
            raise UsageError(
                f"`subset` {name} names images of {path} already: choose another name, or import "
                "into another folder with `datasets`."
            )
    folder = datasets / name
    inside = sorted(folder.iterdir()) if folder.is_dir() else [folder] if folder.exists() else []
    for path in inside:
        if not path.name.startswith(".") and side_of(path) is None:
            raise UsageError(
                f"{path} is not ccx's, so {folder} cannot hold a dataset: choose another name with "
                "`subset`, or import into another folder with `datasets`."
            )
    return own_directory(datasets, name, side)


def _sides_in(folder: Path) -> dict[int, Path]:
    found = {}
    with suppress(OSError):
        found = {side: path for path in folder.glob("broden1_*") if (side := side_of(path))}
    return dict(sorted(found.items()))


def _ambiguous(subset: str, one: Path, other: Path) -> UsageError:
    return UsageError(
        f"`subset` {subset} is in {one} as well as in {other}: move one of them into a folder of "
        "its own, and choose it with `datasets`."
    )
