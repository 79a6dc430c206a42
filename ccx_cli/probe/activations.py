"""The activations cache: a layer's output for every image, in shards of images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import FileCheck, images_fingerprint
from ccx_cli.probe.activation_shards import SparseShard, covers, shard_span
from ccx_cli.probe.given_activations import GIVEN, ActivationSource, PrecomputedActivations
from ccx_cli.probe.sparse_maps import Maps, SparseMaps
from ccx_cli.store.digests import json_digest
from ccx_cli.store.shards import ShardedCache
from ccx_cli.store.steps import Step

KIND = "ccx-activations"
VERSION = 1


@dataclass(frozen=True)
class Activations:
    """A complete cache, its shards in image order, read one unit at a time."""

    cache: ShardedCache
    names: tuple[str, ...]
    units: int
    n_images: int
    map_shape: tuple[int, int]

    @property
    def input_values(self) -> str | None:
        """What the network took of an image, where that is not colors in float32."""
        with self.cache.read(self.names[0]) as file:
            return file.attrs.get("input_values")  # type: ignore[no-any-return]

    def unit(self, unit: int) -> Maps:
        """Read one unit's maps, ``(n_images, height, width)``; sparse where all shards are."""
        if None not in self._sparse.values():
            parts = [self._values(name, unit) for name in self.names]
            positions, values = (np.concatenate(each) for each in zip(*parts, strict=True))
            return SparseMaps((self.n_images, *self.map_shape), positions, values)
        maps = np.zeros((self.n_images, *self.map_shape), dtype=np.float32)
        for name in self.names:
            if self._sparse[name] is not None:
                positions, values = self._values(name, unit)
                maps.reshape(-1)[positions] = values
                continue
            start, stop = shard_span(name)
            with self.cache.read(name) as file:
                file["activations"].read_direct(maps, np.s_[unit], np.s_[start:stop])
        return maps

    @cached_property
    def _sparse(self) -> dict[str, SparseShard | None]:
        found = {}
        for name in self.names:
            with self.cache.read(name) as file:
                found[name] = SparseShard.of(file, shard_span(name)[0])
        return found

    def _values(self, name: str, unit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        shard = self._sparse[name]
        assert shard is not None
        try:
            return shard.unit(unit)
        except OSError as error:
            raise self.cache.unreadable(name) from error


def activations_cache(
    dataset: BrodenDataset,
    source: ActivationSource,
    activations: Path,
    rebuild: str,
    check: FileCheck | None = None,
) -> ShardedCache:
    """Name the cache of a layer's activations on a dataset, and read what is there of it."""
    fingerprint = images_fingerprint(dataset, activations, check or FileCheck())
    made_from = activations_identity(dataset, source, fingerprint)
    title = GIVEN if isinstance(source, PrecomputedActivations) else source.title
    key = json_digest(made_from)[:10]
    directory = activations / f"{title}-{dataset.subset}-{key}"
    cache = ShardedCache(directory, KIND, VERSION, made_from, rebuild)
    cache.refresh()
    return cache


def activations_identity(
    dataset: BrodenDataset, source: ActivationSource, fingerprint: str
) -> dict[str, Any]:
    """Return everything that a layer's activations depend on; the fingerprint is the images'."""
    return {
        "dataset": dataset.name,
        "subset": dataset.subset,
        "images": len(dataset.rows),
        "fingerprint": fingerprint,
        **source.identity(),
    }


def open_activations(dataset: BrodenDataset, cache: ShardedCache) -> Activations:
    """Open a complete cache, whose shards are verified as they are read; else MissingInputError."""
    return whole_activations(cache, len(dataset.rows))


def whole_activations(cache: ShardedCache, n_images: int) -> Activations:
    """Open a complete cache of so many images, as ``open_activations`` does."""
    if not covers(cache, n_images):
        raise cache.unfinished()
    maps = stored_maps(cache)
    assert maps is not None
    return Activations(cache, tuple(sorted(cache.shards)), maps[0], n_images, maps[1:])


def stored_maps(cache: ShardedCache) -> tuple[int, int, int] | None:
    """Return units, height and width of the maps in a cache, ``None`` if it has none yet."""
    for name in sorted(cache.shards)[:1]:
        with cache.read(name) as file:
            dense = file.get("activations")
            units, _, height, width = file.attrs["shape"] if dense is None else dense.shape
        return int(units), int(height), int(width)
    return None


def activations_step(
    cache: ShardedCache,
    n_images: int,
    image_bytes: float | None,
    seconds_per_image: float | None = None,
) -> Step:
    """Say how many images a cache lacks, of which each will take ``image_bytes``."""
    done = sum(stop - start for start, stop in map(shard_span, cache.shards))
    missing = n_images - done
    return Step(
        "activations",
        cache.directory,
        "images",
        n_images,
        done,
        None if image_bytes is None else round(image_bytes * missing),
        None if seconds_per_image is None else seconds_per_image * missing,
    )
