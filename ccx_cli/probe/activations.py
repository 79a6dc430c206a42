"""The activations cache: a layer's output for every image, in shards of images.

Shard ``images-START-STOP`` holds ``activations``, ``(n_units, n_images, height, width)`` float32,
so that one unit's maps are contiguous in every shard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import FileCheck, images_fingerprint
from ccx_cli.probe.given_activations import GIVEN, ActivationSource, PrecomputedActivations
from ccx_cli.store.digests import json_digest
from ccx_cli.store.shards import ShardedCache
from ccx_cli.store.steps import Step

KIND = "ccx-activations"
VERSION = 1
_SHARD_BYTES = 64 << 20
_MOST_IMAGES = 512
_SHARD_NAME = re.compile(r"images-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Activations:
    """A complete cache, its shards in image order, read one unit at a time."""

    cache: ShardedCache
    names: tuple[str, ...]
    units: int
    n_images: int
    map_shape: tuple[int, int]

    def unit(self, unit: int) -> NDArray[np.float32]:
        """Read one unit's maps, ``(n_images, height, width)`` float32."""
        maps = np.empty((self.n_images, *self.map_shape), dtype=np.float32)
        for name in self.names:
            start, stop = _span(name)
            with self.cache.read(name) as file:
                file["activations"].read_direct(maps, np.s_[unit], np.s_[start:stop])
        return maps


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
    if not covers(cache, len(dataset.rows)):
        raise cache.unfinished()
    maps = stored_maps(cache)
    assert maps is not None
    return Activations(cache, tuple(sorted(cache.shards)), maps[0], len(dataset.rows), maps[1:])


def stored_maps(cache: ShardedCache) -> tuple[int, int, int] | None:
    """Return units, height and width of the maps in a cache, ``None`` if it has none yet."""
    for name in sorted(cache.shards)[:1]:
        with cache.read(name) as file:
            units, _, height, width = file["activations"].shape
        return units, height, width
    return None


def activations_step(
    cache: ShardedCache,
    n_images: int,
    maps: tuple[int, int, int] | None,
    seconds_per_image: float | None = None,
) -> Step:
    """Say how many images a cache lacks; ``maps`` is what ``stored_maps`` returns, or will."""
    done = sum(stop - start for start, stop in map(_span, cache.shards))
    missing = n_images - done
    return Step(
        "activations",
        cache.directory,
        "images",
        n_images,
        done,
        None if maps is None else 4 * prod(maps) * missing,
        None if seconds_per_image is None else seconds_per_image * missing,
    )


def images_per_shard(units: int, map_shape: tuple[int, int]) -> int:
    """Return how many images' maps make a shard of a handy size, at least one."""
    image_bytes = 4 * units * map_shape[0] * map_shape[1]
    return min(max(_SHARD_BYTES // image_bytes, 1), _MOST_IMAGES)


def shard_name(start: int, stop: int) -> str:
    """Name the shard of the images from ``start`` to before ``stop``."""
    return f"images-{start:06d}-{stop:06d}"


def missing_spans(cache: ShardedCache, n_images: int, block: int) -> list[tuple[int, int]]:
    """Return the spans of ``block`` images that a cache lacks, and drop shards of other spans."""
    spans = [(start, min(start + block, n_images)) for start in range(0, n_images, block)]
    stale = set(cache.shards) - {shard_name(*span) for span in spans}
    if stale:
        cache.drop(sorted(stale))
    return [span for span in spans if shard_name(*span) not in cache]


def _span(name: str) -> tuple[int, int]:
    match = _SHARD_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no shard of activations")
    return int(match[1]), int(match[2])


def covers(cache: ShardedCache, n_images: int) -> bool:
    """Return whether the shards hold all images, each once."""
    reached = 0
    for start, stop in sorted(_span(name) for name in cache.shards):
        if start != reached:
            return False
        reached = stop
    return reached == n_images
