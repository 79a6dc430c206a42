"""Activations that are rarely other than zero: only those are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

_CELLS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class SparseMaps:
    """One unit's activations where they are not zero, in (image, row, column) order.

    Attributes
    ----------
    shape
        Images, height and width, as of a dense array.
    positions
        ``(n,)`` int64, ascending: ``(image * height + row) * width + column``.
    values
        ``(n,)`` float32, none of them zero.
    """

    shape: tuple[int, int, int]
    positions: NDArray[np.int64]
    values: NDArray[np.float32]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Cells of all maps."""
        return prod(self.shape)

    @property
    def n_cells(self) -> int:
        """Cells of one image's map."""
        return self.shape[1] * self.shape[2]

    @property
    def n_zeros(self) -> int:
        """Cells of all maps that are zero."""
        return self.size - len(self.values)

    @property
    def has_negatives(self) -> bool:
        """Whether a value is below zero."""
        return bool((self.values < 0).any())

    def any(self) -> bool:
        """Tell whether a value is there at all."""
        return bool(self.values.size)

    def __getitem__(self, images: slice | NDArray[np.integer]) -> SparseMaps:
        """Return the maps of some images, in the order given."""
        chosen = np.arange(len(self))[images]
        starts = np.searchsorted(self.positions, np.arange(len(self) + 1) * self.n_cells)
        counts = np.diff(starts)[chosen]
        place = np.repeat(np.arange(len(chosen)), counts)
        within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
        taken = starts[chosen][place] + within
        positions = place * self.n_cells + self.positions[taken] % self.n_cells
        return SparseMaps((len(chosen), *self.shape[1:]), positions, self.values[taken])

    def dense(self) -> NDArray[np.float32]:
        """Return the maps with their zeros, ``(n_images, height, width)``."""
        maps = np.zeros(self.shape, dtype=np.float32)
        maps.reshape(-1)[self.positions] = self.values
        return maps


Maps = NDArray[np.float32] | SparseMaps
"""One unit's activations, ``(n_images, height, width)``."""


def dense_maps(maps: Maps) -> NDArray[np.float32]:
    """Return maps as an array, for readers that look at single images or cells."""
    return maps.dense() if isinstance(maps, SparseMaps) else maps


def blocks_of(maps: Maps) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield maps by images, ``(n,)`` and ``(n, height, width)``: the images that are not all zero.

    An array is one block, with all its images.
    """
    if not isinstance(maps, SparseMaps):
        yield np.arange(len(maps)), np.ascontiguousarray(maps, dtype=np.float32)
        return
    images, firsts = np.unique(maps.positions // maps.n_cells, return_index=True)
    firsts = np.append(firsts, len(maps.positions))
    at_once = max(1, _CELLS_AT_ONCE // maps.n_cells)
    for start in range(0, len(images), at_once):
        own = images[start : start + at_once]
        kept = slice(firsts[start], firsts[start + len(own)])
        block = np.zeros((len(own), *maps.shape[1:]), dtype=np.float32)
        place = np.searchsorted(own, maps.positions[kept] // maps.n_cells)
        block.reshape(-1)[place * maps.n_cells + maps.positions[kept] % maps.n_cells] = maps.values[
            kept
        ]
        yield own, block


@dataclass(frozen=True, slots=True)
class SparseBatch:
    """Activations of all units on consecutive images, where they may be other than zero.

    Attributes
    ----------
    shape
        Units, images, height and width, as of a dense shard.
    positions
        ``(n,)`` integers: ``(image * height + row) * width + column``, images counted from the
        first of the batch.
    units
        ``(n,)`` integers. No unit has a position twice.
    values
        ``(n,)`` float32.
    """

    shape: tuple[int, int, int, int]
    positions: NDArray[np.integer]
    units: NDArray[np.integer]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, maps: NDArray[np.float32]) -> SparseBatch:
        """Take what is not zero of dense maps, ``(n_units, n_images, height, width)``."""
        n_units, *_ = maps.shape
        units, positions = np.nonzero(maps.reshape(n_units, -1))
        return cls(maps.shape, positions, units, maps[maps != 0])

    def __len__(self) -> int:
        return self.shape[1]

    def images(self, start: int, stop: int) -> SparseBatch:
        """Return the batch of the images from ``start`` to before ``stop``."""
        n_units, _, height, width = self.shape
        cells = height * width
        kept = (self.positions >= start * cells) & (self.positions < stop * cells)
        return SparseBatch(
            (n_units, stop - start, height, width),
            self.positions[kept] - start * cells,
            self.units[kept],
            self.values[kept],
        )
