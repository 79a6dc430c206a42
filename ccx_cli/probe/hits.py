"""Hits: how many pixels of every label set a unit's ranges hold.

One pass over the pixels serves all ranges of a unit. The ends of the ranges cut the line of
activations into intervals; each pixel adds one to its label set's count for its interval, and a
range is a run of intervals. Bilinear upsampling is spelled out: along rows, then along columns,
each step ``a * w0 + b * w1`` with ``b * w1`` rounded to float32 and the rest fused into one
rounding. That is what torch's ``interpolate`` does on a CPU, and the recorded hits of the published
program depend on it where a pixel's value is the end of a range. Where the ratio of the sizes is no
binary fraction, builds of torch that fuse the steps of the weights (``axis_weights``) differ in the
last bit: in up to 15 % of the values from 7 to 113 or from 13 to 112 cells, one hit in four ranges.

Of sparse maps only images with a value are looked at. A range that holds zero counts there the
pixels that are not in it: all others of the dataset are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.hits_kernel import axis_of, count_intervals
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps, SparseMaps, blocks_of
from ccx_cli.probe.upsampling import axis_weights


@dataclass(frozen=True, slots=True)
class Hits:
    """Pixels in range.

    ``per_set`` is ``(n_ranges, n_sets)``, of ``LabelSets.hits_type``, by distinct label set of the
    dataset; ``per_local`` ``(n_ranges, n_local)`` int32, by row of the images' tables, or ``None``
    if not asked for; ``totals`` ``(n_ranges,)`` int64, all pixels in range.
    """

    per_set: PixelCounts
    per_local: NDArray[np.int32] | None
    totals: NDArray[np.int64]


class Intervals(NamedTuple):
    """The line of activations, cut at the ends of the ranges.

    ``edges`` are ``(n_edges,)`` float32, ascending: interval ``i`` holds what exceeds exactly ``i``
    of them. Range ``r`` is the intervals ``first[r]`` to ``last[r]``, ``(n_ranges,)`` int64, both
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
    maps: Maps,
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
        ``cpu`` for the compiled kernel, else a torch device for the torch one. Sparse maps are
        always counted on the CPU, where that takes hardly longer than moving them.
    """
    cut = cut_intervals(ranges)
    if device == "cpu" or isinstance(maps, SparseMaps):
        per_set, per_local = _count_on_cpu(maps, cut, index, per_image=per_image)
    else:
        from ccx_cli.probe.hits_torch import count_local  # loads torch, which a CPU does without

        per_local = count_local(maps, *cut, index, device)
        per_set = np.zeros((len(ranges), len(index.sets)), dtype=index.sets.hits_type)
        for row, found in zip(per_set, per_local, strict=True):
            np.add.at(row, index.local_sets, found)
    totals = per_set.sum(axis=1, dtype=np.int64)
    return Hits(per_set, per_local if per_image else None, totals)


def _count_on_cpu(
    maps: Maps, cut: Intervals, index: ConceptIndex, *, per_image: bool
) -> tuple[PixelCounts, NDArray[np.int32]]:
    rows = axis_of(axis_weights(maps.shape[1], index.mask_shape[0]))
    columns = axis_of(axis_weights(maps.shape[2], index.mask_shape[1]))
    runs, turned = runs_of(maps, cut)
    n_ranges = len(turned)
    per_set = np.zeros((len(index.sets), n_ranges), dtype=index.sets.hits_type)
    per_local = np.zeros((len(index.local_sets) if per_image else 0, n_ranges), dtype=np.int32)
    for images, block in blocks_of(maps):
        for some, first, local_maps, offsets in index.pieces(images):
            count_intervals(
                block[some], images[some] - first, rows, columns, cut.edges, runs,
                local_maps, offsets, index.local_sets, index.max_local, per_set, per_local,
            )  # fmt: skip
    per_set[:, turned] = index.sets.totals[:, None] - per_set[:, turned]
    if per_image:
        per_local[:, turned] = index.local_totals[:, None] - per_local[:, turned]
    return np.ascontiguousarray(per_set.T), np.ascontiguousarray(per_local.T)


def runs_of(maps: Maps, cut: Intervals) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return runs of intervals as kernels take them, and the ranges that count what is outside.

    Those are the ranges of sparse maps that hold zero, ``(n_ranges,)`` bool.
    """
    n_ranges, n_edges = len(cut.first), len(cut.edges)
    runs = np.stack([np.arange(n_ranges), cut.first, cut.last], axis=1)
    turned = np.zeros(n_ranges, dtype=np.bool_)
    if isinstance(maps, SparseMaps):
        of_zero = np.searchsorted(cut.edges, 0)
        turned = (cut.first <= of_zero) & (of_zero <= cut.last)
        below, above = runs[turned], runs[turned]
        below[:, 1], below[:, 2] = 0, below[:, 1] - 1
        above[:, 1], above[:, 2] = above[:, 2] + 1, n_edges
        runs = np.concatenate([runs[~turned], below, above])
    return runs, turned
