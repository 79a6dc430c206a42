"""The compiled pass over the pixels: counts of the local label sets in every interval.

A map is upsampled in tiles of at most 16 by 16 pixels that lie between the same few cells, so the
cells bound what is in them: a tile without a pixel in range is not looked at, and only the edges
that its cells straddle are compared. Between cells that are all zero every pixel is exactly zero.
Tiles side by side are one block. Indices are unsigned, as
numba would check signed ones for counting from the end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import fused_multiply_add, kernel
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.upsampling import AxisWeights

TILE = 16

Axis = tuple[
    NDArray[np.uint64], NDArray[np.uint64], NDArray[np.float32], NDArray[np.float32],
    NDArray[np.int64],
]  # fmt: skip

# Upsampling can round a value up past the largest of its inputs, by two units in the last place.
ROUNDING = np.float32(3e-7)
TINIEST = np.float32(1e-44)  # what that is near zero
# Edges compared in one go.
TOGETHER = 3


def axis_of(weights: AxisWeights) -> Axis:
    """Return weights as the kernel takes them, and where tiles up to ``TILE`` start and end."""
    n_out = len(weights.i0)
    changes = np.diff(weights.i0) + np.diff(weights.i1)
    ends = np.append(np.flatnonzero(changes) + 1, n_out)
    starts = [0]
    while starts[-1] < n_out:
        start = starts[-1]
        near = ends[(ends > start) & (ends <= start + TILE)]
        beyond = int(ends[ends > start][0]) - start
        starts.append(int(near[-1]) if len(near) else start + (beyond - 1) % TILE + 1)
    i0, i1 = weights.i0.astype(np.uint64), weights.i1.astype(np.uint64)
    return i0, i1, weights.w0, weights.w1, np.array(starts, dtype=np.int64)


@kernel
def count_intervals(
    maps: NDArray[np.float32],
    images: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    edges: NDArray[np.float32],
    runs: NDArray[np.int64],
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    max_local: int,
    per_set: PixelCounts,
    per_local: NDArray[np.int32],
) -> None:
    """Add every pixel in range to ``per_set`` and, if it has rows, to ``per_local``.

    ``maps`` are those of ``images``, ``rows`` and ``columns`` from ``axis_of``, ``edges`` a field
    of ``Intervals``, ``local_maps`` and the following those of ``ConceptIndex``, the maps as one
    line of pixels. A row of ``runs`` is a range, and the first and last of intervals that count for
    it. The counts are ``(n_sets, n_ranges)`` and ``(n_local, n_ranges)``: all ranges of a label set
    share a cache line.
    """
    y0, y1, _, _, row_tiles = rows
    x0, x1, _, _, column_tiles = columns
    height, width, n_in = np.uint64(len(y0)), np.uint64(len(x0)), np.uint64(maps.shape[1])
    n_intervals = len(edges) + 1
    stride, step = np.uint64(max_local), np.uint32(max_local)
    padded, in_range_below = prepare_edges(edges, runs)
    n_across = len(column_tiles) - 1
    low = np.empty((n_in, n_across), dtype=np.float32)
    high = np.empty((n_in, n_across), dtype=np.float32)
    blocks = np.empty((n_across, 4), dtype=np.int64)
    widened = np.empty(n_in * width, dtype=np.float32)
    values = np.empty(np.uint64(TILE) * width, dtype=np.float32)
    keys = np.empty(np.uint64(TILE) * width, dtype=np.uint32)
    counts = np.empty(n_intervals * max_local, dtype=np.int32)
    sums = np.empty((per_set.shape[1] + 1) * max_local, dtype=np.int32)
    hit = np.empty(max_local, dtype=np.uint64)
    for place in range(len(images)):
        image = images[place]
        n_local = np.uint64(offsets[image + 1] - offsets[image])
        bound_rows(maps[place], x0, x1, column_tiles, low, high)
        ready = np.uint64(0)
        for tile in range(len(row_tiles) - 1):
            start, stop = np.uint64(row_tiles[tile]), np.uint64(row_tiles[tile + 1])
            top, bottom = y0[start], y1[stop - np.uint64(1)]
            n_blocks = find_blocks(
                low, high, top, bottom, column_tiles, edges, in_range_below, blocks
            )
            if n_blocks == 0:
                continue
            if ready == 0:
                for interval in range(np.uint64(n_intervals)):
                    for local in range(n_local):
                        counts[interval * stride + local] = 0
            widen(maps[place], max(ready, top), bottom, columns, widened)
            ready = bottom + np.uint64(1)
            for block in range(n_blocks):
                left, n = (
                    np.uint64(blocks[block, 0]),
                    np.uint64(blocks[block, 1] - blocks[block, 0]),
                )
                base = np.uint32(np.uint64(blocks[block, 2]) * stride)
                at = np.uint64(0)
                for y in range(start, stop):
                    pixel = (np.uint64(image) * height + y) * width + left
                    for x in range(n):
                        keys[at + x] = np.uint32(local_maps[pixel + x]) + base
                    at += n
                add_edges(
                    blocks[block], start, stop, rows, width, widened, padded, step, values, keys
                )
                for x in range(at):
                    counts[np.uint64(keys[x])] += 1
        if ready > 0:
            add_image(
                counts, sums, hit, n_local, stride, runs, np.uint64(offsets[image]),
                local_sets, per_set, per_local,
            )  # fmt: skip


@kernel
def prepare_edges(
    edges: NDArray[np.float32], runs: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pad the edges to compare ``TOGETHER``; count the intervals below each that are in a range."""
    padded = np.full(len(edges) + TOGETHER, np.float32(np.inf), dtype=np.float32)
    padded[: len(edges)] = edges
    in_range_below = np.zeros(len(edges) + 2, dtype=np.int64)
    for run in range(len(runs)):
        in_range_below[runs[run, 1] + 1 : runs[run, 2] + 2] = 1
    return padded, in_range_below.cumsum()


@kernel
def widen(
    cells: NDArray[np.float32],
    first: np.uint64,
    last: np.uint64,
    columns: Axis,
    widened: NDArray[np.float32],
) -> None:
    """Upsample rows of cells, from the first to the last, along the columns."""
    x0, x1, u0, u1, _ = columns
    width = np.uint64(len(x0))
    for y in range(first, last + np.uint64(1)):
        for x in range(width):
            widened[y * width + x] = fused_multiply_add(
                cells[y, x0[x]], u0[x], cells[y, x1[x]] * u1[x]
            )


@kernel
def add_edges(
    block: NDArray[np.int64],
    start: np.uint64,
    stop: np.uint64,
    rows: Axis,
    width: np.uint64,
    widened: NDArray[np.float32],
    padded: NDArray[np.float32],
    step: np.uint32,
    values: NDArray[np.float32],
    keys: NDArray[np.uint32],
) -> None:
    """Upsample the pixels of a block; add ``step`` to their keys for each edge that they exceed.

    The block is one of ``find_blocks``, and only its edges are compared; ``values`` is scratch.
    """
    y0, y1, v0, v1, _ = rows
    left, n = np.uint64(block[0]), np.uint64(block[1] - block[0])
    at = np.uint64(0)
    for y in range(start, stop):
        above, below = y0[y] * width + left, y1[y] * width + left
        v_above, v_below = v0[y], v1[y]
        for x in range(n):
            values[at + x] = fused_multiply_add(
                widened[above + x], v_above, widened[below + x] * v_below
            )
        at += n
    for edge in range(block[2], block[3], TOGETHER):
        a, b, c = padded[edge], padded[edge + 1], padded[edge + 2]
        for x in range(at):
            value = values[x]
            keys[x] += step * (np.uint32(value > a) + np.uint32(value > b) + np.uint32(value > c))


@kernel
def bound_rows(
    cells: NDArray[np.float32],
    x0: NDArray[np.uint64],
    x1: NDArray[np.uint64],
    tiles: NDArray[np.int64],
    low: NDArray[np.float32],
    high: NDArray[np.float32],
) -> None:
    """Find the least and the largest of the cells that each row of each tile lies between."""
    for y in range(np.uint64(len(cells))):
        for tile in range(len(tiles) - 1):
            left, right = x0[tiles[tile]], x1[tiles[tile + 1] - 1]
            least = most = cells[y, left]
            for x in range(left + np.uint64(1), right + np.uint64(1)):
                least = min(least, cells[y, x])
                most = max(most, cells[y, x])
            low[y, tile], high[y, tile] = least, most


@kernel
def find_blocks(
    low: NDArray[np.float32],
    high: NDArray[np.float32],
    top: np.uint64,
    bottom: np.uint64,
    tiles: NDArray[np.int64],
    edges: NDArray[np.float32],
    in_range_below: NDArray[np.int64],
    blocks: NDArray[np.int64],
) -> int:
    """List runs of tiles that may have hits: first column, end, and edges to compare, from, to."""
    n_blocks = 0
    for tile in range(len(tiles) - 1):
        least, most = low[top, tile], high[top, tile]
        for y in range(top + np.uint64(1), bottom + np.uint64(1)):
            least = min(least, low[y, tile])
            most = max(most, high[y, tile])
        if least != 0 or most != 0:
            least -= abs(least) * ROUNDING + TINIEST
            most += abs(most) * ROUNDING + TINIEST
        from_edge, to_edge = 0, 0
        for edge in edges:
            from_edge += edge < least
            to_edge += edge < most
        if in_range_below[to_edge + 1] == in_range_below[from_edge]:
            continue
        if n_blocks > 0 and blocks[n_blocks - 1, 1] == tiles[tile]:
            block = blocks[n_blocks - 1]
            block[2], block[3] = min(block[2], from_edge), max(block[3], to_edge)
        else:
            block = blocks[n_blocks]
            block[0], block[2], block[3] = tiles[tile], from_edge, to_edge
            n_blocks += 1
        block[1] = tiles[tile + 1]
    return n_blocks


@kernel
def add_image(
    counts: NDArray[np.int32],
    sums: NDArray[np.int32],
    hit: NDArray[np.uint64],
    n_local: np.uint64,
    stride: np.uint64,
    runs: NDArray[np.int64],
    start: np.uint64,
    local_sets: NDArray[np.int32],
    per_set: PixelCounts,
    per_local: NDArray[np.int32],
) -> None:
    """Add the counts of one image, whose table begins at ``start``; ``sums`` is scratch."""
    n_ranges = np.uint64(per_set.shape[1])
    found = n_ranges * stride
    for local in range(n_local):
        sums[found + local] = 0
    for r in range(n_ranges):
        of_range = r * stride
        for local in range(n_local):
            sums[of_range + local] = 0
    for run in range(len(runs)):
        of_range = np.uint64(runs[run, 0]) * stride
        for interval in range(np.uint64(runs[run, 1]), np.uint64(runs[run, 2] + 1)):
            for local in range(n_local):
                sums[of_range + local] += counts[interval * stride + local]
        for local in range(n_local):
            sums[found + local] |= sums[of_range + local]
    n_hit = np.uint64(0)
    for local in range(n_local):
        hit[n_hit] = local
        n_hit += np.uint64(sums[found + local] != 0)
    flat = per_set.reshape(-1)
    for each in range(n_hit):
        cell, place = np.uint64(local_sets[start + hit[each]]) * n_ranges, hit[each]
        for _ in range(n_ranges):
            flat[cell] += sums[place]
            cell += np.uint64(1)
            place += stride
    if len(per_local) > 0:
        for each in range(n_hit):
            for r in range(n_ranges):
                per_local[start + hit[each], r] = sums[r * stride + hit[each]]
