"""Imports given activations into the activations cache, block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.activations import covers, images_a_shard, shard_name
from ccx_cli.probe.array_files import ArrayFile, open_array
from ccx_cli.probe.axes import Axes
from ccx_cli.probe.given_activations import GivenActivations, maps_of
from ccx_cli.probe.weights.known_digests import changed_meanwhile, stamp_of
from ccx_cli.progress import Progress
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache

_MOST_BYTES = 512 << 20


def import_activations(
    dataset: BrodenDataset, given: GivenActivations, cache: ShardedCache, progress: Progress
) -> None:
    """Copy the images that the cache lacks from the file, as float32; finished shards are kept.

    Raises
    ------
    MissingInputError
        If the file is not there any more.
    DamagedDataError
        If a value is not finite, or the file cannot be read.
    CcxError
        If it changes meanwhile.
    """
    n_images = len(dataset.rows)
    if covers(cache, n_images):
        return
    if not given.path.exists():
        raise MissingInputError(
            f"{given.path} is gone, and so are its activations in {cache.directory}: put it back."
        )
    with writing(cache.directory, progress):
        cache.refresh()
        if covers(cache, n_images):
            return
        with open_array(given.path, given.array) as array:
            block = _images_a_block(array, given.axes)
            spans = [(start, min(start + block, n_images)) for start in range(0, n_images, block)]
            missing = [span for span in spans if shard_name(*span) not in cache]
            stale = set(cache.shards) - {shard_name(*span) for span in spans}
            if stale:
                cache.drop(sorted(stale))
            done = n_images - sum(stop - start for start, stop in missing)
            with progress.task(f"Importing {given.path.name}", n_images, done=done) as task:
                for start, stop in missing:
                    maps = _read(array, given.axes, start, stop, dataset)
                    if stamp_of(given.path) != given.stamp:
                        raise changed_meanwhile(given.path)
                    with cache.write(shard_name(start, stop)) as file:
                        file["activations"] = maps
                    task.advance(stop - start)


def _images_a_block(array: ArrayFile, axes: Axes) -> int:
    """Return how many images to read at a time: whole chunks of the file where memory allows."""
    units, height, width = maps_of(array.shape, axes)
    block = images_a_shard(units, (height, width))
    if array.chunks is None:
        return block
    chunk = array.chunks[0 if axes is Axes.IMAGES_FIRST else 1]
    if chunk <= block:
        return block - block % chunk
    return chunk if 4 * units * height * width * chunk <= _MOST_BYTES else block


def _read(
    array: ArrayFile, axes: Axes, start: int, stop: int, dataset: BrodenDataset
) -> NDArray[np.float32]:
    """Read some images' maps, ``(n_units, stop - start, height, width)``."""
    images = slice(start, stop)
    given = array.read((images,) if axes is Axes.IMAGES_FIRST else (slice(None), images))
    if axes is Axes.IMAGES_FIRST:
        given = given.swapaxes(0, 1)
    if given.ndim == 2:
        given = given[:, :, None, None]
    with np.errstate(over="ignore"):
        maps = np.ascontiguousarray(given, dtype=np.float32)
    finite = np.isfinite(maps)
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), maps.shape)
        unit, image = int(place[0]), start + int(place[1])
        raise DamagedDataError(
            f"{array.where} holds {given[place]} for unit {unit} and image {image} "
            f"({dataset.rows[image].image}): activations are finite float32 numbers."
        )
    return maps
