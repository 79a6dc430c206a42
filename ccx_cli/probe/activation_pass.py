"""Fills the activations caches of one or several layers in one pass over the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.probe.activation_pieces import (
    Elsewhere,
    Form,
    LayerShards,
    MadeOfLayer,
    Span,
    gather,
    missing_images,
    pieces_of,
)
from ccx_cli.probe.activation_shards import Made, covers, make_shard
from ccx_cli.probe.images import filled_batch, image_batches
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
    elsewhere: Elsewhere | None = None,
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
    elsewhere
        What runs the network instead of this process.

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
        choices = [choice for choice, _ in incomplete]
        here = None
        if elsewhere is None:
            here = load_checked(incomplete, device, progress)
            forms = list(map(form_of, here))
        else:
            forms = elsewhere.forms(incomplete)
        layers = []
        for number, ((_, cache), form) in enumerate(zip(incomplete, forms, strict=True)):
            cache.remove_unnamed()
            layers.append(LayerShards(number, cache, form, n_images))
        groups = list(_passes(layers))
        missing = [missing_images([layer.missing for layer in each], n_images) for each in groups]
        total = n_images * len(groups)
        done = total - sum(int(each.sum()) for each in missing)
        what = _describe(choices) + (f", {len(groups)} passes" if len(groups) > 1 else "")
        with progress.task(f"Activations of {what}", total, done=done) as task:
            for group, lacked in zip(groups, missing, strict=True):
                numbers = [layer.number for layer in group]
                try:
                    if here is not None:
                        networks = [here[number] for number in numbers]
                        probe = Probe(networks, [layer.cache for layer in group], batch_size)
                        spans = [layer.missing for layer in group]
                        for number, made in probe.shards(dataset, spans, workers, task.advance):
                            group[number].writer.take(made)
                    else:
                        assert elsewhere is not None
                        wanted_here = [incomplete[number] for number in numbers]
                        pieces = pieces_of(group, lacked, batch_size, elsewhere.count)
                        gather(group, pieces, elsewhere.shards(wanted_here, pieces), task)
                finally:
                    for layer in group:
                        layer.writer.flush()
        for layer in layers:
            layer.cache.remove_unnamed()


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


def load_checked(
    wanted: Sequence[tuple[NetworkDescription, ShardedCache]], device: str, progress: Progress
) -> list[Network]:
    """Load a network for several layers; CcxError if its weights are not those of the caches."""
    networks = load_networks([choice for choice, _ in wanted], device, progress)
    for network, (choice, cache) in zip(networks, wanted, strict=True):
        if network.weights_sha256 != cache.made_from["weights"]:
            raise CcxError(
                f"`model` {choice.model} makes different weights at each call: let the factory "
                "initialize them with torch's random numbers, which ccx seeds, or give them with "
                "`weights`."
            )
    return networks


def form_of(network: Network) -> Form:
    """Say what the shards of a layer are like."""
    said = {} if network.input == USUAL else {"input_values": network.input.describe()}
    return Form(network.units, network.layout.map_shape, said)


@dataclass(frozen=True, slots=True)
class Probe:
    """Makes shards of layers of one network, each for its cache."""

    networks: Sequence[Network]
    caches: Sequence[ShardedCache]
    batch_size: int

    def shards(
        self,
        dataset: BrodenDataset,
        spans: Sequence[Sequence[Span]],
        workers: int,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Iterator[MadeOfLayer]:
        """Run the images of each layer's ``spans`` through the network once, in batches.

        Yields the layer's position and what was made, in the order of the images; ``advance`` is
        told of images that some layer lacked, as they are done.
        """
        fillings = [
            _Filling(network, cache, each)
            for network, cache, each in zip(self.networks, self.caches, spans, strict=True)
        ]
        n_images = len(dataset.rows)
        missing = missing_images(spans, n_images)
        size = self.batch_size
        starts = [
            start for start in range(0, n_images, size) if missing[start : start + size].any()
        ]
        positions = [
            position for start in starts for position in range(start, min(start + size, n_images))
        ]
        with threads(workers) as pool:
            batches = image_batches(dataset, self.networks[0].choice, positions, size, pool)
            for start, images in zip(starts, batches, strict=True):
                stop = start + len(images)
                asked = [
                    (number, filling)
                    for number, filling in enumerate(fillings)
                    if any(first < stop and start < last for first, last in filling.missing)
                ]
                batch = filled_batch(images, min(size, n_images))
                outputs = layers_activations([filling.network for _, filling in asked], batch)
                for (number, filling), output in zip(asked, outputs, strict=True):
                    for made in filling.take(start, filling.network.units_in(output)):
                        yield number, made
                advance(int(missing[start:stop].sum()))


class _Filling:
    """Shards of a layer, filled one after another."""

    def __init__(self, network: Network, cache: ShardedCache, spans: Sequence[Span]) -> None:
        self.network = network
        self.missing = list(spans)
        self._cache = cache
        self._said = form_of(network).said
        self._maps: NDArray[np.float32] | None = None

    def take(self, start: int, maps: NDArray[np.float32] | SparseBatch) -> Iterator[Made]:
        """Keep what is missing of the images from ``start``; yield what is whole then.

        ``maps`` are ``(n_images, n_units, height, width)``, or what is not zero of them; those
        beyond the last image are of none.
        """
        stop = start + len(maps)
        while self.missing and self.missing[0][0] < stop:
            first, last = self.missing[0]
            lower, upper = max(first, start), min(last, stop)
            if isinstance(maps, SparseBatch):
                yield Made(lower, upper, maps.images(lower - start, upper - start))
            else:
                self._keep(maps[lower - start : upper - start], lower - first, last - first)
            if upper < last:
                return
            if self._maps is not None:
                yield make_shard(self._cache, self._said, first, self._maps)
                self._maps = None
            del self.missing[0]

    def _keep(self, maps: NDArray[np.float32], place: int, n_images: int) -> None:
        if self._maps is None:
            layout = self.network.layout
            self._maps = np.empty((layout.units, n_images, *layout.map_shape), np.float32)
        self._maps[:, place : place + len(maps)] = maps.swapaxes(0, 1)


def _describe(choices: Sequence[NetworkDescription]) -> str:
    if len(choices) == 1:
        return choices[0].describe()
    return f"{choices[0].describe_network()}, {len(choices)} layers"


def _passes(layers: Sequence[LayerShards]) -> Iterator[list[LayerShards]]:
    """Share layers out among passes, their open shards together within the budget."""
    group: list[LayerShards] = []
    for layer in layers:
        if group and sum(each.shard_bytes for each in (*group, layer)) > _PASS_BYTES:
            yield group
            group = []
        group.append(layer)
    yield group
