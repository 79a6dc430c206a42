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
from ccx_cli.errors import CcxError
from ccx_cli.probe.hits_kernel import Axis, axis_of
from ccx_cli.probe.sparse_maps import Maps, SparseMaps, blocks_of
from ccx_cli.probe.upsampling import axis_weights

QUANTA = 1 << 20
# Formulas of three concepts add up three sums, which float64 must hold.
MOST_PIXELS = (1 << 53) // (3 * QUANTA)


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


def sum_activations(maps: Maps, index: ConceptIndex, *, signed: bool = False) -> SoftHits:
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

    Raises
    ------
    CcxError
        If the dataset has so many pixels that sums would be rounded.
    """
    if index.n_pixels > MOST_PIXELS:
        raise CcxError(
            f"The dataset has {index.n_pixels:,} labeled pixels, more than the {MOST_PIXELS:,} "
            "whose activations are summed exactly: take an `objective` of ranges (iou, f-beta:B "
            "or mcc), a smaller `subset`, or smaller label PNGs."
        )
    quanta = _in_quanta(maps, index, index.local_sets, index.sets.totals, signed=signed)
    return SoftHits(quanta.sums / QUANTA, Fraction(quanta.square_sum(), QUANTA**2))


class Quanta(NamedTuple):
    """A unit's activations, each ``least + step * quanta`` with a whole number of quanta.

    ``sums`` are ``(n_local,)`` int64, the quanta of the pixels of every row of the images' tables;
    ``squares`` ``(n_images, 2)`` uint64, of the squares of each image's how often 2^32, and the
    rest: of 2^24 pixels they are past 64 bits.
    """

    sums: NDArray[np.int64]
    squares: NDArray[np.uint64]
    least: float
    step: float

    def square_sum(self, images: NDArray[np.int64] | slice = slice(None)) -> int:
        """Add up the squares of some images."""
        high, low = map(sum, self.squares[images].T.tolist())
        return (high << 32) + low


def sum_by_image(maps: Maps, index: ConceptIndex) -> Quanta:
    """Sum a unit's activations by image and label set."""
    rows = np.arange(len(index.local_sets), dtype=np.int32)
    return _in_quanta(maps, index, rows, index.local_totals)


def _in_quanta(
    maps: Maps,
    index: ConceptIndex,
    places: NDArray[np.int32],
    totals: NDArray[np.integer],
    *,
    signed: bool = False,
) -> Quanta:
    """Sum activations by the ``places`` of the rows of the images' tables, of ``totals`` pixels."""
    is_sparse = isinstance(maps, SparseMaps)
    values = maps.values if isinstance(maps, SparseMaps) else maps
    first = 0.0 if isinstance(maps, SparseMaps) and maps.n_zeros else np.inf
    low, high = float(values.min(initial=first)), float(values.max(initial=-first))
    zero, width = (0.0, max(-low, high)) if signed else (low, high - low)
    squares = np.zeros((len(maps), 2), dtype=np.uint64)
    if not width > 0:
        return Quanta(np.zeros(len(totals), dtype=np.int64), squares, zero, 0.0)
    scale, least = QUANTA / width, -QUANTA if signed else 0
    # Sums begin with what zero is scaled to, for every pixel; only others are added.
    of_zero = int(min(max(np.rint(-zero * scale), least), QUANTA)) if is_sparse else 0
    sums = of_zero * totals.astype(np.int64)
    squares[:] = divmod(index.maps.shape[1] * of_zero**2, 1 << 32)
    rows = axis_of(axis_weights(maps.shape[1], index.mask_shape[0]))
    columns = axis_of(axis_weights(maps.shape[2], index.mask_shape[1]))
    for images, block in blocks_of(maps):
        of_images = np.zeros((len(images), 2), dtype=np.uint64)
        for some, start, local_maps, offsets in index.pieces(images):
            _add_activations(
                block[some], images[some] - start, rows, columns, zero, scale, least, is_sparse,
                of_zero, local_maps, offsets, places, sums, of_images[some],
            )  # fmt: skip
        squares[images] = of_images
    return Quanta(sums, squares, zero, width / QUANTA)


@kernel
def _add_activations(
    maps: NDArray[np.float32],
    images: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    zero: float,
    scale: float,
    least: int,
    is_sparse: bool,
    of_zero: int,
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    sums: NDArray[np.int64],
    squares: NDArray[np.uint64],
) -> None:
    """Add what every pixel's activation is above ``of_zero``, in quanta, to ``sums``.

    The squares of all activations of an image go to its place in ``squares``; 64 bits hold those
    of a row of pixels. In sparse maps only the pixels between cells of which one is not zero are
    upsampled, and those between them in a row.
    """
    y0, y1, v0, v1, _ = rows
    x0, x1, u0, u1, _ = columns
    n_pixels = len(y0) * len(x0)
    widened = np.empty((maps.shape[1], len(x0)), dtype=np.float32)
    quanta = np.empty(len(x0), dtype=np.int64)
    starts, stops = np.empty(maps.shape[1], dtype=np.int64), np.empty(maps.shape[1], dtype=np.int64)
    for place in range(len(images)):
        image = images[place]
        for y in range(maps.shape[1]):
            starts[y], stops[y] = 0, len(x0)
            if is_sparse:
                starts[y], stops[y] = len(x0), 0
                for x in range(len(x0)):
                    if maps[place, y, x0[x]] != 0 or maps[place, y, x1[x]] != 0:
                        starts[y], stops[y] = min(starts[y], x), x + 1
            for x in range(len(x0)):
                widened[y, x] = fused_multiply_add(
                    maps[place, y, x0[x]], u0[x], maps[place, y, x1[x]] * u1[x]
                )
        table = local_sets[offsets[image] : offsets[image + 1]]
        high, low = np.uint64(0), np.uint64(0)
        n_left = n_pixels
        for y in range(len(y0)):
            start = min(starts[y0[y]], starts[y1[y]])
            stop = max(stops[y0[y]], stops[y1[y]], start)
            above, below = widened[y0[y], start:stop], widened[y1[y], start:stop]
            v_above, v_below = v0[y], v1[y]
            row = np.uint64(0)
            for x in range(stop - start):
                value = fused_multiply_add(above[x], v_above, below[x] * v_below)
                # Upsampling can round a value past the largest of its inputs.
                quanta[x] = np.int64(min(max(np.rint((value - zero) * scale), least), QUANTA))
                row += np.uint64(quanta[x] * quanta[x])
            high += row >> np.uint64(32)
            low += row & np.uint64(0xFFFFFFFF)
            pixel = image * n_pixels + y * len(x0)
            local = local_maps[pixel + start : pixel + stop]
            for x in range(stop - start):
                sums[table[local[x]]] += quanta[x] - of_zero
            n_left -= stop - start
        of_zeros = np.uint64(of_zero * of_zero)
        squares[place, 0] = high + np.uint64(n_left) * (of_zeros >> np.uint64(32))
        squares[place, 1] = low + np.uint64(n_left) * (of_zeros & np.uint64(0xFFFFFFFF))
