"""Maps of an index that exceed the memory stay in its shards, and are mapped to it one by one."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import DamagedDataError

LocalMaps = NDArray[np.uint8] | NDArray[np.uint16]
_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container or a job


@dataclass(frozen=True, slots=True)
class ShardMaps:
    """Where a file has the maps of consecutive images, from ``start`` to before ``stop``."""

    path: Path
    offset: int
    dtype: np.dtype[Any]
    start: int
    stop: int

    def map(self, n_pixels: int) -> LocalMaps:
        """Map them to memory, ``(n_images, n_pixels)``: only what is looked at is read."""
        with self._unchanged():
            # Mode "c" for kernels, which are compiled for arrays that can be written to.
            shape = self.stop - self.start, n_pixels
            mapped = np.memmap(self.path, self.dtype, "c", self.offset, shape)
        return np.asarray(mapped)

    def read(self, n_pixels: int) -> LocalMaps:
        """Read them all, ``(n_images, n_pixels)``: faster than to map what is looked at once."""
        with self._unchanged():
            shape = self.stop - self.start, n_pixels
            found = np.fromfile(self.path, self.dtype, math.prod(shape), offset=self.offset)
            return found.reshape(shape)

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise DamagedDataError(
                f"{self.path} changed while it was read: run the command again."
            ) from error


@dataclass(frozen=True, slots=True)
class StoredMaps:
    """Stands for an array ``(n_images, n_pixels)``; indexing it reads some images.

    ``images`` are ``(n_images,)``, ascending: where each is in the shards.
    """

    shards: Sequence[ShardMaps]
    images: NDArray[np.int64]
    n_pixels: int
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.uint16)

    @property
    def shape(self) -> tuple[int, int]:
        """As of an array."""
        return len(self.images), self.n_pixels

    @property
    def size(self) -> int:
        """As of an array."""
        return len(self.images) * self.n_pixels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: Any) -> NDArray[np.uint16]:
        images = self.images[chosen]
        found = np.empty((*np.shape(images), self.n_pixels), dtype=self.dtype)
        for shard in self.shards:
            inside = (images >= shard.start) & (images < shard.stop)
            if np.any(inside):
                found[inside] = shard.map(self.n_pixels)[images[inside] - shard.start]
        return found

    def __array__(self, *_: Any, **__: Any) -> NDArray[np.uint16]:
        return self[:]

    def of_images(self, chosen: NDArray[np.int64]) -> StoredMaps:
        """Return those of some images, ascending; nothing is read."""
        return replace(self, images=self.images[chosen])

    def pieces(self, chosen: NDArray[np.int64]) -> Iterator[tuple[slice, int, LocalMaps]]:
        """Yield the maps of some images, ascending, shard by shard.

        Which of them, the first image that is in the shard, and the maps from that one on.
        """
        for shard in self.shards:
            first, last = np.searchsorted(self.images, (shard.start, shard.stop))
            some = slice(*np.searchsorted(chosen, (first, last)))
            if some.start < some.stop:
                maps = shard.map(self.n_pixels)
                own = self.images[first:last] - shard.start
                yield some, int(first), maps if len(own) == len(maps) else maps[own]


def usual_memory() -> int:
    """A quarter of the memory of this machine, or of what this process may take of it, in bytes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):
        memory = min(memory, int(_LIMIT.read_text(encoding="ascii")))
    return memory // 4
