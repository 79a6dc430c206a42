"""The concept index and activations are made by the workers of a Dask cluster, each its shards.

Workers open the dataset and the network as this process would and write shards into the caches'
directories, on a disk that all see; this process alone names them in the manifests.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ccx_cli.concepts.broden import BrodenDataset, read_dataset
from ccx_cli.concepts.index import MadeBlock, is_whole, make_block
from ccx_cli.probe.activations import Activations, whole_activations
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.range_cache import Asked, UnitRanges, ranges_of_unit
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.runs.dask_worker import kept
from ccx_cli.runs.inputs_on_dask import NetworkCheck, one_pass
from ccx_cli.runs.on_dask import DaskCluster, DaskTasks
from ccx_cli.runs.preparing import Inputs, complete_index, missing_layers, prepare_layers
from ccx_cli.runs.workers import LostTaskError, side_by_side
from ccx_cli.store.atomic import try_lock, write_text
from ccx_cli.store.shards import MANIFEST, Shard, ShardedCache, read_manifest
from ccx_cli.threads import cores, threads

if TYPE_CHECKING:
    from ccx_cli.probe.activation_pieces import Form, MadeOfLayer, Piece
    from ccx_cli.probe.networks.loading import Network

P = TypeVar("P")
T = TypeVar("T")
_DECODERS = 4
_LABELS = "label.csv"
_Wanted = Sequence[tuple[NetworkDescription, ShardedCache]]


def prepare_on(
    cluster: DaskCluster,
    layers: Sequence[Inputs],
    progress: Progress,
    *,
    index: bool = True,
    activations: bool = True,
) -> None:
    """Make on a cluster what the concept index and activations lack, both at the same time.

    Precomputed activations are left to ``prepare_layers``.
    """
    first = layers[0]
    wanted = missing_layers(layers) if activations else []
    lacks_index = index and not is_whole(first.dataset, first.index_cache)
    for cache in (first.index_cache, *(inputs.activations_cache for inputs in layers)):
        remove_left_proofs(cache.directory)
    directories = [first.index_cache.directory] if lacks_index else []
    directories += [cache.directory for _, cache in wanted[:1]]
    if not directories:
        return
    with ExitStack() as opened:
        proofs = [opened.enter_context(proof_in(directory)) for directory in directories]
        check = NetworkCheck.of(wanted[0][0]) if wanted else None
        proofs.append(first.dataset.directory / _LABELS)
        tasks = opened.enter_context(cluster.tasks(*proofs, check=check))
        source = _Source(first.dataset.directory.absolute(), first.dataset.subset)
        made: list[Future[object]] = []
        pool = opened.enter_context(threads(2))
        if wanted:
            elsewhere = _Networks(tasks, source, first.device, first.batch_size, progress)
            made.append(pool.submit(prepare_layers, layers, progress, elsewhere))
        if lacks_index:
            blocks = partial(_blocks, tasks, source)
            made.append(pool.submit(complete_index, first, progress, blocks))
        try:
            ended, _ = wait(made, return_when=FIRST_EXCEPTION)
            if all(isinstance(each.exception(), LostTaskError | None) for each in ended):
                wait(made)  # Whatever else can be made is.
            for future in made:
                if future.done():
                    future.result()
        except BaseException:
            cluster.client.close()  # The other ends with it.
            raise


def ranges_on(
    cluster: DaskCluster, activations: Activations, method: RangeMethod, asked: Sequence[Asked]
) -> Iterator[UnitRanges]:
    """Find the ranges of units on a cluster."""
    cache = activations.cache
    with cluster.tasks(cache.directory / MANIFEST) as tasks:
        key = _Opened(cache.directory.absolute(), activations.n_images)
        for _, found in _each(tasks, partial(_find_ranges, key, method), asked, "Ranges of unit"):
            yield found


def _each(
    tasks: DaskTasks, function: Callable[[P], T], items: Sequence[P], what: str
) -> Iterator[tuple[P, T]]:
    """Yield items with what workers make of each; errors name it as ``what``."""
    return side_by_side(
        items, lambda item: tasks.begin(function, item), tasks, lambda item: f"{what} {item}"
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a worker opens activations by."""

    directory: Path
    n_images: int

    def open(self) -> Activations:
        return kept(self, lambda: whole_activations(read_manifest(self.directory), self.n_images))


def _find_ranges(opened: _Opened, method: RangeMethod, asked: Asked) -> UnitRanges:
    return ranges_of_unit(opened.open(), method, asked)


def remove_left_proofs(directory: Path) -> None:
    """Remove the proofs of processes that were killed."""
    for left in directory.glob(".*.proof"):
        with suppress(OSError), left.open("rb") as opened:
            if try_lock(opened):
                left.unlink(missing_ok=True)


@contextmanager
def proof_in(directory: Path) -> Iterator[Path]:
    """Write a file that workers see in a directory only if it is the same one.

    It is locked before it has its name, so that those of killed processes can be told.
    """
    token = secrets.token_hex(16)
    path = directory / f".{token[:8]}.proof"
    written = path.with_suffix("")
    write_text(written, token)
    with written.open("rb") as opened:
        try_lock(opened)
        written.replace(path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """What a worker reads a dataset by."""

    directory: Path
    subset: str

    def read(self) -> BrodenDataset:
        return kept(self, lambda: read_dataset(self.directory, self.subset))


def _blocks(
    tasks: DaskTasks, source: _Source, cache: ShardedCache, starts: list[int]
) -> Iterator[MadeBlock]:
    """Make blocks of the concept index."""
    return _each(tasks, partial(_make_block, source, cache), starts, "The concept index from image")


def _make_block(source: _Source, cache: ShardedCache, start: int) -> Shard:
    return make_block(source.read(), cache, start)


@dataclass(frozen=True, slots=True)
class _Networks:
    """Runs images through networks on a cluster: ``Elsewhere`` of ``build_activations``."""

    tasks: DaskTasks
    source: _Source
    device: str
    batch_size: int
    progress: Progress

    @property
    def count(self) -> int:
        """Pieces that are made at once."""
        return self.tasks.count

    def forms(self, wanted: _Wanted) -> list[Form]:
        """Load the network on a worker, and say what the shards of each layer are like."""
        layers = _Layers.of(wanted, self.device)
        [(_, (forms, notes))] = _each(self.tasks, _forms, [layers], "The network of")
        for note in notes:
            self.progress.note(note)
        return forms

    def shards(
        self, wanted: _Wanted, pieces: Sequence[Piece]
    ) -> Iterator[tuple[Piece, list[MadeOfLayer]]]:
        """Make pieces in any order."""
        make = partial(_make_shards, self.source, _Layers.of(wanted, self.device), self.batch_size)
        return _each(self.tasks, make, pieces, "Activations of")


@dataclass(frozen=True)
class _Layers:
    """What a worker loads a network by: layers, the directories of their caches, the device."""

    choices: tuple[NetworkDescription, ...]
    caches: tuple[ShardedCache, ...]
    device: str

    @classmethod
    def of(cls, wanted: _Wanted, device: str) -> _Layers:
        choices, caches = zip(*wanted, strict=True)
        networks = tuple(choice.absolute() for choice in choices)
        return cls(networks, tuple(cache.apart() for cache in caches), device)

    def load(self) -> tuple[list[Network], list[str]]:
        """Return the network at each layer, and what was told of it; kept for the next task."""
        from ccx_cli.probe.activation_pass import load_checked  # Loads torch.

        def load() -> tuple[list[Network], list[str]]:
            heard = _Notes([])
            wanted = list(zip(self.choices, self.caches, strict=True))
            return load_checked(wanted, self.device, heard), heard.notes

        return kept(_Loaded(self.choices, self.device), load)

    def __str__(self) -> str:
        return self.choices[0].describe_network()


@dataclass(frozen=True, slots=True)
class _Loaded:
    choices: tuple[NetworkDescription, ...]
    device: str


@dataclass(frozen=True, slots=True)
class _Notes(SilentProgress):
    """Keeps what is told."""

    notes: list[str]

    def note(self, text: str) -> None:
        """Keep a sentence."""
        self.notes.append(text)


def _forms(layers: _Layers) -> tuple[list[Form], list[str]]:
    from ccx_cli.probe.activation_pass import form_of

    with one_pass:
        networks, notes = layers.load()
    return list(map(form_of, networks)), notes


def _make_shards(
    source: _Source, layers: _Layers, batch_size: int, piece: Piece
) -> list[MadeOfLayer]:
    from ccx_cli.probe.activation_pass import Probe

    dataset = source.read()
    with one_pass:
        networks, _ = layers.load()
        probe = Probe(networks, layers.caches, batch_size)
        return list(probe.shards(dataset, piece.spans, min(_DECODERS, cores())))
