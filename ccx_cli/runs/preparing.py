"""What a run is made from: its inputs, the caches between them, and the job that explains units."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, index_step, load_index
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    activations_step,
    covers,
    open_activations,
    stored_maps,
)
from ccx_cli.probe.networks.description import (
    ActivationSource,
    NetworkDescription,
    PrecomputedActivations,
)
from ccx_cli.probe.precomputed import import_activations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.records.fields import to_json
from ccx_cli.records.header import PACKAGES
from ccx_cli.runs.job import ExplainJob, Split
from ccx_cli.runs.run import Run
from ccx_cli.search.counts import DataCounts, count_data
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.locks import removing, writing
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import MANIFEST, ShardedCache, read_manifest
from ccx_cli.store.steps import Step


@dataclass(frozen=True)
class Inputs:
    """What a command works on.

    Attributes
    ----------
    roots
        Where everything is.
    dataset
        The labelled images.
    choice
        The network and its layer, or the precomputed activations.
    device
        Where the network runs.
    batch_size
        Images per forward pass.
    workers
        Processes or threads.
    rebuild
        The command that makes the caches anew.
    """

    roots: Roots
    dataset: BrodenDataset
    choice: ActivationSource
    device: str
    batch_size: int
    workers: int
    rebuild: str

    @cached_property
    def index_cache(self) -> ShardedCache:
        """The cache of the concept index, made or not; looks at the size of every label PNG."""
        return index_cache(self.dataset, self.roots.segmentations, self.rebuild)

    @cached_property
    def activations_cache(self) -> ShardedCache:
        """The cache of the activations, made or not; looks at the size of every image."""
        return activations_cache(self.dataset, self.choice, self.roots.activations, self.rebuild)


@dataclass(frozen=True, slots=True)
class Plan:
    """What work is left before a command can begin its own.

    Attributes
    ----------
    steps
        In the order in which they are done.
    layers
        The inputs of each layer with its number of units, where that is known; none where a
        dataset or weights are missing.
    """

    steps: tuple[Step, ...]
    layers: tuple[tuple[Inputs, int | None], ...] = ()


def plan_caches(layers: Sequence[Inputs], *, index: bool = True, activations: bool = True) -> Plan:
    """Say what is missing of the concept index and the activations; the layers share a network.

    Raises
    ------
    UsageError
        If a layer is not in the network or gives no maps.
    """
    first = layers[0]
    steps = [index_step(first.dataset, first.index_cache)] if index else []
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
    steps += [
        activations_step(inputs.activations_cache, n_images, shape, seconds)
        for inputs, shape in zip(layers, maps, strict=True)
    ]
    units = [None if shape is None else shape[0] for shape in maps]
    return Plan(tuple(steps), tuple(zip(layers, units, strict=True)))


def plan_units(inputs: Inputs, run: Run | None, units: Sequence[int] | None) -> Step:
    """Say which units are still to be explained; ``None`` for a run or units not known yet."""
    if run is None or units is None:
        total = None if units is None else len(units)
        return Step("explanations", inputs.roots.results, "units", total, None)
    return replace(run.lines.step("explanations", units), path=run.directory)


def prepare_layers(layers: Sequence[Inputs], progress: Progress) -> list[Activations]:
    """Make what the activations of several layers lack, in one pass over the images; open them."""
    first = layers[0]
    if isinstance(first.choice, PrecomputedActivations):
        import_activations(first.dataset, first.choice, first.activations_cache, progress)
    missing = [
        (inputs.choice, inputs.activations_cache)
        for inputs in layers
        if isinstance(inputs.choice, NetworkDescription)
        and not covers(inputs.activations_cache, len(inputs.dataset.rows))
    ]
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
        )
    return [open_activations(inputs.dataset, inputs.activations_cache) for inputs in layers]


def prepare_activations(inputs: Inputs, progress: Progress) -> Activations:
    """Make what the activations of one layer lack, and open them."""
    (activations,) = prepare_layers([inputs], progress)
    return activations


def prepare_index(inputs: Inputs, progress: Progress) -> ConceptIndex:
    """Make what the concept index lacks, and load it."""
    cache = inputs.index_cache
    build_index(inputs.dataset, cache, workers=inputs.workers, progress=progress)
    return load_index(inputs.dataset, cache)


def drop_damaged(layers: Sequence[Inputs], progress: Progress) -> None:
    """Remove the shards that are not what their manifest says, also those of ranges.

    The inputs differ only in the layer.
    """
    for cache in (layers[0].index_cache, *(inputs.activations_cache for inputs in layers)):
        _drop_damaged(cache, progress)
        for manifest in sorted(cache.directory.glob(f"*/{MANIFEST}")):
            try:
                _drop_damaged(read_manifest(manifest.parent), progress)
            except DamagedDataError:
                removing(manifest.parent, progress)


def _drop_damaged(cache: ShardedCache, progress: Progress) -> None:
    damaged = [name for name in cache.shards if cache.fault(name)]
    if damaged:
        with writing(cache.directory, progress):
            cache.refresh()
            cache.drop([name for name in damaged if name in cache.shards])
        files = "1 damaged file" if len(damaged) == 1 else f"{len(damaged):,} damaged files"
        progress.note(f"{files} of {cache.directory} removed, to be made anew.")


@dataclass(frozen=True, slots=True)
class Concepts:
    """The concepts that are searched, the same for all layers on one dataset.

    Attributes
    ----------
    index
        Of the images that are searched.
    counts
        Its counts.
    split
        Which images are searched, if not all are.
    """

    index: ConceptIndex
    counts: DataCounts
    split: Split | None


def prepare_concepts(inputs: Inputs, split: str | None, progress: Progress) -> Concepts:
    """Make what the concept index lacks, and part it where only a ``split`` is searched."""
    index = prepare_index(inputs, progress)
    if split is None:
        return Concepts(index, count_data(index), None)
    images, others = split_images(inputs.dataset, split)
    parted = Split(split, images, others, index.of_images(others))
    index = index.of_images(images)
    return Concepts(index, count_data(index), parted)


def split_images(dataset: BrodenDataset, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the images that the dataset marks ``name``, and of the others.

    Raises
    ------
    UsageError
        If there are none of either.
    """
    marks = np.array([row.split for row in dataset.rows])
    images, others = np.flatnonzero(marks == name), np.flatnonzero(marks != name)
    if not len(images) or not len(others):
        known = ", ".join(sorted(set(marks.tolist())))
        raise UsageError(
            f"`split` {name} leaves no images to search or none to score on: the images are "
            f"marked {known}."
        )
    return images, others


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How the units of a layer are explained.

    Attributes
    ----------
    method
        How ranges are found.
    search
        Makes the search from the concept index of the images that are searched.
    by_hand
        Ranges to use for every unit instead of finding them.
    ties
        Store the formulas that score the same, not only their number.
    split
        Search only the images that the dataset marks so, and score on the others as well.
    made_for
        The run that this one is only made to be compared with.
    """

    method: RangeMethod
    search: Callable[[ConceptIndex], Strategy]
    by_hand: tuple[Range, ...] | None = None
    ties: bool = False
    split: str | None = None
    made_for: str | None = None

    @property
    def num_clusters(self) -> int:
        """Ranges of each unit, at most."""
        return self.method.num_clusters if self.by_hand is None else len(self.by_hand)


def settings_of(stored: Run) -> JobSettings:
    """Return the settings that a run was made with.

    Raises
    ------
    UsageError
        If its header lacks them.
    """
    search, ranges = stored.search_identity, stored.identity.ranges
    method, by_hand = RangeMethod(), None
    if ranges.by_hand is UNSET:
        method = RangeMethod.from_identity(to_json(ranges))
    else:
        by_hand = tuple(Range.from_json(ends) for ends in ranges.by_hand)
    return JobSettings(
        method,
        search=lambda index: search_from_identity(search, len(index.concepts)),
        by_hand=by_hand,
        ties=bool(search.get("ties")),
        split=stored.identity.split,
        made_for=stored.about.made_for,
    )


def prepare_job(
    inputs: Inputs,
    settings: JobSettings,
    progress: Progress,
    concepts: Concepts | None = None,
) -> ExplainJob:
    """Make what is missing, and name the run.

    ``concepts`` are from ``prepare_concepts`` with the same dataset and split, where they are
    known already.
    """
    # The network first: a layer that is not there shows at once, and the index takes minutes.
    activations = prepare_activations(inputs, progress)
    concepts = concepts or prepare_concepts(inputs, settings.split, progress)
    index, choice, dataset = concepts.index, inputs.choice, inputs.dataset
    strategy = settings.search(index)
    about = {
        **choice.about(),
        "units": activations.units,
        "num_clusters": settings.num_clusters,
        "subset": dataset.subset,
        "dataset": str(dataset.directory.absolute()),
        "images": len(dataset.rows),
        "concepts": len(index.concepts),
        "mask_size": list(dataset.mask_shape),
        "segmentation": str(inputs.index_cache.directory.absolute()),
        "activations": str(activations.cache.directory.absolute()),
        "split": settings.split,
        "made_for": settings.made_for,
        "rebuild": inputs.rebuild,
    }
    ranges: RangeCache | tuple[Range, ...] | None = settings.by_hand
    if ranges is None:
        ranges = RangeCache(activations, settings.method, progress, split=settings.split)
    return ExplainJob(
        explainer=Explainer(
            index,
            concepts.counts,
            choice.layer,
            settings.num_clusters,
            strategy,
            inputs.device,
            settings.ties,
        ),
        activations=activations,
        ranges=ranges,
        results=name_run(inputs, settings, strategy),
        about=about,
        split=concepts.split,
    )


def name_run(inputs: Inputs, settings: JobSettings, strategy: Strategy) -> Run:
    """Name the run by the caches that it comes from, made or not, and how it is made."""
    choice, split = inputs.choice, settings.split
    search = strategy.identity()
    identity = {
        "segmentation": inputs.index_cache.made_from["fingerprint"],
        "activations": dict(inputs.activations_cache.made_from),
        "ranges": settings.method.identity()
        if settings.by_hand is None
        else {"by_hand": [found.to_json() for found in settings.by_hand]},
        "search": search | ({"ties": True} if settings.ties else {}),
        **({} if split is None else {"split": split}),
        # What a network's activations are made from names its layer already.
        **({"layer": choice.layer} if isinstance(choice, PrecomputedActivations) else {}),
    }
    parts = [
        choice.title,
        inputs.dataset.subset,
        f"k{settings.num_clusters}",
        f"{strategy.name}{search['length']}",
        *([] if split is None else [split]),
    ]
    return Run.named(inputs.roots.results, "-".join(parts), identity)


def session_of(inputs: Inputs, command: str) -> dict[str, Any]:
    """Return what a run's header says of a process: how it was called, and by which versions.

    Batch size and threads change the last digits of activations in some networks.
    """
    torch = sys.modules.get("torch")  # Not loaded where all caches are there.
    return {
        "command": command,
        "batch_size": inputs.batch_size,
        "threads": None if torch is None else torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
