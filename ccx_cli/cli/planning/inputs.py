"""What explaining takes, found by looking only: data set, caches, stored units, their sizes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import prod
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from ccx_cli.cli.inputs.asked_layers import gather_layers
from ccx_cli.cli.inputs.fetching import missing_dataset, missing_weights, sources_named
from ccx_cli.cli.inputs.gathering import DEMO, Inputs, concept_cache, network_of
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.cli.places import roots_of
from ccx_cli.cli.planning.dry_run import Step
from ccx_cli.concepts.index import BLOCK
from ccx_cli.errors import DamagedDataError
from ccx_cli.probe.activations import activations_cache
from ccx_cli.probe.networks.description import NetworkDescription, PrecomputedActivations
from ccx_cli.progress import SilentProgress
from ccx_cli.runs.results import ResultsRun, stored_runs
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import ShardedCache

# A rough rate, that of benchmarks/README.md: 22,210 images in 23 s in two processes.
_INDEX_SECONDS = 0.0021
_INDEX_BYTES_A_PIXEL = 2
_PIXELS = 112 * 112
_OUTPUTS = 365


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer's activations, made or not.

    Attributes
    ----------
    inputs
        Data set, network and layer.
    cache
        Of the activations.
    units
        Of the layer, where that is known.
    step
        What the activations take.
    """

    inputs: Inputs
    cache: ShardedCache
    units: int | None
    step: Step


@dataclass(frozen=True, slots=True)
class Planned:
    """What can be told of the inputs without making any.

    Attributes
    ----------
    steps
        What they take.
    layers
        Those that are asked for; none where the data set or the weights are not here yet.
    index
        The concept index, made or not, where it is needed.
    """

    steps: tuple[Step, ...]
    layers: tuple[PlannedLayer, ...] = ()
    index: ShardedCache | None = None


def plan_inputs(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    *,
    needs_index: bool = True,
    needs_activations: bool = True,
) -> Planned:
    """Plan the data set, the weights, the concept index and the activations.

    Raises
    ------
    UsageError, MissingInputError, DamagedDataError
        As the command itself, for what it would refuse.
    """
    roots = roots_of(places)
    steps = list(_absent(roots, data, network, run))
    if steps:
        if needs_index:
            steps.append(Step("concept index", roots.segmentations, "images", None, None))
        if needs_activations:
            steps.append(Step("activations", roots.activations, "images", None, None))
        return Planned(tuple(steps))
    everything = _look(roots, places, replace(data, fetch=False), network, run)
    dataset, choice = everything[0].dataset, everything[0].choice
    rows = len(dataset.rows)
    steps.append(Step("data set", dataset.directory, "images", rows, rows))
    if isinstance(choice, NetworkDescription) and choice.weights is not None:
        steps.append(Step("weights", choice.weights, "file", 1, 1))
    planned = plan_caches(everything, needs_index, needs_activations)
    return replace(planned, steps=(*steps, *planned.steps))


def plan_caches(
    everything: Sequence[Inputs], needs_index: bool = True, needs_activations: bool = True
) -> Planned:
    """Plan the concept index and the activations of inputs that are there, one for each layer."""
    steps = []
    index = None
    if needs_index:
        index = concept_cache(everything[0])
        steps.append(_index_step(everything[0], index))
    layers = _plan_layers(everything) if needs_activations else ()
    return Planned((*steps, *(layer.step for layer in layers)), layers, index)


def _plan_layers(everything: Sequence[Inputs]) -> tuple[PlannedLayer, ...]:
    shapes: dict[str, tuple[int, float]] | None = None
    an_image: float | None = None
    layers = []
    for inputs in everything:
        cache = activations_cache(
            inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild
        )
        known = _of_shards(cache)
        if known is None and isinstance(inputs.choice, NetworkDescription):
            if shapes is None:
                shapes, an_image = _of_network(inputs.choice)
            known = shapes.get(inputs.choice.layer)
            if known is None:
                _refuse_layer(inputs.choice)
        elif known is None and isinstance(inputs.choice, PrecomputedActivations):
            maps = inputs.choice.maps
            known = None if maps is None else (maps[0], 4.0 * prod(maps))
        n_images = len(inputs.dataset.rows)
        done = sum(_span(name) for name in cache.shards)
        pace = _pace(cache)
        if pace is None and an_image is not None and inputs.device == "cpu":
            # One pass is for all layers.
            pace = an_image / len(everything)
        step = Step(
            "activations",
            cache.directory,
            "images",
            n_images,
            done,
            None if known is None else round(known[1] * (n_images - done)),
            None if pace is None else pace * (n_images - done),
        )
        layers.append(PlannedLayer(inputs, cache, None if known is None else known[0], step))
    return tuple(layers)


def plan_units(layer: PlannedLayer, run: ResultsRun | None, units: Sequence[int] | None) -> Step:
    """Plan the explanations; their time is that of earlier sessions with the same search."""
    results = layer.inputs.roots.results
    total = None if units is None else len(units)
    if run is None or units is None:
        return Step("explanations", results, "units", total, None)
    done = len(set(run.finished()) & set(units))
    pace = unit_pace(results, run.identity)
    missing = len(units) - done
    return Step(
        "explanations",
        run.directory,
        "units",
        total,
        done,
        None if pace is None else round(pace[1] * missing),
        None if pace is None else pace[0] * missing,
    )


def unit_pace(results: Path, identity: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return seconds and bytes a unit took in stored runs on these images with this search."""
    alike = ("segmentation", "ranges", "search")
    seconds, found, size, stored = 0.0, 0, 0, 0
    for run in stored_runs(results):
        try:
            header = run.header()
            units = len(run.finished())
        except DamagedDataError:
            continue
        if any(header["identity"].get(key) != identity.get(key) for key in alike):
            continue
        for session in header["sessions"]:
            if session.get("units") and "finished" in session:
                ended, began = session["finished"], session["started"]
                took = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
                seconds, found = seconds + took.total_seconds(), found + session["units"]
        size, stored = size + run.lines.path.stat().st_size, stored + units
    return (seconds / found, size / stored) if found and stored else None


def _absent(
    roots: Roots, data: DataOptions, network: NetworkOptions, run: RunOptions
) -> Iterator[Step]:
    """Yield what has to be fetched, or drawn, before anything more can be told."""
    network = replace(network, layers=[""])  # Which layer makes no difference here.
    if network.activations is None and data.fetch:
        name = missing_weights(roots, network, run.seed)
        if name is not None:
            yield _fetched(name, roots)
            network = replace(network, pretrained="none")
    if data.subset == DEMO:
        side = 224
        if network.activations is None:
            side = network_of(roots, network, run, layer="").input_side
        directory = roots.datasets / DEMO / f"broden1_{side}"
        if not directory.exists():
            from ccx_cli.concepts.demo import DEMO_COUNT

            yield Step("demo data set", directory, "images", DEMO_COUNT)
    elif data.fetch and network.activations is None:
        choice = network_of(roots, network, run, layer="")
        name = missing_dataset(roots, choice.input_side)
        if name is not None:
            yield _fetched(name, roots)


def _fetched(name: str, roots: Roots) -> Step:
    (source,) = sources_named([name], roots)
    return Step(f"fetch {name}", source.target(roots), "file", 1, 0, source.about_bytes)


def _look(
    roots: Roots,
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
) -> list[Inputs]:
    """Gather the inputs; what is remembered of a given file's digest is put elsewhere."""
    if network.activations is None:
        return gather_layers(places, data, network, run, SilentProgress())
    from ccx_cli.probe.weights.known_digests import NAME

    with TemporaryDirectory() as elsewhere:
        if (roots.activations / NAME).exists():
            shutil.copy(roots.activations / NAME, elsewhere)
        aside = replace(places, root_activations=Path(elsewhere))
        found = gather_layers(aside, data, network, run, SilentProgress())
        return [replace(inputs, roots=roots) for inputs in found]


def _index_step(inputs: Inputs, cache: ShardedCache) -> Step:
    n_images = len(inputs.dataset.rows)
    height, width = inputs.dataset.mask_shape
    blocks = [int(name.rpartition("-")[2]) for name in cache.shards if name.startswith("images-")]
    done = sum(min(BLOCK, n_images - number * BLOCK) for number in blocks)
    if done:
        a_image = sum(shard.size for shard in cache.shards.values()) / done
    else:
        a_image = _INDEX_BYTES_A_PIXEL * height * width
    missing = n_images - done
    processes = inputs.workers if missing > 2 * BLOCK else 1
    rate = _INDEX_SECONDS * height * width / _PIXELS
    return Step(
        "concept index",
        cache.directory,
        "images",
        n_images,
        done,
        round(a_image * missing),
        rate * missing / processes,
    )


def _span(name: str) -> int:
    """Return how many images a shard of activations holds."""
    _, start, stop = name.split("-")
    return int(stop) - int(start)


def _of_shards(cache: ShardedCache) -> tuple[int, float] | None:
    """Return the units, and the bytes of an image, from a shard that is there."""
    for name in sorted(cache.shards)[:1]:
        with cache.read(name) as file:
            units = int(file["activations"].shape[0])
        return units, cache.shards[name].size / _span(name)
    return None


def _of_network(choice: NetworkDescription) -> tuple[dict[str, tuple[int, float]], float]:
    """Return units and bytes an image of all layers from blank images, and seconds an image."""
    from ccx_cli.probe.networks.layers import time_pass

    layers, seconds = time_pass(_unweighted(choice))
    found = {}
    for layer in layers:
        height, width = layer.layout.map_shape
        found[layer.name] = layer.layout.units, 4.0 * layer.layout.units * height * width
    return found, seconds


def _refuse_layer(choice: NetworkDescription) -> None:
    """Raise what loading the network says of a layer that gives no maps."""
    from ccx_cli.probe.networks.loading import load_network

    load_network(_unweighted(choice), "cpu")


def _unweighted(choice: NetworkDescription) -> NetworkDescription:
    """Return the network with random weights, which are at hand: shapes do not depend on them."""
    if choice.is_own or choice.model == DEMO:
        return choice
    return replace(choice, pretrained="none", weights=None, num_classes=_OUTPUTS)


def _pace(cache: ShardedCache) -> float | None:
    """Return the seconds an image took, by when the shards that are there were finished."""
    ends = sorted(
        ((cache.directory / shard.file).stat().st_mtime, _span(name))
        for name, shard in cache.shards.items()
        if (cache.directory / shard.file).exists()
    )
    paces = [(end - begun) / images for (begun, _), (end, images) in pairwise(ends)]
    # A clock that was put back in between says nothing.
    paces = [pace for pace in paces if pace >= 0]
    return median(paces) if paces else None
