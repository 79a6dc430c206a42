"""The activations cache: a layer's output for every image, in shards of images.

Shard ``images-START-STOP`` holds ``activations``, ``(n_units, n_images, height, width)`` float32,
so that one unit's maps are one stretch of every shard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.probe.catalog import NetworkChoice, weights_sha256
from ccx_cli.probe.images import read_image
from ccx_cli.probe.own_networks import source_sha256
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    import torch

KIND = "ccx-activations"
VERSION = 1
_SHARD_BYTES = 64 << 20
_MOST_IMAGES = 512
_SHARD_NAME = re.compile(r"images-(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Activations:
    """A complete cache, read one unit at a time.

    Attributes
    ----------
    cache
        The shards.
    names
        Shards in image order.
    units, n_images
        How many of each.
    map_shape
        ``(height, width)`` of a unit's map.
    """

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
    dataset: BrodenDataset, choice: NetworkChoice, activations: Path, rebuild: str
) -> ShardedCache:
    """Name the cache of a layer's activations on a data set, and read what is there of it."""
    made_from = {
        "dataset": dataset.name,
        "subset": dataset.subset,
        "images": len(dataset.rows),
        "fingerprint": dataset.images_fingerprint(),
        "model": choice.name,
        "pretrained": choice.pretrained,
        "weights": weights_sha256(choice),
        "layer": choice.layer,
        "input_side": choice.input_side,
        "mean": list(choice.mean),
        "std": list(choice.std),
    }
    if choice.resized is not None:
        made_from["input_size"] = list(choice.resized)
    if choice.is_own:
        made_from["source"] = source_sha256(choice.model)
        made_from["model_args"] = list(choice.model_args)
    key = sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{choice.name}-{choice.pretrained}-{choice.layer}-{dataset.subset}-{key}"
    cache = ShardedCache(activations / name, KIND, VERSION, made_from, rebuild)
    cache.refresh()
    return cache


def build_activations(
    dataset: BrodenDataset,
    choice: NetworkChoice,
    cache: ShardedCache,
    *,
    device: str = "cpu",
    batch_size: int = 32,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Run the images that the cache lacks through the network; finished shards are kept.

    Parameters
    ----------
    dataset
        The images.
    choice
        Network and layer.
    cache
        From ``activations_cache``.
    device
        A torch device.
    batch_size
        Images per forward pass.
    workers
        Threads that decode images.
    progress
        Told about every batch.

    Raises
    ------
    MissingInputError, DamagedDataError
        For an image or a weights file that is not there or not readable.
    """
    progress = progress or SilentProgress()
    n_images = len(dataset.rows)
    if _covers(cache, n_images):
        return
    with writing(cache.directory, progress):
        cache.refresh()
        if _covers(cache, n_images):
            return
        from ccx_cli.probe.networks import layer_activations, load_network

        network = load_network(choice, device)
        if network.weights_sha256 != cache.made_from["weights"]:
            raise CcxError(
                f"--model {choice.model} makes other weights at each call: let the factory draw "
                "them from torch's random numbers, which ccx seeds, or give them with --weights."
            )
        map_bytes = 4 * network.units * network.map_shape[0] * network.map_shape[1]
        block = min(max(_SHARD_BYTES // map_bytes, 1), _MOST_IMAGES)
        spans = [(start, min(start + block, n_images)) for start in range(0, n_images, block)]
        stale = set(cache.shards) - {_shard_name(*span) for span in spans}
        if stale:
            cache.drop(sorted(stale))
        missing = [span for span in spans if _shard_name(*span) not in cache]
        n_missing = sum(stop - start for start, stop in missing)
        with (
            ThreadPoolExecutor(workers) as pool,
            progress.task(
                f"Activations of {choice.describe()}", n_images, done=n_images - n_missing
            ) as task,
        ):
            for start, stop in missing:
                maps = np.empty((network.units, stop - start, *network.map_shape), np.float32)
                done = 0
                for images in image_batches(dataset, choice, range(start, stop), batch_size, pool):
                    output = layer_activations(network, images)
                    maps[:, done : done + len(images)] = output.numpy().swapaxes(0, 1)
                    done += len(images)
                    task.advance(len(images))
                with cache.write(_shard_name(start, stop)) as file:
                    file["activations"] = maps


def open_activations(dataset: BrodenDataset, cache: ShardedCache) -> Activations:
    """Open a complete cache; shards are verified as they are first read."""
    names = tuple(sorted(cache.shards))
    with cache.read(names[0]) as file:
        units, _, height, width = file["activations"].shape
    return Activations(cache, names, units, len(dataset.rows), (height, width))


def _shard_name(start: int, stop: int) -> str:
    return f"images-{start:06d}-{stop:06d}"


def _span(name: str) -> tuple[int, int]:
    match = _SHARD_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no shard of activations")
    return int(match[1]), int(match[2])


def _covers(cache: ShardedCache, n_images: int) -> bool:
    reached = 0
    for start, stop in sorted(_span(name) for name in cache.shards):
        if start != reached:
            return False
        reached = stop
    return reached == n_images


def image_batches(
    dataset: BrodenDataset,
    choice: NetworkChoice,
    places: Sequence[int],
    batch_size: int,
    pool: ThreadPoolExecutor,
) -> Iterator[torch.Tensor]:
    """Decode images, by their places in the data set, one batch ahead of the network.

    Yields
    ------
    ``(n_images, 3, height, width)`` float32, normalised.
    """
    import torch

    def load(place: int) -> NDArray[np.float32]:
        path = dataset.image_path(dataset.rows[place].image)
        return read_image(path, choice.input_size, choice.mean, choice.std)

    def submit(start: int) -> list[Future[NDArray[np.float32]]]:
        return [pool.submit(load, place) for place in places[start : start + batch_size]]

    ahead = submit(0)
    for start in range(0, len(places), batch_size):
        current, ahead = ahead, submit(start + batch_size)
        yield torch.from_numpy(np.stack([future.result() for future in current]))
