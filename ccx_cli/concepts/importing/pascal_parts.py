"""PASCAL-Part: a MAT file for each photograph of VOC 2010, with masks of objects and their parts.

``anno.objects`` has for each object its ``class``, its ``mask`` (0 and 1, of the photograph's size)
and ``parts``, each with a ``part_name`` and a ``mask`` (as NetDissect's ``src/pascalseg.py``
notes).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import DamagedDataError, MissingInputError

_PLAIN = (
    "arm beak body cap coach door ear engine eye foot hair hand handlebar head headlight horn leg "
    "mirror mouth muzzle neck nose plant pot saddle screen stern tail torso wheel window wing"
)
PARTS = {
    **dict.fromkeys(("uarm", "larm"), "arm"),
    **dict.fromkeys(("uleg", "lleg"), "leg"),
    **{f"{of}{side}side": f"{side} side" for of in ("", "h", "c") for side in ("front", "back")},
    **{f"{of}{side}side": "side" for of in ("", "h", "c") for side in ("left", "right")},
    **{f"{of}roofside": "roof" for of in ("", "h", "c")},
    **{"chainwheel": "chain wheel", "ebrow": "eyebrow", "ho": "hoof", "pa": "paw"},
    "liplate": "license plate",
    **{name: name for name in _PLAIN.split()},
}
"""What the names of parts mean without their places, such as ``lf`` for left front, and numbers.

The comments of the dataset's ``part2ind.m`` say it. In Broden, left, right, front and back parts
are one concept as well.
"""

_PLACED = re.compile(
    rf"(?:left|right|[lr]?[fb]?)(?P<part>{'|'.join(sorted(PARTS, key=len, reverse=True))})(?:_\d+)?"
)
_UNREADABLE = (
    *(zlib.error, OSError, EOFError, NotImplementedError),
    *(ValueError, TypeError, KeyError, IndexError),
)


def part_meaning(name: str) -> str:
    """Return what the name of a part means: ``lfuleg`` a leg, ``wheel_2`` a wheel."""
    match = _PLACED.fullmatch(name)
    return PARTS[match["part"]] if match else name


@dataclass(frozen=True, slots=True)
class PartMasks:
    """The objects of one photograph, or their parts: ``numbers`` are label numbers by name."""

    category: str
    file: Path
    numbers: Mapping[str, int]
    of_parts: bool

    def read(self) -> list[NDArray[np.uint16]]:
        """Read the labels, a map a concept, since masks overlap; the smallest first."""
        from scipy.io import loadmat  # slow to import
        from scipy.io.matlab import MatReadError

        masks: dict[int, NDArray[np.bool_]] = {}
        try:
            anno = loadmat(self.file, variable_names=["anno"])["anno"][0, 0]
            for name, mask in self._masks(anno["objects"].ravel()):
                number = self.numbers.get(part_meaning(name) if self.of_parts else name)
                if number is None:
                    raise DamagedDataError(
                        f"{self.file} names the {self.category} {name!r}, which PASCAL-Part does "
                        "not have: restore it."
                    )
                masks[number] = masks[number] | mask if number in masks else mask
        except FileNotFoundError as error:
            raise MissingInputError(f"{self.file} is missing: restore it.") from error
        except (MatReadError, *_UNREADABLE) as error:
            raise DamagedDataError(
                f"{self.file} is not an annotation of PASCAL-Part ({error}): restore it."
            ) from error
        ordered = sorted(masks.items(), key=lambda each: (int(each[1].sum()), each[0]))
        return [mask.astype(np.uint16) * np.uint16(number) for number, mask in ordered]

    def _masks(self, objects: Iterable[np.void]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        for each in objects:
            if not self.of_parts:
                yield str(each["class"].item()), each["mask"] != 0
            for part in each["parts"].ravel() if self.of_parts else ():
                yield str(part["part_name"].item()), part["mask"] != 0
