"""Names of a classifier's classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.torchvision_models import DEMO, DEMO_CLASSES

PLACES_FILE = "categories_places365.txt"


def class_names(choice: NetworkDescription, given: Path | None) -> tuple[str, ...] | None:
    """Return the names of the classes by number, ``None`` where nothing says them.

    Those of Places365 are read from ``categories_places365.txt`` beside the weights, if it is
    there. The file that is ``given`` has a name a line, in the order of the classes; a number after
    it and Places365's folder before it are left out (``/a/airfield 0``).
    """
    if given is not None:
        return _read(given)
    if choice.pretrained == DEMO:
        return DEMO_CLASSES
    if choice.library is not None and choice.pretrained != "none":
        return choice.library.class_names(choice.model, choice.revision)
    if choice.pretrained == "imagenet":
        from torchvision.models import ResNet18_Weights  # slow to import

        return tuple(ResNet18_Weights.DEFAULT.meta["categories"])
    if choice.pretrained == "places365" and choice.weights is not None:
        beside = choice.weights.parent / PLACES_FILE
        if beside.exists():
            return _read(beside)
    return None


def class_name(number: int, names: Sequence[str]) -> str | int:
    """Return a class's name, or its number where that is not known."""
    return names[number] if number < len(names) else number


def plain_name(name: str) -> str:
    """Return a name as all share it: ``attic`` of Broden's ``attic-s`` and Places' ``/a/attic``."""
    return re.sub(r"[\s/_-]+", " ", name.lower().removesuffix("-s")).strip()


def _read(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise MissingInputError(
            f"There are no class names at {path}: check `class_names`."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedDataError(
            f"{path} cannot be read as text: `class_names` takes a name a line."
        ) from error
    names = (re.sub(r"^/\w/|\s+\d+$", "", line.strip()) for line in lines)
    return tuple(name for name in names if name)
