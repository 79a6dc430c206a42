"""What a run is made from: its inputs, and the caches between them and the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.fingerprints import (
    FileCheck,
    images_fingerprint,
    labels_fingerprint,
    note_older,
)
from ccx_cli.concepts.index import (
    ConceptIndex,
    IndexElsewhere,
    build_index,
    index_cache,
    index_step,
    is_whole,
    load_index,
)
from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.probe.activation_shards import covers, images_per_shard
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    activations_step,
    open_activations,
    stored_maps,
)
from ccx_cli.probe.given_activations import ActivationSource, PrecomputedActivations
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.precomputed import import_activations
from ccx_cli.progress import Progress
from ccx_cli.runs.run import Run
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import MANIFEST, ShardedCache, read_manifest, remove_cache
from ccx_cli.store.steps import Step

if TYPE_CHECKING:
    from ccx_cli.probe.activation_pieces import Elsewhere


@dataclass(frozen=True)
class Inputs:
    """What a command works on; ``rebuild`` is the command that makes the caches anew.

    ``memory`` is as ``load_index`` takes it.
    """

    roots: Roots
    dataset: BrodenDataset
    choice: ActivationSource
    device: str
    batch_size: int
    workers: int
    rebuild: str
    check: FileCheck = field(default_factory=FileCheck)
    memory: int | None = None

    @cached_property
    def index_cache(self) -> ShardedCache:
        """The cache of the concept index, made or not; reads label PNGs that are new or changed."""
        return index_cache(self.dataset, self.roots.segmentations, self.rebuild, self.check)

    @cached_property
    def activations_cache(self) -> ShardedCache:
        """The cache of the activations, made or not; reads images that are new or changed."""
        return activations_cache(
            self.dataset, self.choice, self.roots.activations, self.rebuild, self.check
        )


def _has_latents(inputs: Inputs) -> bool:
    """Tell whether the units are latents of a sparse autoencoder."""
    return isinstance(inputs.choice, NetworkDescription) and inputs.choice.sae is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps left before a command's own.

    ``layers`` are inputs with units, height and width of their activation maps, if these are known.
    """

    steps: tuple[Step, ...]
    layers: tuple[tuple[Inputs, tuple[int, int, int] | None], ...] = ()


def plan_caches(layers: Sequence[Inputs], *, index: bool = True, activations: bool = True) -> Plan:
    """Say what is missing of the concept index and the activations; the layers share a network."""
    first = layers[0]
    steps = [index_step(first.dataset, first.index_cache, first.workers)] if index else []
    if not activations:
        return Plan(tuple(steps))
    maps = [stored_maps(inputs.activations_cache) for inputs in layers]
    seconds = None
    if None in maps:
        if isinstance(first.choice, PrecomputedActivations):
            maps = [first.choice.maps]
        else:
            choices = [
                each.choice for each in layers if isinstance(each.choice, NetworkDescription)
            ]
            # Loads torch.
            from ccx_cli.probe.activation_pass import measure_pass

            measured, seconds_per_image = measure_pass(choices)
            maps = list(measured)
            if first.device == "cpu":  # One pass is for all layers.
                seconds = seconds_per_image / len(layers)
    n_images = len(first.dataset.rows)
    for inputs, shape in zip(layers, maps, strict=True):
        image_bytes = _image_bytes(inputs, shape)
        step = activations_step(inputs.activations_cache, n_images, image_bytes, seconds)
        if shape is not None:
            step = replace(step, pieces_each=images_per_shard(shape[0], shape[1:]))
        steps.append(step)
    return Plan(tuple(steps), tuple(zip(layers, maps, strict=True)))


def _image_bytes(inputs: Inputs, maps: tuple[int, int, int] | None) -> float | None:
    """Return what the maps of an image take; how many latents are not zero is not known before."""
    choice = inputs.choice
    if isinstance(choice, PrecomputedActivations) and choice.n_values is not None:
        return 8 * choice.n_values / len(inputs.dataset.rows)
    return None if maps is None or _has_latents(inputs) else 4 * prod(maps)


def plan_units(inputs: Inputs, run: Run | None, units: Sequence[int] | None) -> Step:
    """Say which units are still to be explained; ``None`` for a run or units not known yet."""
    if run is None or units is None:
        total = None if units is None else len(units)
        return Step("explanations", inputs.roots.results, "units", total, None)
    return replace(run.lines.step("explanations", units), path=run.directory)


def missing_layers(layers: Sequence[Inputs]) -> list[tuple[NetworkDescription, ShardedCache]]:
    """Return the networks whose activations are not whole, and their caches."""
    return [
        (inputs.choice, inputs.activations_cache)
        for inputs in layers
        if isinstance(inputs.choice, NetworkDescription)
        and not covers(inputs.activations_cache, len(inputs.dataset.rows))
    ]


def prepare_layers(
    layers: Sequence[Inputs], progress: Progress, elsewhere: Elsewhere | None = None
) -> list[Activations]:
    """Make what the activations of several layers lack, in one pass over the images; open them.

    ``elsewhere`` runs the network instead of this process.
    """
    first = layers[0]
    for inputs in layers:
        if not covers(inputs.activations_cache, len(inputs.dataset.rows)):
            note_older(inputs.activations_cache, progress)
    if isinstance(first.choice, PrecomputedActivations):
        import_activations(first.dataset, first.choice, first.activations_cache, progress)
    missing = missing_layers(layers)
    if missing:
        # Loads torch, which caches that are complete do not need.
        from ccx_cli.probe.activation_pass import build_activations

        build_activations(
            first.dataset,
            missing,
            device=first.device,
            batch_size=first.batch_size,
            workers=first.workers,
            progress=progress,
            elsewhere=elsewhere,
        )
        now = images_fingerprint(first.dataset, first.roots.activations, first.check)
        for _, cache in missing:
            _refuse_changed(cache, now, "images", progress)
    return [open_activations(inputs.dataset, inputs.activations_cache) for inputs in layers]


def prepare_activations(inputs: Inputs, progress: Progress) -> Activations:
    """Make what the activations of one layer lack, and open them."""
    (activations,) = prepare_layers([inputs], progress)
    return activations


def prepare_index(
    inputs: Inputs, progress: Progress, *, soft_memory: int | None = None
) -> ConceptIndex:
    """Make what the concept index lacks, and load it as ``load_index`` does."""
    complete_index(inputs, progress)
    return load_index(inputs.dataset, inputs.index_cache, inputs.memory, soft_memory=soft_memory)


def complete_index(
    inputs: Inputs, progress: Progress, elsewhere: IndexElsewhere | None = None
) -> None:
    """Make what the concept index lacks, ``elsewhere`` instead of by processes here."""
    cache = inputs.index_cache
    if not is_whole(inputs.dataset, cache):
        build_index(
            inputs.dataset, cache, workers=inputs.workers, progress=progress, elsewhere=elsewhere
        )
        now = labels_fingerprint(inputs.dataset, inputs.roots.segmentations, inputs.check)
        _refuse_changed(cache, now, "labels", progress)


def _refuse_changed(cache: ShardedCache, now: str, what: str, progress: Progress) -> None:
    """Drop a cache whose files changed while it was made from them."""
    if now != cache.made_from["fingerprint"]:
        with writing(cache.directory, progress):
            cache.drop(list(cache.shards))
        raise CcxError(
            f"The {what} changed while {cache.directory} was made from them: run the command again."
        )


def drop_damaged(layers: Sequence[Inputs], progress: Progress) -> None:
    """Remove the shards that are not what their manifest says, also those of ranges."""
    for cache in (layers[0].index_cache, *(inputs.activations_cache for inputs in layers)):
        _drop_damaged(cache, progress)
        for manifest in sorted(cache.directory.glob(f"*/{MANIFEST}")):
            try:
                _drop_damaged(read_manifest(manifest.parent), progress)
            except DamagedDataError:
                remove_cache(manifest.parent, progress)


def _drop_damaged(cache: ShardedCache, progress: Progress) -> None:
    damaged = [name for name in cache.shards if cache.fault(name)]
    if damaged:
        with writing(cache.directory, progress):
            cache.refresh()
            cache.drop([name for name in damaged if name in cache.shards])
        files = "1 damaged file" if len(damaged) == 1 else f"{len(damaged):,} damaged files"
        progress.note(f"{files} of {cache.directory} removed, to be made anew.")
