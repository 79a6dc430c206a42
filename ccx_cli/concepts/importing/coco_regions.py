"""The regions of COCO's instances: polygons, and run lengths plain or compressed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.importing.pictures import same_shape, sample, window
from ccx_cli.concepts.importing.settings import Fit
from ccx_cli.errors import DamagedDataError

_FIRST = 48
_MORE = 0x20
_NEGATIVE = 0x10
_MOST_PIXELS = 178_956_970
"""Larger pictures are not read either: Pillow takes them for decompression bombs."""

_BEYOND, _BEYOND_PIXELS = 0.1, 2.0
"""A polygon may reach out of the picture by this share of its side, and by so many pixels."""

_RELATIVE = 1.5
"""Coordinates up to this are shares of a side: so few pixels would be no region."""

_SMALLEST_BOX = 4.0
_LEAST_IN_COMMON = 0.25
"""The IoU of a region's bounds and its ``bbox`` that is less than annotators disagree by."""

_SAME = 0.9
"""The IoU with the ``bbox`` of bounds with x and y swapped that says that they are."""

_LEAST_INSIDE = 0.75
"""The share of the pixels of run lengths that lie in the ``bbox``, which was made of them."""

Bounds = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Run lengths, plain or packed, of a mask of (height, width) ``size``, if that is known."""

    counts: tuple[int, ...] | str
    size: tuple[int, int] | None


Region = tuple[NDArray[np.float64] | Runs, ...]
"""Polygons ``(n_points, 2)`` of x and y, and run lengths, which add up."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One annotation: its label number, where it is in the JSON, its region, and its ``bbox``.

    ``box`` is (x, y, width, height), though some write the right and bottom edge in the end.
    """

    number: int
    where: str
    region: Region
    box: Bounds | None


@dataclass(frozen=True, slots=True, eq=False)
class InstanceRegions:
    """The regions of one photograph of (height, width) ``shape``, as the JSON ``file`` has them."""

    category: str
    file: Path
    shape: tuple[int, int]
    instances: tuple[Instance, ...]

    def read(self) -> list[NDArray[np.uint16]]:
        """Read the labels, a map a concept, since instances overlap; the smallest first."""
        masks: dict[int, NDArray[np.bool_]] = {}
        for each in self.instances:
            try:
                mask = _fill(each, *self.shape)
            except (ValueError, OverflowError) as error:
                raise damaged_region(self.file, each.where, error) from error
            masks[each.number] = masks[each.number] | mask if each.number in masks else mask
        ordered = sorted(masks.items(), key=lambda each: (int(each[1].sum()), each[0]))
        return [mask.astype(np.uint16) * np.uint16(number) for number, mask in ordered]


def damaged_region(file: Path, where: str, error: Exception) -> DamagedDataError:
    """Return the error of a region that cannot be meant."""
    return DamagedDataError(
        f"{file}, {where}: its region cannot be read ({error}); correct it, or remove the "
        "annotation."
    )


def parse_size(height: object, width: object) -> tuple[int, int]:
    """Return (height, width) in pixels, which may be written as text."""
    sides = []
    for side in (height, width):
        if isinstance(side, bool) or not str(side).removesuffix(".0").isdecimal():
            raise ValueError(f"{side!r} is no number of pixels")
        sides.append(int(str(side).removesuffix(".0")[:20]))
    if not 0 < sides[0] * sides[1] <= _MOST_PIXELS:
        raise ValueError(f"{sides[0]}x{sides[1]} is no size of a picture")
    return sides[0], sides[1]


def parse_region(segmentation: Any, height: int, width: int) -> Region:
    """Return the region that the JSON's ``segmentation`` describes, in a picture of that size.

    Raises
    ------
    ValueError
        If it describes none, or could mean another.
    """
    if isinstance(segmentation, dict):
        return (_parse_runs(segmentation),)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("its segmentation is no list of polygons")
    if _is_number(segmentation[0]) or (len(segmentation) > 2 and all(map(_is_pair, segmentation))):
        segmentation = [segmentation]
    polygons = [_parse_points(each) for each in segmentation if not isinstance(each, dict)]
    # Among others a polygon of one or two points encloses nothing, alone it means something else.
    polygons = [points for points in polygons if len(points) > 2]
    runs = [_parse_runs(each) for each in segmentation if isinstance(each, dict)]
    if not polygons and not runs:
        raise ValueError("it has no polygon of three or more points; a box has four corners")
    if polygons:
        _check_reach(np.concatenate(polygons), height, width)
    return (*polygons, *runs)


def _parse_runs(record: dict[str, Any]) -> Runs:
    if "counts" not in record:
        raise ValueError(
            f"it has an object of {', '.join(record)[:60] or 'nothing'}; polygons are lists of x "
            "and y in turn, and run lengths an object with counts"
        )
    counts, size = record["counts"], record.get("size")
    if isinstance(counts, list) and all(type(run) is int for run in counts):
        counts = tuple(counts)
    elif not isinstance(counts, str):
        raise ValueError("its counts are neither whole numbers nor text")
    if size is None:
        return Runs(counts, None)
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError("the size of its run lengths is not height and width")
    return Runs(counts, parse_size(*size))


def _parse_points(polygon: object) -> NDArray[np.float64]:
    try:
        points = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros((0, 0))
    if points.ndim == 1 and len(points) % 2 == 0:
        points = points.reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{polygon!s:.60} is not a list of x and y in turn, nor of pairs of them")
    if not np.isfinite(points).all():
        raise ValueError("a coordinate of a polygon is not a finite number")
    return points


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | str)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))


def _check_reach(points: NDArray[np.float64], height: int, width: int) -> None:
    low, high = points.min(axis=0), points.max(axis=0)
    sides = np.array([width, height], dtype=np.float64)
    beyond = np.maximum(sides * _BEYOND, _BEYOND_PIXELS)
    if (low < -beyond).any() or (high > sides + beyond).any():
        raise ValueError(
            f"its polygons reach from {low[0]:g}, {low[1]:g} to {high[0]:g}, {high[1]:g}, out of "
            f"the picture, which is {width} wide and {height} high"
        )
    if high.max() <= _RELATIVE and low.min() >= 0 and min(height, width) > 2:
        raise ValueError("its coordinates are from 0 to 1: multiply them by width and height")


def _fill(instance: Instance, height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), dtype=np.bool_)
    corners: list[tuple[float, float]] = []
    for part in instance.region:
        if isinstance(part, Runs):
            own = _fill_sized(part, height, width)
            rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
            if len(rows):
                corners += [(columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)]
        else:
            own = fill_polygon(part, height, width)
            corners += [tuple(part.min(axis=0)), tuple(part.max(axis=0))]
        mask |= own
    if instance.box is not None:
        _check_box(np.array(corners, dtype=np.float64).reshape(-1, 2), instance.box)
        if all(isinstance(part, Runs) for part in instance.region):
            _check_inside(mask, instance.box)
    return mask


def _fill_sized(runs: Runs, height: int, width: int) -> NDArray[np.bool_]:
    """Fill run lengths in their own size, and bring them to that of the picture."""
    size = runs.size or (height, width)
    counts = unpack_counts(runs.counts) if isinstance(runs.counts, str) else runs.counts
    own = fill_runs(counts, *size)
    if size == (height, width):
        return own
    if not same_shape(size, (height, width)):
        raise ValueError(
            f"its run lengths are of {size[0]}x{size[1]} pixels, its image has {height}x{width}"
        )
    whole = window(size, (height, width), Fit.STRETCH)
    return sample(own.astype(np.uint16), (height, width), whole).astype(np.bool_)


def _check_box(corners: NDArray[np.float64], box: Bounds) -> None:
    """Compare the bounds of a region with its ``bbox``: they show rows taken for columns."""
    x, y, width, height = box
    if not np.isfinite(box).all() or min(width, height) < _SMALLEST_BOX:
        return
    bounds = (*corners.min(axis=0), *corners.max(axis=0)) if len(corners) else (0.0,) * 4
    boxes = ((x, y, x + width, y + height), box)
    common = max(_box_iou(bounds, each) for each in boxes)
    turned = _box_iou((bounds[1], bounds[0], bounds[3], bounds[2]), boxes[0])
    if common < _LEAST_IN_COMMON or (turned > _SAME and common < _SAME / 2):
        raise ValueError(
            f"its region is from {bounds[0]:g}, {bounds[1]:g} to {bounds[2]:g}, {bounds[3]:g}, "
            f"its bbox from {x:g}, {y:g} to {x + width:g}, {y + height:g}"
        )


def _check_inside(mask: NDArray[np.bool_], box: Bounds) -> None:
    """Compare the pixels of run lengths with the ``bbox``, where the bounds alone may agree."""
    x, y, width, height = box
    if not np.isfinite(box).all() or min(width, height) < _SMALLEST_BOX or not mask.any():
        return
    inside = 0
    for right, bottom in ((x + width, y + height), (width, height)):
        # A pixel more on each side, as some count from 1.
        sides = np.clip([y - 1, bottom + 1, x - 1, right + 1], 0, max(mask.shape)).astype(int)
        inside = max(inside, int(mask[sides[0] : sides[1], sides[2] : sides[3]].sum()))
    if inside < _LEAST_INSIDE * mask.sum():
        raise ValueError(
            f"{1 - inside / mask.sum():.0%} of its region is outside its bbox from {x:g}, {y:g} to "
            f"{x + width:g}, {y + height:g}"
        )


def _box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, across) * max(0.0, down)
    both = sum(max(0.0, c[2] - c[0]) * max(0.0, c[3] - c[1]) for c in (a, b)) - common
    return common / both if both > 0 else 0.0


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
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"the run lengths are not those of {height}x{width} pixels")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, np.asarray(counts, dtype=np.int64)).reshape(width, height).T


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
