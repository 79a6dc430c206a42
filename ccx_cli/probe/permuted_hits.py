"""Hits of one unit whose images are permuted among themselves, many times.

A permutation moves maps to other images' labels and does not change them: each map is upsampled
once, its pixels in range are listed, and a permutation only looks up their label sets elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.hits import cut_intervals, runs_of
from ccx_cli.probe.hits_kernel import (
    TILE,
    Axis,
    add_edges,
    add_image,
    axis_of,
    bound_rows,
    find_blocks,
    prepare_edges,
    widen,
)
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps, blocks_of
from ccx_cli.probe.upsampling import axis_weights


def count_permuted_hits(
    maps: Maps,
    ranges: Sequence[Range],
    index: ConceptIndex,
    permutations: NDArray[np.int64],
) -> PixelCounts:
    """Count the pixels in each range by label set, in every permutation.

    ``maps`` and ``ranges`` are as in ``count_hits``, and row ``n`` of ``permutations``,
    ``(n_permutations, n_images)``, gives what that finds of ``maps[permutations[n]]``. The counts
    are ``(n_ranges, n_permutations, n_sets)``, those of a label set side by side in memory.
    """
    cut = cut_intervals(ranges)
    runs, turned = runs_of(maps, cut)
    shape = len(permutations), len(index.sets), len(ranges)
    per_set = np.zeros(shape, dtype=index.sets.hits_type)
    rows = axis_of(axis_weights(maps.shape[1], index.mask_shape[0]))
    columns = axis_of(axis_weights(maps.shape[2], index.mask_shape[1]))
    moved_to = np.argsort(permutations, axis=1)
    local_maps = index.maps_in_memory  # A permutation takes any image at any time.
    for images, block in blocks_of(maps):
        _count_permuted(
            block, np.ascontiguousarray(moved_to[:, images]), rows, columns, cut.edges, runs,
            local_maps, index.offsets, index.local_sets, index.max_local, per_set,
        )  # fmt: skip
    per_set[..., turned] = index.sets.totals[:, None] - per_set[..., turned]
    return per_set.transpose(2, 0, 1)


@kernel
def _count_permuted(
    maps: NDArray[np.float32],
    moved_to: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    edges: NDArray[np.float32],
    runs: NDArray[np.int64],
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    max_local: int,
    per_set: PixelCounts,
) -> None:
    """Add every pixel in range to ``per_set``, ``(n_permutations, n_sets, n_ranges)``.

    ``moved_to``, ``(n_permutations, n_maps)``, are the images whose labels each map meets.
    """
    size = (len(edges) + 1) * max_local
    stride, n_pixels = np.uint64(max_local), np.uint64(local_maps.shape[1])
    pixels = np.empty(n_pixels, dtype=np.uint32)
    intervals = np.empty(n_pixels, dtype=np.uint32)
    # Neighbors are often the same: two tables, as a count waits for the one before it.
    counts = np.zeros(size, dtype=np.int32)
    others = np.zeros(size, dtype=np.int32)
    sums = np.empty((per_set.shape[2] + 1) * max_local, dtype=np.int32)
    hit = np.empty(max_local, dtype=np.uint64)
    no_local = np.empty((0, per_set.shape[2]), dtype=np.int32)
    one, two = np.uint64(1), np.uint64(2)
    for place in range(len(maps)):
        n = _list_pixels(maps[place], rows, columns, edges, runs, pixels, intervals)
        if n == 0:
            continue
        for at in range(n):
            intervals[at] *= np.uint32(max_local)
        for number in range(len(moved_to)):
            image = moved_to[number, place]
            n_local = np.uint64(offsets[image + 1] - offsets[image])
            labels = local_maps[image]
            for at in range(n // two):
                even, odd = two * at, two * at + one
                counts[np.uint64(intervals[even]) + np.uint64(labels[pixels[even]])] += 1
                others[np.uint64(intervals[odd]) + np.uint64(labels[pixels[odd]])] += 1
            if n % two:
                counts[np.uint64(intervals[n - one]) + np.uint64(labels[pixels[n - one]])] += 1
            for start in range(np.uint64(0), np.uint64(size), stride):
                for key in range(start, start + n_local):
                    counts[key] += others[key]
            add_image(
                counts, sums, hit, n_local, stride, runs, np.uint64(offsets[image]),
                local_sets, per_set[number], no_local,
            )  # fmt: skip
            for start in range(np.uint64(0), np.uint64(size), stride):
                for key in range(start, start + n_local):
                    counts[key] = others[key] = 0


@kernel
def _list_pixels(
    cells: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    edges: NDArray[np.float32],
    runs: NDArray[np.int64],
    pixels: NDArray[np.uint32],
    intervals: NDArray[np.uint32],
) -> np.uint64:
    """List the pixels of one map that are in some range, and their intervals; return how many."""
    y0, y1, _, _, row_tiles = rows
    x0, x1, _, _, column_tiles = columns
    width, n_in, n_across = np.uint64(len(x0)), len(cells), len(column_tiles) - 1
    padded, in_range_below = prepare_edges(edges, runs)
    in_range = np.diff(in_range_below).astype(np.uint64)
    low = np.empty((n_in, n_across), dtype=np.float32)
    high = np.empty((n_in, n_across), dtype=np.float32)
    blocks = np.empty((n_across, 4), dtype=np.int64)
    widened = np.empty(np.uint64(n_in) * width, dtype=np.float32)
    values = np.empty(np.uint64(TILE) * width, dtype=np.float32)
    keys = np.empty(np.uint64(TILE) * width, dtype=np.uint32)
    bound_rows(cells, x0, x1, column_tiles, low, high)
    listed = np.uint64(0)
    ready = np.uint64(0)
    for tile in range(len(row_tiles) - 1):
        start, stop = np.uint64(row_tiles[tile]), np.uint64(row_tiles[tile + 1])
        top, bottom = y0[start], y1[stop - np.uint64(1)]
        n_blocks = find_blocks(low, high, top, bottom, column_tiles, edges, in_range_below, blocks)
        if n_blocks == 0:
            continue
        widen(cells, max(ready, top), bottom, columns, widened)
        ready = bottom + np.uint64(1)
        for block in range(n_blocks):
            left, n = np.uint64(blocks[block, 0]), np.uint64(blocks[block, 1] - blocks[block, 0])
            keys[: (stop - start) * n] = blocks[block, 2]
            add_edges(
                blocks[block], start, stop, rows, width, widened, padded, np.uint32(1), values, keys
            )
            at = np.uint64(0)
            for y in range(start, stop):
                for x in range(n):
                    if in_range[keys[at + x]]:
                        pixels[listed], intervals[listed] = y * width + left + x, keys[at + x]
                        listed += np.uint64(1)
                at += n
    return listed
