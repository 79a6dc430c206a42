"""Hits: how many pixels of every label set a unit's ranges hold.

One pass over the pixels serves all ranges of a unit. The ends of the ranges cut the line of
activations into intervals; each pixel adds one to its label set's count for its interval, and a
range is a run of intervals. Bilinear upsampling is spelled out: along rows, then along columns,
each step ``a * w0 + b * w1`` with ``b * w1`` rounded to float32 and the rest fused into one
rounding. That is what torch's ``interpolate`` does on a CPU, and the recorded hits of the published
program depend on it where a pixel's value is the end of a range. Where the ratio of the sizes is no
binary fraction, builds of torch that fuse the steps of the weights (``axis_weights``) differ in the
last bit: in up to 15 % of the values from 7 to 113 or from 13 to 112 cells, one hit in four ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import fused_multiply_add, kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import CcxError
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.upsampling import axis_weights

Axis = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]


# Upsampling can round a value up past the largest of its inputs, by two units in the last place.
ROUNDING = np.float32(3e-7)


@kernel
def count_intervals(
    maps: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    edges: NDArray[np.float32],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    max_local: int,
    per_set: NDArray[np.int32],
    per_local: NDArray[np.int32],
) -> None:
    """Add every pixel in range to ``per_set`` and, if it has rows, to ``per_local``.

    ``rows`` and ``columns`` are the fields of ``AxisWeights``, ``edges``, ``first`` and ``last``
    those of ``Intervals``, ``local_maps`` and the following those of ``ConceptIndex``. The counts
    are ``(n_sets, n_ranges)`` and ``(n_local, n_ranges)``: all ranges of a label set share a cache
    line.
    """
    y0, y1, v0, v1 = rows
    x0, x1, u0, u1 = columns
    n_images, n_in = maps.shape[0], maps.shape[1]
    height, width = len(y0), len(x0)
    # Unsigned indices and a shift: numba would check signed ones for counting from the end.
    shift = np.uint64(1)
    while (1 << shift) < len(edges) + 1:
        shift += np.uint64(1)
    stride = 1 << np.int64(shift)
    n_ranges = len(first)
    lowest = np.inf
    for r in range(n_ranges):
        if first[r] <= last[r]:
            lowest = min(lowest, edges[first[r] - 1] if first[r] > 0 else -np.inf)
    keep_local = len(per_local) > 0
    counts = np.zeros(max_local * stride, dtype=np.int32)
    widened = np.empty((n_in, width), dtype=np.float32)
    peaks = np.empty(n_in, dtype=np.float32)
    values = np.empty(width, dtype=np.float32)
    codes = np.empty(width, dtype=np.uint32)
    for image in range(n_images):
        top = -np.inf
        for y in range(n_in):
            peak = maps[image, y, 0]
            for x in range(1, maps.shape[2]):
                peak = max(peak, maps[image, y, x])
            peaks[y] = peak
            top = max(top, peak)
        if top + abs(top) * ROUNDING <= lowest:
            continue
        for y in range(n_in):
            for x in range(width):
                widened[y, x] = fused_multiply_add(
                    maps[image, y, x0[x]], u0[x], maps[image, y, x1[x]] * u1[x]
                )
        n_local = offsets[image + 1] - offsets[image]
        counts[: n_local * stride] = 0
        for y in range(height):
            peak = max(peaks[y0[y]], peaks[y1[y]])
            peak += abs(peak) * ROUNDING
            if peak <= lowest:
                continue
            above, below = widened[y0[y]], widened[y1[y]]
            v_above, v_below = v0[y], v1[y]
            for x in range(width):
                values[x] = fused_multiply_add(above[x], v_above, below[x] * v_below)
                codes[x] = 0
            for edge in edges:
                if edge >= peak:
                    break
                for x in range(width):
                    codes[x] += np.uint32(values[x] > edge)
            local_row = local_maps[image, y * width : (y + 1) * width]
            for x in range(width):
                counts[(np.uint64(local_row[x]) << shift) + np.uint64(codes[x])] += 1
        for local in range(n_local):
            row = offsets[image] + local
            for r in range(n_ranges):
                found = 0
                for interval in range(first[r], last[r] + 1):
                    found += counts[local * stride + interval]
                if found:
                    per_set[local_sets[row], r] += found
                    if keep_local:
                        per_local[row, r] = found


@dataclass(frozen=True, slots=True)
class Hits:
    """Pixels in range.

    Attributes
    ----------
    per_set
        ``(n_ranges, n_sets)`` int32, by distinct label set of the dataset.
    per_local
        ``(n_ranges, n_local)`` int32, by row of the images' tables, or ``None`` if not asked for.
    totals
        ``(n_ranges,)`` int64, all pixels in range.
    """

    per_set: NDArray[np.int32]
    per_local: NDArray[np.int32] | None
    totals: NDArray[np.int64]


class Intervals(NamedTuple):
    """The line of activations, cut at the ends of the ranges.

    Attributes
    ----------
    edges
        ``(n_edges,)`` float32, ascending: interval ``i`` holds what exceeds exactly ``i`` edges.
    first, last
        ``(n_ranges,)`` int64: range ``r`` is the intervals ``first[r]`` to ``last[r]``, both
        included; none if ``first[r] > last[r]``.
    """

    edges: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def cut_intervals(ranges: Sequence[Range]) -> Intervals:
    """Cut the line at the ends of ``ranges``, which may touch or overlap.

    Activations are float32 and ends float64. ``a > lower`` is ``a > e`` for the largest float32
    ``e <= lower``; ``a >= upper`` is ``a > e`` for the largest float32 ``e < upper``.
    """
    lower, upper = np.array([(r.lower, r.upper) for r in ranges]).reshape(-1, 2).T
    with np.errstate(over="ignore"):  # an end past float32's largest value becomes infinite
        below, above = lower.astype(np.float32), upper.astype(np.float32)
    least = np.float32(-np.inf)
    below = np.where(below > lower, np.nextafter(below, least), below)
    above = np.where((above >= upper) & (upper < np.inf), np.nextafter(above, least), above)
    edges = np.unique(np.concatenate([below, above]))
    first = np.searchsorted(edges, below) + 1
    last = np.searchsorted(edges, above)
    kept = edges[np.isfinite(edges)]
    infinite = int((edges == -np.inf).sum())
    return Intervals(kept, (first - infinite).astype(np.int64), (last - infinite).astype(np.int64))


def count_hits(
    maps: NDArray[np.float32],
    ranges: Sequence[Range],
    index: ConceptIndex,
    *,
    per_image: bool = False,
    device: str = "cpu",
) -> Hits:
    """Count the pixels in each range by label set, the same on every device.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, one unit's activations.
    ranges
        Any open intervals.
    index
        The dataset, whose mask grid the maps are upsampled to.
    per_image
        Keep the counts per image as well, for metrics.
    device
        ``cpu`` for the compiled kernel, else a torch device for the torch one.

    Raises
    ------
    CcxError
        If a label set has more pixels than 32 bits count.
    """
    largest = int(index.sets.totals.max(initial=0))
    if largest > np.iinfo(np.int32).max:
        raise CcxError(
            f"One label set has {largest:,} pixels, more than the {np.iinfo(np.int32).max:,} that "
            "can be counted: take a smaller `subset`, or smaller label PNGs."
        )
    cut = cut_intervals(ranges)
    if device == "cpu":
        per_set, per_local = _count_on_cpu(maps, cut, index, per_image=per_image)
    else:
        from ccx_cli.probe.hits_torch import count_local  # loads torch, which a CPU does without

        per_local = count_local(maps, *cut, index, device)
        per_set = np.zeros((len(ranges), len(index.sets)), dtype=np.int32)
        for row, found in zip(per_set, per_local, strict=True):
            np.add.at(row, index.local_sets, found)
    totals = per_set.sum(axis=1, dtype=np.int64)
    return Hits(per_set, per_local if per_image else None, totals)


def _count_on_cpu(
    maps: NDArray[np.float32], cut: Intervals, index: ConceptIndex, *, per_image: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rows = axis_weights(maps.shape[1], index.mask_shape[0])
    columns = axis_weights(maps.shape[2], index.mask_shape[1])
    n_ranges = len(cut.first)
    per_set = np.zeros((len(index.sets), n_ranges), dtype=np.int32)
    per_local = np.zeros((len(index.local_sets) if per_image else 0, n_ranges), dtype=np.int32)
    count_intervals(
        np.ascontiguousarray(maps, dtype=np.float32),
        (rows.i0, rows.i1, rows.w0, rows.w1),
        (columns.i0, columns.i1, columns.w0, columns.w1),
        *cut,
        index.maps,
        index.offsets,
        index.local_sets,
        index.max_local,
        per_set,
        per_local,
    )
    return np.ascontiguousarray(per_set.T), np.ascontiguousarray(per_local.T)
