"""Label PNGs: which label each pixel of a photograph carries, whatever codes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.importing.pictures import open_whole
from ccx_cli.errors import DamagedDataError

_LARGEST_CODE = 0xFFFFFF


class Coding(StrEnum):
    """How the pixels of a label PNG code a number."""

    VALUE = "value"
    """A palette's index, a grayscale value of any depth, or ``red + 256 * green``."""

    ADE20K = "ade20k"
    """``red // 10 * 256 + green``."""

    PANOPTIC = "panoptic"
    """``red + 256 * green + 65536 * blue``."""


_UNKNOWN = {
    Coding.VALUE: "holds the value {0}, which the names file does not have: add it there, or leave "
    "such pixels without a label with `void` {0}",
    Coding.ADE20K: "holds the name index {0}, which no photograph's JSON names: restore both from "
    "one release of ADE20K",
    Coding.PANOPTIC: "has a segment {0} that its JSON does not describe: both must come from one "
    "release",
}


@dataclass(frozen=True, slots=True)
class LabelPng:
    """One label PNG.

    Attributes
    ----------
    numbers
        Coded number to label number, 0 for none.
    """

    category: str
    file: Path
    numbers: Mapping[int, int]
    coding: Coding = Coding.VALUE

    def read(self) -> list[NDArray[np.uint16]]:
        """Return the label numbers of all pixels, ``(height, width)``."""
        coded = read_values(self.file) if self.coding is Coding.VALUE else self._read_colors()
        # 1 + the label number, 0 where the coded number is not known, as all above the largest are.
        codes = [code for code in self.numbers if 0 <= code <= _LARGEST_CODE]
        table = np.zeros(max(codes, default=-1) + 2, dtype=np.uint32)
        for code in codes:
            table[code] = self.numbers[code] + 1
        found = table[np.minimum(coded, len(table) - 1)]
        unknown = coded[found == 0]
        if unknown.size:
            raise DamagedDataError(f"{self.file} {_UNKNOWN[self.coding].format(unknown.min())}.")
        return [(found - 1).astype(np.uint16)]

    def _read_colors(self) -> NDArray[np.uint32]:
        picture = open_whole(self.file)
        if picture.mode not in {"RGB", "RGBA"}:
            raise DamagedDataError(
                f"{self.file} is a picture of mode {picture.mode} where it should be RGB: restore "
                "it."
            )
        channels = np.asarray(picture).astype(np.uint32)
        red, green, blue = channels[..., 0], channels[..., 1], channels[..., 2]
        if self.coding is Coding.ADE20K:
            return red // 10 * 256 + green
        return red + 256 * green + 65536 * blue


def read_values(path: Path) -> NDArray[np.uint32]:
    """Read the number that each pixel of an index PNG holds.

    Returns
    -------
    numpy.ndarray
        ``(height, width)``: the index of a palette, the value of a grayscale image of any depth, or
        ``red + 256 * green`` of an RGB one without blue.

    Raises
    ------
    MissingInputError
        If the file is not there.
    DamagedDataError
        If it cannot be read, or shows colors instead of numbers.
    """
    picture = open_whole(path)
    if picture.mode in {"RGB", "RGBA"}:
        channels = np.asarray(picture)
        if channels[..., 2].any():
            raise DamagedDataError(
                f"{path} shows colors where a label PNG holds numbers: save it as a palette or "
                "grayscale PNG whose values are those of the names file."
            )
        return channels[..., 0].astype(np.uint32) + 256 * channels[..., 1].astype(np.uint32)
    if picture.mode == "LA":
        picture = picture.getchannel(0)
    if picture.mode not in {"1", "L", "P"} and not picture.mode.startswith("I"):
        raise DamagedDataError(
            f"{path} is a picture of mode {picture.mode}, which holds no label numbers: save it as "
            "a palette or grayscale PNG."
        )
    return np.asarray(picture).astype(np.uint32)
