"""Soft hits: every pixel counts by its activation, so that a unit needs no ranges.

Activations are upsampled as for hits, scaled to at most 1 and rounded to a multiple of
``1 / QUANTA``: then sums over the pixels of a dataset are exact in float64, and so is every
comparison of formulas.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import fused_multiply_add, kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits_kernel import Axis, axis_of
from ccx_cli.probe.upsampling import axis_weights

QUANTA = 1 << 20


class SoftHits(NamedTuple):
    """Scaled activations, summed.

    Attributes
    ----------
    per_set
        ``(n_sets,)`` float64, by distinct label set of the dataset, exact.
    squares
        The sum of their squares over all pixels.
    """

    per_set: NDArray[np.float64]
    squares: Fraction


def sum_activations(
    maps: NDArray[np.float32], index: ConceptIndex, *, signed: bool = False
) -> SoftHits:
    """Sum a unit's scaled activations by label set.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, one unit's activations.
    index
        The dataset, whose mask grid the maps are upsampled to.
    signed
        Divide by the largest absolute activation; otherwise the least activation becomes 0 and the
        largest 1.
    """
    low, high = float(maps.min(initial=np.inf)), float(maps.max(initial=-np.inf))
    zero, width = (0.0, max(-low, high)) if signed else (low, high - low)
    sums = np.zeros(len(index.sets), dtype=np.int64)
    squares = np.zeros(len(maps), dtype=np.uint64)
    if width > 0:
        _add_activations(
            np.ascontiguousarray(maps, dtype=np.float32),
            axis_of(axis_weights(maps.shape[1], index.mask_shape[0])),
            axis_of(axis_weights(maps.shape[2], index.mask_shape[1])),
            zero,
            QUANTA / width,
            -QUANTA if signed else 0,
            index.maps.reshape(-1),
            index.offsets,
            index.local_sets,
            sums,
            squares,
        )
    return SoftHits(sums / QUANTA, Fraction(sum(squares.tolist()), QUANTA**2))


@kernel
def _add_activations(
    maps: NDArray[np.float32],
    rows: Axis,
    columns: Axis,
    zero: float,
    scale: float,
    least: int,
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    sums: NDArray[np.int64],
    squares: NDArray[np.uint64],
) -> None:
    """Add every pixel's activation, in quanta, to ``sums``, and its square to its image's."""
    y0, y1, v0, v1, _ = rows
    x0, x1, u0, u1, _ = columns
    widened = np.empty((maps.shape[1], len(x0)), dtype=np.float32)
    quanta = np.empty(len(x0), dtype=np.int64)
    pixel = 0
    for image in range(len(maps)):
        for y in range(maps.shape[1]):
            for x in range(len(x0)):
                widened[y, x] = fused_multiply_add(
                    maps[image, y, x0[x]], u0[x], maps[image, y, x1[x]] * u1[x]
                )
        table = local_sets[offsets[image] : offsets[image + 1]]
        total = np.uint64(0)
        for y in range(len(y0)):
            above, below, v_above, v_below = widened[y0[y]], widened[y1[y]], v0[y], v1[y]
            for x in range(len(x0)):
                value = fused_multiply_add(above[x], v_above, below[x] * v_below)
                # Upsampling can round a value past the largest of its inputs.
                quanta[x] = np.int64(min(max(np.rint((value - zero) * scale), least), QUANTA))
                total += np.uint64(quanta[x] * quanta[x])
            for x in range(len(x0)):
                sums[table[local_maps[pixel]]] += quanta[x]
                pixel += 1
        squares[image] = total
