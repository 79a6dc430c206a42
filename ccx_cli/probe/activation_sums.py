"""A unit's activation summed by label set, without a look at every pixel.

Upsampling is linear: the sum over an image's pixels of one label set is that of its cells, each
times the bilinear weights that those pixels have on it. The weights are the same for all units of
all layers with maps of that size, and are found once; cells of zero are skipped. The sum of squares
over all pixels is a quadratic form of the cells.

That is fast where weights are far fewer than pixels. Where they are more than ``MOST_SHARE`` of
them and more than ``FEW``, or more than ``MOST_BYTES``, nothing is summed: it would take long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits_kernel import Axis, axis_of
from ccx_cli.probe.sparse_maps import Maps, SparseMaps, blocks_of
from ccx_cli.probe.upsampling import AxisWeights, axis_weights

MOST_SHARE, FEW = 1 / 4, 1 << 20
MOST_BYTES = 1 << 31
_CELLS_TIMES_SETS = 1 << 22
_SKIPPED_SHARE = 1 / 4
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class ActivationSums:
    """Sums of a unit's activation, each pixel's minus ``zero``.

    Attributes
    ----------
    per_set
        ``(n_sets,)`` float64, by distinct label set of the dataset.
    total, squares
        Over all ``pixels``, of the activation and of its squares.
    """

    per_set: NDArray[np.float64]
    total: float
    squares: float
    zero: float
    pixels: int

    def pearson(self, within: float, size: int) -> float | None:
        """Correlate the activation with a formula of ``size`` pixels, whose sum is ``within``.

        ``None`` where either is the same on all pixels, or an activation is no finite number.
        """
        spread = self.squares - self.total * self.total / self.pixels if self.pixels else 0.0
        if not (0 < size < self.pixels and _ROUNDING * self.squares < spread < math.inf):
            return None
        share = size / self.pixels
        return _limited((within - self.total * share) / math.sqrt(spread * size * (1 - share)))

    def cosine(self, within: float, size: int) -> float | None:
        """Return their cosine similarity; ``None`` where either is zero on all pixels."""
        zero = self.zero
        squares = self.squares + 2 * zero * self.total + zero * zero * self.pixels
        if not (size and 0 < squares < math.inf):
            return None
        return _limited((within + zero * size) / math.sqrt(squares * size))


def _limited(correlation: float) -> float:
    return max(-1.0, min(1.0, correlation))


class _Weights(NamedTuple):
    """The weights of pixels on cells, by image, cell and row of the image's table.

    Attributes
    ----------
    starts
        ``(n_images,)`` int64, where an image's begin.
    counts
        ``(n_images * n_cells,)`` uint16, how many each cell has.
    rows, values
        ``(n_weights,)``, integers as in the maps of the index, and float32.
    """

    starts: NDArray[np.int64]
    counts: NDArray[np.uint16]
    rows: NDArray[np.uint8] | NDArray[np.uint16]
    values: NDArray[np.float32]


class _Products(NamedTuple):
    """What cells along an axis weigh in sums over the pixels, ``(n_cells,)`` float64 each.

    ``own`` of the cell, ``squares`` of its square, ``next`` of its product with the next cell.
    """

    own: NDArray[np.float64]
    squares: NDArray[np.float64]
    next: NDArray[np.float64]

    @classmethod
    def of(cls, axis: AxisWeights, n_cells: int) -> _Products:
        weights = np.zeros((len(axis.i0), n_cells))
        pixels = np.arange(len(axis.i0))
        np.add.at(weights, (pixels, axis.i0), 1 - axis.w1.astype(np.float64))
        np.add.at(weights, (pixels, axis.i1), axis.w1.astype(np.float64))
        following = np.append((weights[:, :-1] * weights[:, 1:]).sum(axis=0), 0)
        return cls(weights.sum(axis=0), (weights**2).sum(axis=0), following)


class _Prepared(NamedTuple):
    shape: tuple[int, int]
    row_products: _Products
    column_products: _Products
    weights: _Weights | None


class ActivationSummer:
    """Sums the activations of units on a dataset; threads may share it."""

    def __init__(self, index: ConceptIndex) -> None:
        self._index = index
        self._lock = Lock()
        self._prepared: _Prepared | None = None

    def prepare(self, maps: Maps) -> _Prepared:
        """Return what maps of a size are summed with, made at the first call for that size."""
        _, *sizes = maps.shape
        shape = (sizes[0], sizes[1])
        with self._lock:
            if self._prepared is None or self._prepared.shape != shape:
                self._prepared = None
                self._prepared = _prepare(self._index, shape)
            return self._prepared

    def sums(self, maps: Maps) -> ActivationSums | None:
        """Sum a unit's activations by label set; ``None`` where there are too many weights.

        ``maps`` are ``(n_images, height, width)``.
        """
        index, (_, *products, weights) = self._index, self.prepare(maps)
        if weights is None:
            return None
        if isinstance(maps, SparseMaps) and not _is_zero_common(maps):
            maps = maps.dense()
        zero = _zero_of(maps)
        per_set = np.zeros(len(index.sets))
        totals, squares = np.zeros(len(maps)), np.zeros(len(maps))
        for images, block in blocks_of(maps):
            _add_sums(
                block, images, zero, products[0], products[1], weights,
                index.offsets, index.local_sets, index.max_local,
                per_set, totals, squares,
            )  # fmt: skip
        return ActivationSums(
            per_set, float(totals.sum()), float(squares.sum()), zero, index.n_pixels
        )


def _is_zero_common(maps: Maps) -> bool:
    size = math.prod(maps.shape)
    zeros = maps.n_zeros if isinstance(maps, SparseMaps) else size - np.count_nonzero(maps)
    return bool(zeros >= _SKIPPED_SHARE * size)


def _zero_of(maps: Maps) -> float:
    """Return zero where it is common enough to be skipped, otherwise about the mean.

    Differences from a mean far from zero would be lost in sums of what is far from zero.
    """
    if isinstance(maps, SparseMaps) or _is_zero_common(maps):
        return 0.0
    with np.errstate(invalid="ignore"):  # infinite activations
        return float(np.float32(maps.mean(dtype=np.float64)))


def _prepare(index: ConceptIndex, shape: tuple[int, int]) -> _Prepared:
    axes = [axis_weights(*sizes) for sizes in zip(shape, index.mask_shape, strict=True)]
    row_products, column_products = map(_Products.of, axes, shape)
    weights = _weights_of(index, shape, *map(axis_of, axes))
    return _Prepared(shape, row_products, column_products, weights)


def _weights_of(
    index: ConceptIndex, shape: tuple[int, int], rows: Axis, columns: Axis
) -> _Weights | None:
    n_cells, most = shape[0] * shape[1], max(FEW, int(MOST_SHARE * index.maps.size))
    if n_cells * index.n_images > most:
        return None
    dtype = index.maps.dtype
    n_weights = min(most, MOST_BYTES // (dtype.itemsize + 4))
    # What is never written to takes no memory.
    found = _Weights(
        np.empty(index.n_images, dtype=np.int64),
        np.empty(index.n_images * n_cells, dtype=np.uint16),
        np.empty(n_weights, dtype=dtype),
        np.empty(n_weights, dtype=np.float32),
    )
    end = 0
    for some, first, local_maps, offsets in index.pieces(np.arange(index.n_images)):
        part = found._replace(starts=found.starts[some], counts=found.counts[first * n_cells :])
        end = _weigh(local_maps, offsets, rows, columns, shape, _CELLS_TIMES_SETS, end, part)
        if end < 0:
            return None
    return found


@kernel
def _weigh(
    local_maps: NDArray[np.uint8] | NDArray[np.uint16],
    offsets: NDArray[np.int64],
    rows: Axis,
    columns: Axis,
    shape: tuple[int, int],
    most_sums: int,
    start: int,
    weights: _Weights,
) -> int:
    """Fill ``weights`` of ``shape`` from ``start`` on; return where they end, -1 if not all fit.

    Pixels between the same four cells are weighed by label set before the cells get their sums. An
    image of more than ``most_sums`` cells times label sets does not fit.
    """
    starts, counts, weight_rows, values = weights
    n_cells, n_across = np.uint64(shape[0] * shape[1]), np.uint64(shape[1])
    y0, y1, _, v1, _ = rows
    x0, x1, _, u1, _ = columns
    height, width = np.uint64(len(y0)), np.uint64(len(x0))
    row_ends, column_ends = _ends(y0, y1), _ends(x0, x1)
    sums = np.zeros(most_sums, dtype=np.float64)
    # Cells and rows of the image's table whose weight is not zero.
    found_cells = np.empty(4 * len(y0) * len(x0) + 1, dtype=np.uint64)
    found_rows = np.empty_like(found_cells)
    corners = np.zeros(4 << 16, dtype=np.float64)
    there = np.empty(len(y0) * len(x0) + 1, dtype=np.uint64)
    places = np.empty(n_cells, dtype=np.uint64)
    one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    end = np.uint64(start)
    for image in range(np.uint64(len(starts))):
        n_local = np.uint64(offsets[image + one] - offsets[image])
        if n_local * n_cells > np.uint64(most_sums):
            return -1
        n = np.uint64(0)
        top = np.uint64(0)
        for bottom in row_ends:
            left = np.uint64(0)
            for right in column_ends:
                n_there = np.uint64(0)
                for y in range(top, bottom):
                    below = np.float64(v1[y])
                    above = 1.0 - below
                    line = (image * height + y) * width
                    for x in range(left, right):
                        place = four * np.uint64(local_maps[line + x])
                        after = np.float64(u1[x])
                        before = 1.0 - after
                        there[n_there] = place
                        n_there += np.uint64(
                            corners[place] + corners[place + one]
                            + corners[place + two] + corners[place + three] == 0.0
                        )  # fmt: skip
                        corners[place] += above * before
                        corners[place + one] += above * after
                        corners[place + two] += below * before
                        corners[place + three] += below * after
                for corner in range(four):
                    row = y1[top] if corner > one else y0[top]
                    column = x1[left] if corner & one else x0[left]
                    cell = row * n_across + column
                    for each in range(n_there):
                        weight = corners[there[each] + corner]
                        corners[there[each] + corner] = 0.0
                        local = there[each] // four
                        place = cell * n_local + local
                        found_cells[n], found_rows[n] = cell, local
                        n += np.uint64(sums[place] == 0.0 and weight != 0.0)
                        sums[place] += weight
                left = right
            top = bottom
        if end + n > np.uint64(len(values)):
            return -1
        own = counts[image * n_cells : (image + one) * n_cells]
        own[:] = 0
        for each in range(n):
            own[found_cells[each]] += 1
        starts[image] = end
        for cell in range(n_cells):
            places[cell] = end
            end += np.uint64(own[cell])
        for each in range(n):
            cell, local = found_cells[each], found_rows[each]
            weight_rows[places[cell]] = local
            values[places[cell]] = sums[cell * n_local + local]
            places[cell] += one
            sums[cell * n_local + local] = 0.0
    return int(end)


@kernel
def _ends(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return where pixels that lie between the same two cells end, along an axis."""
    ends = np.empty(len(first), dtype=np.uint64)
    n = 0
    for pixel in range(1, len(first)):
        ends[n] = pixel
        n += first[pixel] != first[pixel - 1] or second[pixel] != second[pixel - 1]
    ends[n] = len(first)
    return ends[: n + 1]


@kernel
def _add_sums(
    maps: NDArray[np.float32],
    images: NDArray[np.int64],
    zero: float,
    row_products: _Products,
    column_products: _Products,
    weights: _Weights,
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    max_local: int,
    per_set: NDArray[np.float64],
    totals: NDArray[np.float64],
    squares: NDArray[np.float64],
) -> None:
    """Add the activations of ``images``, minus ``zero``, to sums by label set and by image."""
    height, width = maps.shape[1], maps.shape[2]
    n_cells = np.uint64(height * width)
    starts, counts, weight_rows, weight_values = weights
    # A row and a column of zeros on each side, for the products.
    cells = np.zeros((height + 1, width + 2), dtype=np.float64)
    sums = np.zeros(max_local, dtype=np.float64)
    for place in range(len(images)):
        image = np.uint64(images[place])
        anything = False
        for y in range(height):
            for x in range(width):
                value = np.float64(maps[place, y, x]) - zero
                cells[y, x + 1] = value
                anything = anything or value != 0.0
        if not anything:
            continue
        total, square = 0.0, 0.0
        for y in range(height):
            own, above, beyond = row_products.own[y], row_products.squares[y], row_products.next[y]
            for x in range(width):
                value = cells[y, x + 1]
                if value == 0.0:
                    continue
                total += value * own * column_products.own[x]
                before = column_products.next[x - 1] if x else 0.0
                middle, after = column_products.squares[x], column_products.next[x]
                square += value * (
                    above * (middle * value + 2.0 * after * cells[y, x + 2])
                    + 2.0 * beyond * (
                        before * cells[y + 1, x]
                        + middle * cells[y + 1, x + 1]
                        + after * cells[y + 1, x + 2]
                    )
                )  # fmt: skip
        totals[image], squares[image] = total, square
        first = np.uint64(offsets[image])
        n_local = np.uint64(offsets[image + np.uint64(1)]) - first
        for local in range(n_local):
            sums[local] = 0.0
        entry = np.uint64(starts[image])
        cell = image * n_cells
        for y in range(height):
            for x in range(width):
                stop = entry + np.uint64(counts[cell])
                value = cells[y, x + 1]
                if value != 0.0:
                    for each in range(entry, stop):
                        sums[np.uint64(weight_rows[each])] += value * weight_values[each]
                entry = stop
                cell += np.uint64(1)
        for local in range(n_local):
            if sums[local] != 0.0:
                per_set[np.uint64(local_sets[first + local])] += sums[local]
