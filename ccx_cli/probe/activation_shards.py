"""Shards of the activations cache: which images they hold, and in which of two forms.

Shard ``images-START-STOP`` holds ``activations``, ``(n_units, n_images, height, width)`` float32,
so that one unit's maps are contiguous. Where few are not zero it holds those alone, unit after
unit: ``positions`` and ``values``, and where each unit ``ends`` in them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.store.shards import Shard, ShardedCache

if TYPE_CHECKING:
    import h5py

_SHARD_BYTES = 64 << 20
_MOST_IMAGES = 512
# A shard is sparse where that makes it this many times smaller.
_SMALLER = 8
# What sparse shards hold: few of them, as each is looked into for every unit.
_MOST_VALUES = 1 << 24
_MOST_SPARSE_IMAGES = 4096
_SHARD_NAME = re.compile(r"images-(\d+)-(\d+)")


def images_per_shard(units: int, map_shape: tuple[int, int]) -> int:
    """Return how many images' maps make a shard of a handy size, at least one."""
    image_bytes = 4 * units * map_shape[0] * map_shape[1]
    return min(max(_SHARD_BYTES // image_bytes, 1), _MOST_IMAGES)


def images_together(height: int, width: int) -> int:
    """Return how many images a sparse shard has at most: positions are numbers of 32 bits."""
    return min(_MOST_SPARSE_IMAGES, np.iinfo(np.int32).max // (height * width))


def shard_name(start: int, stop: int) -> str:
    """Name the shard of the images from ``start`` to before ``stop``."""
    return f"images-{start:06d}-{stop:06d}"


def shard_span(name: str) -> tuple[int, int]:
    """Return the images of a shard: the first, and the one after the last."""
    match = _SHARD_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no shard of activations")
    return int(match[1]), int(match[2])


def missing_spans(cache: ShardedCache, n_images: int, block: int) -> list[tuple[int, int]]:
    """Return the spans of up to ``block`` images that a cache lacks.

    Shards of any span stay, but for those that hold images again that an earlier one has.
    """
    spans: list[tuple[int, int]] = []
    again: list[str] = []
    reached = 0
    for start, stop, name in sorted(
        [(*shard_span(name), name) for name in cache.shards] + [(n_images, n_images, "")]
    ):
        if start < reached:
            again.append(name)
            continue
        cuts = range(reached - reached % block + block, start, block)
        spans.extend(pairwise((reached, *cuts, start)) if reached < start else ())
        reached = stop
    if again:
        cache.drop(again)
    return spans


def covers(cache: ShardedCache, n_images: int) -> bool:
    """Return whether the shards hold all images, each once."""
    reached = 0
    for start, stop in sorted(map(shard_span, cache.shards)):
        if start != reached:
            return False
        reached = stop
    return reached == n_images


class Made(NamedTuple):
    """The images from ``start`` to before ``stop``: their shard, or what is not zero of them."""

    start: int
    stop: int
    content: Shard | SparseBatch


def make_shard(
    cache: ShardedCache, said: Mapping[str, str], start: int, maps: NDArray[np.float32]
) -> Made:
    """Write ``(n_units, n_images, height, width)`` of the images from ``start``, unless sparse.

    The shard is written apart; ``said`` are its attributes.
    """
    stop = start + maps.shape[1]
    sparse_bytes = 8 * (np.count_nonzero(maps) + len(maps))
    if sparse_bytes * _SMALLER <= maps.nbytes:
        return Made(start, stop, SparseBatch.of(maps))
    apart, name = cache.apart(), shard_name(start, stop)
    with apart.write(name) as file:
        file.attrs.update(said)
        file["activations"] = maps
    return Made(start, stop, apart.shards[name])


class ShardWriter:
    """Keeps shards of images as they come, in the form that is smaller by far.

    What is sparse is gathered over consecutive images, so that there are few shards. ``flush``
    writes what is left of it, at the end and where nothing may be lost. ``said`` are attributes of
    every shard. Hold the directory's lock.
    """

    def __init__(self, cache: ShardedCache, said: Mapping[str, str] | None = None) -> None:
        self._cache = cache
        self._said = said or {}
        self._first = self._n_images = self._n_values = 0
        self._waiting: list[SparseBatch] = []

    def add(self, start: int, maps: NDArray[np.float32] | SparseBatch) -> None:
        """Take ``(n_units, n_images, height, width)`` of the images from ``start``."""
        if isinstance(maps, SparseBatch):
            self.take(Made(start, start + len(maps), maps))
        else:
            self.take(make_shard(self._cache, self._said, start, maps))

    def take(self, made: Made) -> None:
        """Take images for which there is a shard already, or what is not zero of them."""
        start, stop, maps = made
        if isinstance(maps, Shard):
            self.flush()
            if shard_name(start, stop) not in self._cache:
                self._cache.register({shard_name(start, stop): maps})
            return
        is_next = start == self._first + self._n_images
        if not is_next or self._n_images + len(maps) > images_together(*maps.shape[2:]):
            self.flush()
        if not self._waiting:
            self._first = start
        self._waiting.append(maps)
        self._n_images += len(maps)
        self._n_values += len(maps.values)
        if self._n_values >= _MOST_VALUES:
            self.flush()

    def flush(self) -> None:
        """Write the sparse maps that wait, if any."""
        if not self._waiting:
            return
        n_units, _, height, width = self._waiting[0].shape
        shape = n_units, self._n_images, height, width
        ends, positions, values = _by_unit(self._waiting, shape)
        apart, name = self._cache.apart(), shard_name(self._first, self._first + self._n_images)
        with apart.write(name) as file:
            file.attrs.update(self._said)
            file.attrs["shape"] = shape
            file["ends"], file["positions"], file["values"] = ends, positions, values
        self._cache.register(apart.shards)
        self._waiting = []
        self._n_images = self._n_values = 0


def _by_unit(
    batches: list[SparseBatch], shape: tuple[int, int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """Sort the values of consecutive batches by unit and position, and leave zeros out."""
    from scipy.sparse import coo_array  # slow to import

    n_units, n_images, height, width = shape
    cells = height * width
    firsts = np.cumsum([0, *map(len, batches)])
    positions = [
        (batch.positions + first * cells).astype(np.int32)
        for batch, first in zip(batches, firsts[:-1], strict=True)
    ]
    entries = coo_array(
        (
            np.concatenate([batch.values for batch in batches]),
            (np.concatenate(positions), np.concatenate([batch.units for batch in batches])),
        ),
        shape=(n_images * cells, n_units),
    )
    columns = entries.tocsc()
    columns.eliminate_zeros()
    columns.sort_indices()
    return (
        columns.indptr[1:].astype(np.int64),
        columns.indices.astype(np.uint32),
        columns.data.astype(np.float32, copy=False),
    )


@dataclass(frozen=True, slots=True)
class SparseShard:
    """Where the file of a sparse shard keeps the values of each unit, read without HDF5.

    That is faster by far for a unit, and as nothing stays open, threads and forks do not matter.
    """

    path: Path
    first_position: int
    ends: NDArray[np.int64]
    positions_at: int
    values_at: int

    @classmethod
    def of(cls, file: h5py.File, start: int) -> SparseShard | None:
        """Look into an open shard of the images from ``start``; None if it is dense."""
        if "ends" not in file:
            return None
        _, _, height, width = file.attrs["shape"]
        # Nothing was written where no unit has a value.
        at = [file[name].id.get_offset() or 0 for name in ("positions", "values")]
        return cls(Path(file.filename), start * int(height * width), file["ends"][()], *at)

    def unit(self, unit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return a unit's positions among all images, and its values; OSError if they are gone."""
        begin, end = int(self.ends[unit - 1]) if unit else 0, int(self.ends[unit])
        positions = np.fromfile(self.path, "<u4", end - begin, offset=self.positions_at + 4 * begin)
        values = np.fromfile(self.path, "<f4", end - begin, offset=self.values_at + 4 * begin)
        if len(positions) != end - begin or len(values) != end - begin:
            raise OSError(f"{self.path} is cut off")
        return positions.astype(np.int64) + self.first_position, values
