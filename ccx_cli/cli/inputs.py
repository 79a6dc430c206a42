"""From options to inputs: the data set, the network, and the caches between them."""

from __future__ import annotations

import os
import platform
import random
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ccx_cli.cli.options import (
    DataOptions,
    NetworkOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    UnitOptions,
)
from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.errors import UsageError
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    build_activations,
    open_activations,
)
from ccx_cli.probe.catalog import NetworkChoice, choose_network
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import count_data
from ccx_cli.search.explain import Explainer
from ccx_cli.search.job import ExplainJob
from ccx_cli.store.locks import writing
from ccx_cli.store.paths import Roots, resolve_roots
from ccx_cli.store.results import ResultsRun

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
    choice = choose_network(
        roots.models,
        network.model,
        network.pretrained,
        network.layer,
        network.weights,
        run.seed,
    )
    dataset = open_dataset(roots.datasets, data.subset, choice.input_side, progress)
    return Inputs(
        roots=roots,
        dataset=dataset,
        choice=choice,
        device=network.device,
        batch_size=network.batch_size,
        workers=run.workers or available_cores(),
        rebuild=_rebuild_command(places, data, network, run),
    )


def open_dataset(datasets: Path, subset: str, side: int, progress: Progress) -> BrodenDataset:
    """Read a data set; the demo set is made first where it is not there yet."""
    if subset != DEMO:
        return read_broden(datasets, subset, side)
    root = datasets / DEMO
    if not (root / f"broden1_{side}").exists():
        from ccx_cli.concepts.demo import write_demo_dataset
        from ccx_cli.store.locks import writing

        with writing(root, progress):
            if not (root / f"broden1_{side}").exists():
                write_demo_dataset(root, side, progress)
    return read_broden(root, DEMO, side)


def choose_units(options: UnitOptions, seed: int, available: int, layer: str) -> list[int]:
    """Resolve ``--units`` and ``--random-units`` to unit numbers, ascending.

    Raises
    ------
    UsageError
        If they contradict each other or name units that the layer does not have.
    """
    if options.units is not None and options.random_units:
        raise UsageError("--units and --random-units exclude each other: give one of them.")
    if options.units is not None:
        return parse_units(options.units, available, layer)
    if options.random_units > available:
        raise UsageError(
            f"--random-units {options.random_units} is more than the {available} units of {layer}."
        )
    if options.random_units:
        return sorted(random.Random(seed).sample(range(available), options.random_units))
    return list(range(available))


def parse_units(text: str, available: int, layer: str) -> list[int]:
    """Read ``1,5,10-20`` as unit numbers, ascending and distinct.

    Raises
    ------
    UsageError
        If the text is something else, or a unit is past the layer's end.
    """
    units: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--units {text} is not a list of units such as 1,5,10-20.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= available:
            raise UsageError(
                f"--units {text} goes past the end of {layer}, which has the units 0 to "
                f"{available - 1}."
            )
        units.update(range(first, last + 1))
    return sorted(units)


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
    """Drop the shards that are not what their manifest says, so that they are made anew."""
    for cache in (
        index_cache(inputs.dataset, inputs.roots.segmentations, inputs.rebuild),
        activations_cache(inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild),
    ):
        damaged = [name for name in cache.shards if cache.fault(name)]
        if damaged:
            with writing(cache.directory, progress):
                cache.refresh()
                cache.drop([name for name in damaged if name in cache.shards])
            progress.note(f"{len(damaged)} damaged files of {cache.directory} are made anew.")


def prepare_index(inputs: Inputs, progress: Progress) -> ConceptIndex:
    """Build what the concept index lacks, and load it."""
    cache = index_cache(inputs.dataset, inputs.roots.segmentations, inputs.rebuild)
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


def prepare_job(
    inputs: Inputs,
    method: RangeMethod,
    by_hand: Sequence[Range] | None,
    settings: BeamSettings,
    progress: Progress,
) -> ExplainJob:
    """Build what is missing, and name the run that the options describe.

    Parameters
    ----------
    inputs
        Data set and network.
    method
        How ranges are found.
    by_hand
        Ranges to use for every unit instead.
    settings
        Of the search.
    progress
        Told about what is built.
    """
    index = prepare_index(inputs, progress)
    activations = prepare_activations(inputs, progress)
    choice, dataset = inputs.choice, inputs.dataset
    num_clusters = method.num_clusters if by_hand is None else len(by_hand)
    identity = {
        "segmentation": dataset.segmentation_fingerprint(),
        "activations": dict(activations.cache.made_from),
        "ranges": method.identity()
        if by_hand is None
        else {"by_hand": [found.to_json() for found in by_hand]},
        "search": {"name": "beam", "length": settings.length, "beam_limit": settings.beam_limit},
    }
    title = "-".join(
        [
            choice.model,
            choice.pretrained,
            choice.layer,
            dataset.subset,
            f"k{num_clusters}",
            f"beam{settings.beam_limit}",
            f"length{settings.length}",
        ]
    )
    about = {
        "model": choice.model,
        "pretrained": choice.pretrained,
        "layer": choice.layer,
        "units": activations.units,
        "subset": dataset.subset,
        "dataset": str(dataset.directory.absolute()),
        "images": len(dataset.rows),
        "concepts": len(index.concepts),
        "activations": str(activations.cache.directory.absolute()),
    }
    return ExplainJob(
        explainer=Explainer(
            index, count_data(index), choice.layer, num_clusters, settings, inputs.device
        ),
        activations=activations,
        ranges=RangeCache(activations, method, progress) if by_hand is None else tuple(by_hand),
        results=ResultsRun.named(inputs.roots.results, title, identity),
        about=about,
    )


def session_of(command: Sequence[str]) -> dict[str, str]:
    """Say in a run's header how it was called, and by which versions."""
    return {
        "command": shlex.join(["ccx", *command[1:]]),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "torch", "scikit-learn")},
    }


def _rebuild_command(
    places: PlaceOptions, data: DataOptions, network: NetworkOptions, run: RunOptions
) -> str:
    words: list[str] = ["ccx", "cache", "build", "--subset", data.subset, "--model", network.model]
    given: Sequence[tuple[str, object]] = (
        ("--pretrained", network.pretrained),
        ("--weights", network.weights),
        ("--layer", network.layer),
        ("--seed", run.seed or None),
        ("--data-dir", places.data_dir),
        ("--root-datasets", places.root_datasets),
        ("--root-models", places.root_models),
        ("--root-segmentations", places.root_segmentations),
        ("--root-activations", places.root_activations),
    )
    for option, value in given:
        if value is not None:
            words += [option, str(value)]
    return shlex.join(words)
