"""From options to inputs: the data set, the network, and the caches between them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.cli.inputs.fetching import fetch_missing_dataset, fetch_missing_weights
from ccx_cli.cli.network_options import NetworkOptions, device_of
from ccx_cli.cli.options import DataOptions, PlaceOptions, RangeOptions, RunOptions
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.errors import DamagedDataError, UsageError, suggestion
from ccx_cli.probe.activation_pass import build_activations
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    open_activations,
)
from ccx_cli.probe.networks.catalog import choose_network, default_layer
from ccx_cli.probe.networks.description import NetworkDescription, PrecomputedActivations, Source
from ccx_cli.probe.precomputed import import_activations
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.store.locks import removing, writing
from ccx_cli.store.paths import Roots
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
    choice: Source
    device: str
    batch_size: int
    workers: int
    rebuild: str


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
    if network.activations is not None:
        from ccx_cli.cli.inputs.given import gather_given

        return gather_given(network.activations, places, data, network, run, progress)
    if network.activations_axes is not None:
        raise UsageError(
            f"--activations-axes {network.activations_axes} is said of a file: add --activations "
            "FILE."
        )
    roots = roots_of(places)
    if data.fetch:
        fetch_missing_weights(roots, network, run.seed, progress)
    choice = network_of(roots, network, run, layer=network.layer)
    device = device_of(network.device)
    if data.fetch and data.subset != DEMO:
        _refuse_mistyped_demo(roots.datasets, data.subset, choice.input_side)
        fetch_missing_dataset(roots, choice.input_side, progress)
    side = choice.input_side if data.subset == DEMO else dataset_side(roots.datasets, choice)
    dataset = open_dataset(roots.datasets, data.subset, side, progress)
    if any((row.height, row.width) != choice.input_size for row in dataset.rows):
        height, width = choice.input_size
        progress.note(f"The images of {dataset.directory} are resized to {height} x {width}.")
    return Inputs(
        roots=roots,
        dataset=dataset,
        choice=choice,
        device=device,
        batch_size=network.batch_size,
        workers=run.workers or available_cores(),
        rebuild=rebuild_of(places, data, network, run, choice),
    )


def network_of(
    roots: Roots, network: NetworkOptions, run: RunOptions, *, layer: str | None
) -> NetworkDescription:
    """Resolve the options that name a network; ``layer`` stands in for theirs."""
    return choose_network(roots.models, network.request(run.seed, layer))


def default_or_none(model: str) -> str | None:
    """Return the default layer of a network, if it has one."""
    try:
        return default_layer(model)
    except UsageError:
        return None


def dataset_side(datasets: Path, choice: NetworkDescription) -> int:
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


def mend_caches(everything: Sequence[Inputs], progress: Progress) -> None:
    """Drop the shards that are not what their manifest says, ranges' too, to be made anew.

    The inputs differ in nothing but the layer.
    """
    for cache in (
        concept_cache(everything[0]),
        *(
            activations_cache(each.dataset, each.choice, each.roots.activations, each.rebuild)
            for each in everything
        ),
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
    """Build or import what the activations cache lacks, and open it."""
    cache = activations_cache(
        inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild
    )
    if isinstance(inputs.choice, PrecomputedActivations):
        import_activations(inputs.dataset, inputs.choice, cache, progress)
    else:
        build_activations(
            inputs.dataset,
            [(inputs.choice, cache)],
            device=inputs.device,
            batch_size=inputs.batch_size,
            workers=inputs.workers,
            progress=progress,
        )
    return open_activations(inputs.dataset, cache)


def rebuild_of(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    choice: NetworkDescription,
) -> str:
    """Return the command that makes the caches of a network as it was resolved, of its one layer.

    A layer that was left out is left out here too.
    """
    return rebuild_command(places, data, network.resolved(choice), run)


def rebuild_command(
    places: PlaceOptions, data: DataOptions, network: NetworkOptions, run: RunOptions
) -> str:
    """Return the command that makes the concept index and the activations of these options."""
    words = ["ccx", "cache", "build", "--subset", data.subset, *network.words()]
    given: Sequence[tuple[str, object]] = (
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
