"""From options to inputs: the data set, the network, and the caches between them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ccx_cli.cli.fetching import fetch_missing_dataset, fetch_missing_weights
from ccx_cli.cli.options import (
    DataOptions,
    NetworkOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
)
from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.errors import DamagedDataError, UsageError, suggestion
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    build_activations,
    open_activations,
)
from ccx_cli.probe.catalog import NetworkChoice, choose_network, default_layer
from ccx_cli.probe.preprocessing import Preprocessing, parse_channels, parse_size
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.store.locks import removing, writing
from ccx_cli.store.paths import Roots, resolve_roots
from ccx_cli.store.shards import MANIFEST, ShardedCache, read_manifest

DEMO = "demo"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a command works on.

    Attributes
    ----------
    roots
        Where everything is.
    dataset
        The labelled images.
    choice
        The network and its layer.
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
    choice: NetworkChoice
    device: str
    batch_size: int
    workers: int
    rebuild: str


def roots_of(places: PlaceOptions) -> Roots:
    """Resolve the five roots."""
    return resolve_roots(
        places.data_dir,
        datasets=places.root_datasets,
        models=places.root_models,
        segmentations=places.root_segmentations,
        activations=places.root_activations,
        results=places.root_results,
    )


def gather(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    progress: Progress,
) -> Inputs:
    """Resolve everything that can be refused before work begins.

    Raises
    ------
    UsageError, MissingInputError, DamagedDataError
        For options that cannot be meant and inputs that are not there or not right.
    """
    roots = roots_of(places)
    if data.fetch:
        fetch_missing_weights(roots, network, run.seed, progress)
    choice = network_of(roots, network, run, layer=network.layer)
    device = _device(network.device)
    if data.fetch and data.subset != DEMO:
        _refuse_mistyped_demo(roots.datasets, data.subset, choice.input_side)
        fetch_missing_dataset(roots, choice.input_side, progress)
    side = choice.input_side if data.subset == DEMO else dataset_side(roots.datasets, choice)
    dataset = open_dataset(roots.datasets, data.subset, side, progress)
    if choice.input_size != (side, side):
        height, width = choice.input_size
        progress.note(f"The images of {dataset.directory} are resized to {height} x {width}.")
    return Inputs(
        roots=roots,
        dataset=dataset,
        choice=choice,
        device=device,
        batch_size=network.batch_size,
        workers=run.workers or available_cores(),
        rebuild=_rebuild_command(places, data, replace(network, model=choice.model), run),
    )


def network_of(
    roots: Roots, network: NetworkOptions, run: RunOptions, *, layer: str | None
) -> NetworkChoice:
    """Resolve the options that name a network; ``layer`` stands in for theirs."""
    return choose_network(
        roots.models,
        network.model,
        network.pretrained,
        layer,
        network.weights,
        run.seed,
        network.model_arg or (),
        Preprocessing(
            None if network.input_size is None else parse_size(network.input_size),
            None if network.mean is None else parse_channels(network.mean, "--mean"),
            None if network.std is None else parse_channels(network.std, "--std"),
        ),
    )


def default_or_none(model: str) -> str | None:
    """Return the default layer of a network, if it has one."""
    try:
        return default_layer(model)
    except UsageError:
        return None


def dataset_side(datasets: Path, choice: NetworkChoice) -> int:
    """Return the side of the data set to take for a network: its input's, if there is such a set.

    A network of another input than usual makes do with the usual set, or the one that is there
    whose side is nearest; its images are resized.
    """
    if choice.resized is None:
        return choice.input_side
    names = [path.name.removeprefix("broden1_") for path in datasets.glob("broden1_*")]
    sides = {int(name) for name in names if re.fullmatch(r"[1-9]\d{0,4}", name, re.ASCII)}
    wanted = max(choice.resized)
    for side in (wanted, choice.input_side):
        if side in sides:
            return side
    return min(sides, key=lambda side: (abs(side - wanted), side), default=choice.input_side)


def _device(name: str) -> str:
    """Resolve a device; the CPU needs no torch to be sure of."""
    if name == "cpu":
        return name
    from ccx_cli.probe.networks import resolve_device

    return str(resolve_device(name))


def open_dataset(datasets: Path, subset: str, side: int, progress: Progress) -> BrodenDataset:
    """Read a data set; the demo set is made first where it is not there yet."""
    if subset != DEMO:
        _refuse_mistyped_demo(datasets, subset, side)
        return read_broden(datasets, subset, side)
    root = datasets / DEMO
    if not (root / f"broden1_{side}").exists():
        from ccx_cli.concepts.demo import write_demo_dataset

        with writing(root, progress):
            if not (root / f"broden1_{side}").exists():
                write_demo_dataset(root, side, progress)
    return read_broden(root, DEMO, side)


def _refuse_mistyped_demo(datasets: Path, subset: str, side: int) -> None:
    near = suggestion(subset, [DEMO])
    if near and not (datasets / f"broden1_{side}").exists():
        raise UsageError(f"--subset {subset} is not known{near}")


def range_method(options: RangeOptions) -> RangeMethod:
    """Resolve how ranges are found.

    Raises
    ------
    UsageError
        If a number is out of bounds.
    """
    return RangeMethod(options.num_clusters, options.quantile, options.kmeans.value, options.n_init)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def mend_caches(inputs: Inputs, progress: Progress) -> None:
    """Drop the shards that are not what their manifest says, ranges' too, to be made anew."""
    for cache in (
        concept_cache(inputs),
        activations_cache(inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild),
    ):
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


def concept_cache(inputs: Inputs) -> ShardedCache:
    """Name the cache of the concept index; looks at every label PNG's size."""
    return index_cache(inputs.dataset, inputs.roots.segmentations, inputs.rebuild)


def prepare_index(
    inputs: Inputs, progress: Progress, cache: ShardedCache | None = None
) -> ConceptIndex:
    """Build what the concept index lacks, and load it; ``cache`` where it is named already."""
    cache = cache or concept_cache(inputs)
    build_index(inputs.dataset, cache, workers=inputs.workers, progress=progress)
    return load_index(inputs.dataset, cache)


def prepare_activations(inputs: Inputs, progress: Progress) -> Activations:
    """Build what the activations cache lacks, and open it."""
    cache = activations_cache(
        inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild
    )
    build_activations(
        inputs.dataset,
        inputs.choice,
        cache,
        device=inputs.device,
        batch_size=inputs.batch_size,
        workers=inputs.workers,
        progress=progress,
    )
    return open_activations(inputs.dataset, cache)


def _rebuild_command(
    places: PlaceOptions, data: DataOptions, network: NetworkOptions, run: RunOptions
) -> str:
    words: list[str] = ["ccx", "cache", "build", "--subset", data.subset, "--model", network.model]
    given: Sequence[tuple[str, object]] = (
        *(("--model-arg", word) for word in network.model_arg or ()),
        ("--pretrained", network.pretrained),
        ("--weights", network.weights),
        ("--layer", network.layer),
        ("--input-size", network.input_size),
        ("--mean", network.mean),
        ("--std", network.std),
        ("--seed", run.seed or None),
        ("--data-dir", places.data_dir),
        ("--root-datasets", places.root_datasets),
        ("--root-models", places.root_models),
        ("--root-segmentations", places.root_segmentations),
        ("--root-activations", places.root_activations),
    )
    for option, value in given:
        if value is not None:
            words += [option, str(value.absolute() if isinstance(value, Path) else value)]
    return shlex.join(words)
