"""The regions of COCO's instances: polygons, and run lengths plain or compressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import DamagedDataError

_FIRST = 48
_MORE = 0x20
_NEGATIVE = 0x10

Region = tuple[NDArray[np.float64], ...] | tuple[int, ...] | str
"""Polygons ``(n_points, 2)``, run lengths, or run lengths as a packed string."""


@dataclass(frozen=True, slots=True, eq=False)
class InstanceRegions:
    """The regions of one photograph of (height, width) ``shape``, as the JSON ``file`` has them.

    Each has its label number and its annotation's ``id``.
    """

    category: str
    file: Path
    shape: tuple[int, int]
    regions: tuple[tuple[int, object, Region], ...]

    def read(self) -> list[NDArray[np.uint16]]:
        """Read the labels, a map a concept, since instances overlap; the smallest first."""
        masks: dict[int, NDArray[np.bool_]] = {}
        for number, annotation, region in self.regions:
            try:
                mask = _fill(region, *self.shape)
            except ValueError as error:
                raise DamagedDataError(
                    f"{self.file} has a damaged region in annotation {annotation} ({error}): "
                    "restore it, or remove the annotation."
                ) from error
            masks[number] = masks[number] | mask if number in masks else mask
        ordered = sorted(masks.items(), key=lambda each: (int(each[1].sum()), each[0]))
        return [mask.astype(np.uint16) * np.uint16(number) for number, mask in ordered]


def parse_region(segmentation: Any) -> Region:
    """Return the region that the JSON's ``segmentation`` describes."""
    if isinstance(segmentation, list):
        polygons = (np.asarray(each, dtype=np.float64) for each in segmentation)
        # Some have two points, or an odd number of coordinates: they enclose nothing.
        return tuple(
            each.reshape(-1, 2) for each in polygons if len(each) >= 6 and not len(each) % 2
        )
    counts = segmentation["counts"]
    return counts if isinstance(counts, str) else tuple(map(int, counts))


def _fill(region: Region, height: int, width: int) -> NDArray[np.bool_]:
    if isinstance(region, str):
        return fill_runs(unpack_counts(region), height, width)
    if region and isinstance(region[0], int):
        return fill_runs([int(run) for run in region], height, width)
    mask = np.zeros((height, width), dtype=np.bool_)
    for points in region:
        if not np.isfinite(points).all():
            raise ValueError("a coordinate of a polygon is not a finite number")
        mask |= fill_polygon(np.asarray(points), height, width)
    return mask


def unpack_counts(text: str) -> list[int]:
    """Unpack the run lengths that COCO keeps as a string.

    Each character holds, less 48, five bits of a number, the lowest first, and a sixth that says
    whether more follow; the last five bits carry the sign. From the fourth number on, a number is
    the difference to the one two before it.
    """
    counts: list[int] = []
    value = shift = 0
    for code in text.encode("utf-8"):
        bits = code - _FIRST
        if not 0 <= bits < 64:
            raise ValueError(f"the packed run lengths hold the character {chr(code)!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _NEGATIVE:
            value -= 1 << shift
        if len(counts) > 2:
            value += counts[-2]
        counts.append(value)
        value = shift = 0
    if shift:
        raise ValueError("the packed run lengths end amid a number")
    return counts


def fill_runs(counts: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Lay run lengths out as a ``(height, width)`` mask.

    They count the pixels outside, inside, outside ... in turn, down the columns from the left.
    """
    runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"the run lengths are not those of {height}x{width} pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def fill_polygon(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Fill a polygon by the even-odd rule: the pixels of the mask whose center is inside.

    ``points`` is ``(n_points, 2)`` of x and y in pixels, from the upper left corner.
    """
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    # Rows whose center line y + 0.5 an edge crosses; at an end that two edges share, only one does.
    first = np.clip(np.ceil(np.minimum(y0, y1) - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1) - 0.5), 0, height).astype(np.int64)
    lengths = last - first
    edge = np.repeat(np.arange(len(points)), lengths)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[edge]
    slope = (x1 - x0)[edge] / (y1 - y0)[edge]
    crossing = x0[edge] + (row + 0.5 - y0[edge]) * slope
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    toggles = np.zeros((height, width + 1), dtype=np.uint8)
    np.bitwise_xor.at(toggles, (row, column), 1)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :width].astype(np.bool_)
