"""How often a unit's activation has which value, on all pixels and on those of formulas.

Activations are upsampled as for hits and rounded to a multiple of ``1 / LEVELS`` of the distance
from the least to the largest; zero stays zero, and nothing else becomes it: most pixels may be at
zero, and ties with them would move the curves. What a formula's pixels and all others have in
common with the activation (correlations, curves of a detector) follows from the numbers of pixels
at each level, exactly for the rounded activations.

Where the cells around a pixel are all zero, it is not looked at: pixels at zero are those of the
dataset that are at no other level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import fused_multiply_add, kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits_kernel import Axis, axis_of
from ccx_cli.probe.sparse_maps import Maps, SparseMaps, blocks_of
from ccx_cli.probe.upsampling import axis_weights

LEVELS = 1 << 18
# Formulas counted in one pass: it counts each way in which they can hold together.
TOGETHER = 5


class ActivationLevels(NamedTuple):
    """A unit's rounded activation.

    Attributes
    ----------
    values
        ``(n_levels,)`` float64, ascending, the activation at each level that some pixel has.
    pixels
        ``(n_levels,)`` int64, all pixels at that level.
    inside
        ``(n_formulas, n_levels)`` int64, those on which each formula holds.
    peaks
        ``(n_images,)`` float32, the largest activation of each image, not upsampled.
    """

    values: NDArray[np.float64]
    pixels: NDArray[np.int64]
    inside: NDArray[np.int64]
    peaks: NDArray[np.float32]


def count_levels(
    maps: Maps, formulas: Sequence[NDArray[np.bool_]], index: ConceptIndex
) -> ActivationLevels | None:
    """Count the pixels at each level; ``None`` where an activation is NaN or infinite.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, one unit's activations.
    formulas
        Of each the label sets on which it holds, ``(n_sets,)`` bool.
    index
        The dataset, whose mask grid the maps are upsampled to.
    """
    peaks, low = _peaks(maps), _least(maps)
    high = float(peaks.max(initial=-np.inf))
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    if low < high:
        scale = LEVELS / (high - low)
        first, last = round(low * scale), round(high * scale)
        values = np.arange(first, last + 1) / scale
    else:
        scale, first, values = 0.0, 0, np.array([low])
    pixels = np.zeros(len(values), dtype=np.int64)
    inside = np.zeros((len(formulas), len(values)), dtype=np.int64)
    for start in range(0, max(1, len(formulas)), TOGETHER):
        own = formulas[start : start + TOGETHER]
        kinds = np.zeros(len(index.sets), dtype=np.uint8)
        for bit, holds in enumerate(own):
            kinds |= holds.astype(np.uint8) << bit
        present = np.flatnonzero(np.bincount(kinds))
        rows = np.zeros(1 << TOGETHER, dtype=np.uint8)
        rows[present] = np.arange(len(present))
        counts = _count_kinds(maps, rows[kinds], len(present), scale, first, len(values), index)
        pixels = counts.sum(axis=0)
        for kind, of_kind in zip(present.tolist(), counts, strict=True):
            for bit in range(len(own)):
                if kind >> bit & 1:
                    inside[start + bit] += of_kind
    some = np.flatnonzero(pixels)
    return ActivationLevels(values[some], pixels[some], inside[:, some], peaks)


def _peaks(maps: Maps) -> NDArray[np.float32]:
    if not isinstance(maps, SparseMaps):
        return np.asarray(maps.max(axis=(1, 2)), dtype=np.float32)
    images = maps.positions // maps.n_cells
    has_zeros = np.bincount(images, minlength=len(maps)) < maps.n_cells
    peaks = np.where(has_zeros, np.float32(0), np.float32(-np.inf))
    with np.errstate(invalid="ignore"):  # NaN
        np.maximum.at(peaks, images, maps.values)
    return peaks


def _least(maps: Maps) -> float:
    if isinstance(maps, SparseMaps):
        return float(maps.values.min(initial=0.0 if maps.n_zeros else np.inf))
    return float(maps.min(initial=np.inf))


def _count_kinds(
    maps: Maps,
    kinds: NDArray[np.uint8],
    n_kinds: int,
    scale: float,
    first: int,
    n_levels: int,
    index: ConceptIndex,
) -> NDArray[np.int64]:
    """Count pixels by the kind of their label set and by level, ``(n_kinds, n_levels)``."""
    counts = np.zeros((n_kinds, n_levels), dtype=np.int64)
    rows = axis_of(axis_weights(maps.shape[1], index.mask_shape[0]))
    columns = axis_of(axis_weights(maps.shape[2], index.mask_shape[1]))
    local_kinds = kinds[index.local_sets]
    for images, block in blocks_of(maps):
        for some, first_image, local_maps, offsets in index.pieces(images):
            _add_levels(
                block[some], images[some] - first_image, rows, columns, scale, first,
                local_maps, offsets, local_kinds, counts,
            )  # fmt: skip
    totals = np.bincount(kinds, index.sets.totals, n_kinds).astype(np.int64)
    at_zero = min(max(-first, 0), n_levels - 1)
    counts[:, at_zero] += totals - counts.sum(axis=1)
    return counts


@kernel
def _add_levels(
    maps: NDArray[np.float32],
    images: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    scale: float,
    first: int,
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_kinds: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    """Add every pixel of ``images`` to ``counts`` but for those between cells that are zero."""
    y0, y1, v0, v1, _ = rows
    x0, x1, u0, u1, _ = columns
    n_levels = counts.shape[1]
    flat = counts.reshape(-1)
    widened = np.empty((maps.shape[1], len(x0)), dtype=np.float32)
    levels = np.empty(len(x0), dtype=np.uint32)
    starts, stops = np.empty(maps.shape[1], dtype=np.int64), np.empty(maps.shape[1], dtype=np.int64)
    bases = np.empty(1 << 16, dtype=np.uint32)
    for place in range(len(images)):
        image = images[place]
        for y in range(maps.shape[1]):
            starts[y], stops[y] = len(x0), 0
            for x in range(len(x0)):
                if maps[place, y, x0[x]] != 0 or maps[place, y, x1[x]] != 0:
                    starts[y], stops[y] = min(starts[y], x), x + 1
            for x in range(len(x0)):
                widened[y, x] = fused_multiply_add(
                    maps[place, y, x0[x]], u0[x], maps[place, y, x1[x]] * u1[x]
                )
        own = local_kinds[offsets[image] : offsets[image + 1]]
        for local in range(len(own)):
            bases[local] = own[local] * n_levels
        for y in range(len(y0)):
            start = min(starts[y0[y]], starts[y1[y]])
            stop = max(stops[y0[y]], stops[y1[y]], start)
            above, below = widened[y0[y], start:stop], widened[y1[y], start:stop]
            v_above, v_below = v0[y], v1[y]
            for x in range(stop - start):
                value = fused_multiply_add(above[x], v_above, below[x] * v_below)
                # Upsampling can round a value past the least or the largest of its inputs.
                level = np.rint(value * scale)
                if level == 0 and value != 0:
                    level = np.copysign(1.0, value)
                levels[x] = np.uint32(min(max(level - first, 0.0), n_levels - 1.0))
            pixel = (image * len(y0) + y) * len(x0)
            local_map = local_maps[pixel + start : pixel + stop]
            for x in range(np.uint64(stop - start)):
                flat[np.uint64(bases[local_map[x]] + levels[x])] += 1
