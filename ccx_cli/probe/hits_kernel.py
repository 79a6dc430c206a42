"""The compiled pass over the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import fused_multiply_add, kernel

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

    Parameters are those of ``ccx_cli.probe.hits``: ``rows`` and ``columns`` are the fields of
    ``AxisWeights``, ``edges``, ``first`` and ``last`` those of ``Intervals``, ``local_maps`` and
    the following those of ``ConceptIndex``. The counts are ``(n_sets, n_ranges)`` and
    ``(n_local, n_ranges)``: all ranges of a label set share a cache line.
    """
    y0, y1, v0, v1 = rows
    x0, x1, u0, u1 = columns
    n_images, n_in = maps.shape[0], maps.shape[1]
    height, width = len(y0), len(x0)
    # Unsigned places and a shift: numba would check signed ones for counting from the end.
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
