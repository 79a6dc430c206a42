"""Shards of several layers, shared out in pieces that other processes may make in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.activation_shards import (
    Made,
    ShardWriter,
    images_per_shard,
    missing_spans,
    shard_name,
)
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.progress import Task
from ccx_cli.store.shards import Shard, ShardedCache

# What a worker elsewhere makes at once: so many images at most, so many times for each of them.
_PIECE_IMAGES = 512
_PIECES = 4

Span = tuple[int, int]
"""The first of some images, and the one after the last."""
MadeOfLayer = tuple[int, Made]
"""Which of several layers, and images of it."""


class Form(NamedTuple):
    """What the shards of a layer hold of an image, and what they say of themselves."""

    units: int
    map_shape: tuple[int, int]
    said: dict[str, str]


class Piece(NamedTuple):
    """What is made at once: spans of each layer that begin from ``start`` on; they may end later.

    ``n_images`` are the images from there to the next piece that some layer lacks.
    """

    start: int
    n_images: int
    spans: list[list[Span]]

    def __str__(self) -> str:
        return f"{self.n_images:,} images from {self.start:,}"


class Elsewhere(Protocol):
    """Runs images through a network, in other processes that see the same files."""

    @property
    def count(self) -> int:
        """Pieces that are made at once."""

    def forms(self, wanted: Sequence[tuple[NetworkDescription, ShardedCache]]) -> list[Form]:
        """Load the network, and say what the shards of each layer are like."""

    def shards(
        self, wanted: Sequence[tuple[NetworkDescription, ShardedCache]], pieces: Sequence[Piece]
    ) -> Iterator[tuple[Piece, list[MadeOfLayer]]]:
        """Make pieces in any order, as ``Probe`` does."""


class LayerShards:
    """The shards that a layer's cache lacks, and who keeps them."""

    def __init__(self, number: int, cache: ShardedCache, form: Form, n_images: int) -> None:
        height, width = form.map_shape
        self.number = number
        self.cache = cache
        self.block = images_per_shard(form.units, form.map_shape)
        self.shard_bytes = 4 * form.units * min(self.block, n_images) * height * width
        self.missing = missing_spans(cache, n_images, self.block)
        self.writer = ShardWriter(cache, form.said)


def missing_images(spans: Iterable[Iterable[Span]], n_images: int) -> NDArray[np.bool_]:
    """Return ``(n_images,)`` bool: the images in any of the spans of layers."""
    missing = np.zeros(n_images, dtype=np.bool_)
    for start, stop in chain.from_iterable(spans):
        missing[start:stop] = True
    return missing


def pieces_of(
    layers: Sequence[LayerShards], missing: NDArray[np.bool_], batch_size: int, count: int
) -> list[Piece]:
    """Share the missing images out: pieces for all workers, of whole shards of the widest."""
    block = max(layer.block for layer in layers)
    size = min(_PIECE_IMAGES, -(-int(missing.sum()) // (_PIECES * count)))
    size = -(-max(size, batch_size) // block) * block
    found = []
    for start in range(0, len(missing), size):
        spans = [
            [span for span in layer.missing if start <= span[0] < start + size] for layer in layers
        ]
        if any(spans):
            found.append(Piece(start, int(missing[start : start + size].sum()), spans))
    return found


def gather(
    layers: Sequence[LayerShards],
    pieces: Sequence[Piece],
    made: Iterator[tuple[Piece, list[MadeOfLayer]]],
    task: Task,
) -> None:
    """Keep pieces that are made in any order: whole shards at once, what is sparse in order."""
    waiting: dict[int, list[MadeOfLayer]] = {}
    left = [piece.start for piece in pieces]
    try:
        for piece, some in made:
            for number, (start, stop, content) in some:
                if isinstance(content, Shard):
                    layers[number].cache.register({shard_name(start, stop): content})
            task.advance(piece.n_images)
            waiting[piece.start] = some
            while left and left[0] in waiting:
                for number, each in waiting.pop(left.pop(0)):
                    layers[number].writer.take(each)
    finally:
        for start in sorted(waiting):
            for number, each in waiting[start]:
                layers[number].writer.take(each)
