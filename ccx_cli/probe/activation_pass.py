"""Fills the activations caches of one or several layers in one pass over the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.probe.activation_shards import ShardWriter, covers, images_per_shard, missing_spans
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.inputs import USUAL
from ccx_cli.probe.networks.layers import time_pass
from ccx_cli.probe.networks.loading import Network, layers_activations, load_network, load_networks
from ccx_cli.probe.networks.torchvision_models import DEMO
from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache
from ccx_cli.threads import threads

# What the open shards of all layers may take: beyond it, the layers are shared out among passes.
_PASS_BYTES = 2 << 30
_OUTPUTS = 365  # Any number of classes.


def build_activations(
    dataset: BrodenDataset,
    wanted: Sequence[tuple[NetworkDescription, ShardedCache]],
    *,
    device: str = "cpu",
    batch_size: int = 32,
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Run the images that the caches lack through the network once; finished shards are kept.

    Images go through in the same batches whichever layers and shards are missing, so that what is
    stored does not depend on that.

    Parameters
    ----------
    wanted
        Network and layer, and its cache from ``activations_cache``; the choices differ in nothing
        but the layer.
    device
        A torch device.
    batch_size
        Images per forward pass.
    workers
        Threads that decode images.

    Raises
    ------
    UsageError
        If a layer is not there or gives no maps; nothing was run then.
    MissingInputError, DamagedDataError
        For an image or a weights file that is not there or not readable.
    """
    progress = progress or SilentProgress()
    n_images = len(dataset.rows)
    incomplete = [(choice, cache) for choice, cache in wanted if not covers(cache, n_images)]
    if not incomplete:
        return
    with ExitStack() as locks:
        # In one order, so that two processes never wait for each other.
        for _, cache in sorted(incomplete, key=lambda each: each[1].directory):
            locks.enter_context(writing(cache.directory, progress))
            cache.refresh()
        incomplete = [
            (choice, cache) for choice, cache in incomplete if not covers(cache, n_images)
        ]
        if not incomplete:
            return
        networks = load_networks([choice for choice, _ in incomplete], device, progress)
        fillings = [
            _Filling(network, cache, n_images)
            for network, (_, cache) in zip(networks, incomplete, strict=True)
        ]
        for group in _passes(fillings):
            try:
                _run_pass(dataset, group, batch_size, workers, progress)
            finally:
                for filling in group:
                    filling.flush()


def measure_pass(choices: Sequence[NetworkDescription]) -> tuple[list[tuple[int, int, int]], float]:
    """Run blank images through a network; return the shape of each layer's maps, and seconds."""
    first = choices[0]
    if not first.is_own and first.model != DEMO:
        first = replace(first, pretrained="none", weights=None, num_classes=_OUTPUTS)
    layers, seconds = time_pass(first)
    shapes = {layer.name: (layer.layout.units, *layer.layout.map_shape) for layer in layers}
    for choice in choices:
        if choice.layer not in shapes or choice.sae is not None:
            # Says what is wrong with it.
            network = load_network(replace(first, layer=choice.layer), "cpu")
            shapes[choice.layer] = (network.units, *network.layout.map_shape)
    return [shapes[choice.layer] for choice in choices], seconds


class _Filling:
    """The missing shards of a layer, filled one after another."""

    def __init__(self, network: Network, cache: ShardedCache, n_images: int) -> None:
        choice = network.choice
        if network.weights_sha256 != cache.made_from["weights"]:
            raise CcxError(
                f"`model` {choice.model} makes different weights at each call: let the factory "
                "initialize them with torch's random numbers, which ccx seeds, or give them with "
                "`weights`."
            )
        units, (height, width) = network.units, network.layout.map_shape
        block = images_per_shard(units, (height, width))
        self.network = network
        self.shard_bytes = 4 * units * min(block, n_images) * height * width
        self.missing = missing_spans(cache, n_images, block)
        taken = network.input
        said = {} if taken == USUAL else {"input_values": taken.describe()}
        self._writer = ShardWriter(cache, said)
        self._maps: NDArray[np.float32] | None = None

    def take(self, start: int, maps: NDArray[np.float32] | SparseBatch) -> None:
        """Keep what is missing of the images from ``start``.

        ``maps`` are ``(n_images, n_units, height, width)``, or what is not zero of them.
        """
        stop = start + len(maps)
        while self.missing and self.missing[0][0] < stop:
            first, last = self.missing[0]
            lower, upper = max(first, start), min(last, stop)
            if isinstance(maps, SparseBatch):
                self._writer.add(lower, maps.images(lower - start, upper - start))
            else:
                self._keep(maps[lower - start : upper - start], lower - first, last - first)
            if upper < last:
                return
            if self._maps is not None:
                self._writer.add(first, self._maps)
                self._maps = None
            del self.missing[0]

    def flush(self) -> None:
        """Write what is sparse and waits for more, also where the pass ended early."""
        self._writer.flush()

    def _keep(self, maps: NDArray[np.float32], place: int, n_images: int) -> None:
        if self._maps is None:
            layout = self.network.layout
            self._maps = np.empty((layout.units, n_images, *layout.map_shape), np.float32)
        self._maps[:, place : place + len(maps)] = maps.swapaxes(0, 1)


def _passes(fillings: Sequence[_Filling]) -> Iterator[list[_Filling]]:
    """Share layers out among passes, their open shards together within the budget."""
    group: list[_Filling] = []
    for filling in fillings:
        if group and sum(each.shard_bytes for each in (*group, filling)) > _PASS_BYTES:
            yield group
            group = []
        group.append(filling)
    yield group


def _run_pass(
    dataset: BrodenDataset,
    fillings: Sequence[_Filling],
    batch_size: int,
    workers: int,
    progress: Progress,
) -> None:
    n_images = len(dataset.rows)
    missing_images = np.zeros(n_images, dtype=np.bool_)
    for filling in fillings:
        for start, stop in filling.missing:
            missing_images[start:stop] = True
    starts = [
        start
        for start in range(0, n_images, batch_size)
        if missing_images[start : start + batch_size].any()
    ]
    positions = [
        position for start in starts for position in range(start, min(start + batch_size, n_images))
    ]
    choice = fillings[0].network.choice
    what = choice.describe()
    if len(fillings) > 1:
        what = f"{choice.describe_network()}, {len(fillings)} layers"
    with (
        threads(workers) as pool,
        progress.task(
            f"Activations of {what}", n_images, done=n_images - int(missing_images.sum())
        ) as task,
    ):
        batches = image_batches(dataset, choice, positions, batch_size, pool)
        for start, images in zip(starts, batches, strict=True):
            stop = start + len(images)
            asked = [
                filling
                for filling in fillings
                if any(first < stop and start < last for first, last in filling.missing)
            ]
            outputs = layers_activations([filling.network for filling in asked], images)
            for filling, output in zip(asked, outputs, strict=True):
                filling.take(start, filling.network.units_in(output))
            task.advance(int(missing_images[start:stop].sum()))
