"""From options to inputs: the dataset, and the network or the precomputed activations."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from ccx_cli.cli.commands.compare import CompareHeuristicsOptions, CompareThresholdsOptions
from ccx_cli.cli.commands.data import CacheBuildOptions
from ccx_cli.cli.commands.explain import ClusterOptions, ExplainOptions, ScoreOptions
from ccx_cli.cli.inputs.published import (
    fetch_missing,
    mirrors_of,
    missing_dataset,
    missing_weights,
)
from ccx_cli.cli.inputs.sets import set_settings
from ccx_cli.cli.network_options import (
    ALL_BLOCKS,
    OF_A_NETWORK,
    NetworkOptions,
    device_of,
    parse_size,
)
from ccx_cli.cli.options import DataOptions, PlaceOptions, RangeOptions, RunOptions
from ccx_cli.cli.settings.levels import found_in, is_typed
from ccx_cli.concepts.datasets import (
    DEMO_SUBSET,
    USUAL_SIDE,
    find_datasets,
    is_own,
    own_directory,
    side_of,
)
from ccx_cli.concepts.demo import DEMO_COUNT
from ccx_cli.concepts.fingerprints import BY_SIZE, FileCheck
from ccx_cli.errors import UsageError
from ccx_cli.fetching.downloads import FetchOptions
from ccx_cli.fetching.sets import SETS
from ccx_cli.fetching.sources import Source
from ccx_cli.probe.array_files import split_name
from ccx_cli.probe.given_activations import ActivationSource
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.probe.networks.trust import is_trusted, trust
from ccx_cli.probe.precomputed import choose_precomputed
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.runs.on_dask import local_workers
from ccx_cli.runs.opening import network_side, open_dataset, refuse_mistyped_demo
from ccx_cli.runs.preparing import Inputs, Plan, plan_caches
from ccx_cli.store.paths import Roots
from ccx_cli.store.steps import Step
from ccx_cli.threads import cores


@dataclass(frozen=True, slots=True)
class InputOptions:
    """The options that say what to explain, as several commands have them."""

    places: PlaceOptions
    data: DataOptions
    network: NetworkOptions
    run: RunOptions


Options = (
    InputOptions
    | ScoreOptions
    | CacheBuildOptions
    | ClusterOptions
    | ExplainOptions
    | CompareHeuristicsOptions
    | CompareThresholdsOptions
)
ON_A_CLUSTER = CacheBuildOptions | ClusterOptions | ExplainOptions
Missing = tuple[Step, Callable[[Progress], object]]
"""Something that inputs cannot be read without, and what makes it."""


def gather(options: Options, progress: Progress) -> Inputs:
    """Resolve the options to the inputs of one layer; several are refused."""
    _ = options.network.layer
    (inputs,) = gather_layers(options, progress)
    return inputs


def gather_layers(options: Options, progress: Progress) -> list[Inputs]:
    """Resolve the options to inputs, one for each distinct layer, and make those missing."""
    _check_activations(options.network)
    # All of them are known before the first is made: a wrong option shows before a download.
    for _, make in list(_missing_inputs(options)):
        make(progress)
    return _read_inputs(options, progress)


def plan_inputs(
    options: CacheBuildOptions | ClusterOptions | ExplainOptions,
    workers: int,
    *,
    index: bool = True,
    activations: bool = True,
) -> Plan:
    """Say what ``gather_layers`` would make, and what is missing of the caches; writes nothing.

    Times are those of so many ``workers``.
    """
    _check_activations(options.network)
    roots = options.places.roots
    steps = [step for step, _ in _missing_inputs(options)]
    if steps:
        if index:
            steps.append(Step("concept index", roots.segmentations, "images", None, None))
        if activations:
            steps.append(Step("activations", roots.activations, "images", None, None))
        return Plan(tuple(steps))
    found = _read_inputs(options, SilentProgress(), remember=False)
    layers = [replace(inputs, workers=workers) for inputs in found]
    dataset, choice = layers[0].dataset, layers[0].choice
    n_images = len(dataset.rows)
    steps.append(Step("dataset", dataset.directory, "images", n_images, n_images))
    if isinstance(choice, NetworkDescription) and choice.weights is not None:
        steps.append(Step("weights", choice.weights, "file", 1, 1))
    plan = plan_caches(layers, index=index, activations=activations)
    share = _share_of_pass(options.cluster.dask, workers)
    steps += [
        step
        if step.seconds is None or step.name != "activations"
        else replace(step, seconds=step.seconds * share)
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))


def _share_of_pass(dask: str | None, workers: int) -> float:
    """Return what a pass takes, of a core each, of the time that it takes with all cores here."""
    if dask is None:
        return 1
    share = cores() / workers
    return max(share, 1) if local_workers(dask) else share


def _missing_inputs(options: Options) -> Iterator[Missing]:
    roots, network, run = options.places.roots, options.network, options.run
    subset, fetch = options.data.subset, options.data.fetch
    if not fetch and subset != DEMO_SUBSET:
        return
    found = find_datasets(roots.datasets, subset)
    if network.activations is not None:
        side = _precomputed_side(network.input_size)
        if side is None and found:
            return
        side = side or USUAL_SIDE
    else:
        _device(options)
        weights = missing_weights(roots, network, run.seed) if fetch else None
        if weights is not None:
            yield _to_fetch(weights, roots)
            network = replace(network, pretrained="none")
        side = network_of(roots, network, run, layer=_any_layer(network)).input_side
    if subset == DEMO_SUBSET:
        directory = own_directory(roots.datasets, DEMO_SUBSET, side)
        if not directory.exists():
            step = Step("demo dataset", directory, "images", DEMO_COUNT)
            yield step, partial(open_dataset, roots.datasets, DEMO_SUBSET, side)
        return
    if any(is_own(path, roots.datasets) for path in found.values()):
        return
    if subset in SETS:
        source = SETS[subset].dataset(USUAL_SIDE)
        step = Step(f"fetch {subset}", source.target(roots), "file", 1, 0, source.about_bytes)
        yield step, partial(_fetch_set, subset, roots, run.cores)
        return
    dataset = missing_dataset(roots, side)
    if dataset is not None:
        refuse_mistyped_demo(subset)
        yield _to_fetch(dataset, roots)


def _to_fetch(source: Source, roots: Roots) -> Missing:
    step = Step(f"fetch {source.name}", source.target(roots), "file", 1, 0, source.about_bytes)
    return step, partial(fetch_missing, source, roots)


def _fetch_set(subset: str, roots: Roots, workers: int, progress: Progress) -> None:
    from ccx_cli.cli.inputs.set_import import fetch_set  # slow to import

    settings = set_settings(subset, (USUAL_SIDE, USUAL_SIDE))
    options = FetchOptions(mirrors=mirrors_of(()))
    fetch_set(SETS[subset], roots, settings, options, workers, progress)


def _check_activations(network: NetworkOptions) -> None:
    """Refuse options that do not go with precomputed activations, or only with them."""
    if network.sae is not None and network.has_several_layers:
        raise UsageError(
            f"--sae {network.sae} is on one layer: name the one it was trained on with --layer."
        )
    if network.activations is None:
        if network.activations_axes is not None:
            raise UsageError(
                f"--activations-axes {network.activations_axes} describes a file: add "
                "--activations FILE."
            )
        if network.grid is not None:
            raise UsageError(f"--grid {network.grid} describes a file: add --activations FILE.npz.")
        return
    for option in OF_A_NETWORK:
        if is_typed(option):
            raise UsageError(
                f"--activations {network.activations} needs no network: leave {option} out, or "
                "--activations."
            )
    split_name(network.activations)
    if len(network.distinct_layers) > 1:
        raise UsageError(
            f"--activations {network.activations} is one layer: name it with one --layer, or leave "
            "that out."
        )


def _read_inputs(options: Options, progress: Progress, *, remember: bool = True) -> list[Inputs]:
    """Read inputs that are all there; ``remember`` the digests of files."""
    places, data, network, run = options.places, options.data, options.network, options.run
    roots, device = places.roots, _device(options)
    check = FileCheck(data.by_size, remember, progress)
    memory = data.bytes_of_memory

    def inputs(resolved: NetworkOptions, choice: ActivationSource, seed: int) -> Inputs:
        rebuild = rebuild_command(places, data, resolved, seed)
        size = network.batch_size
        return Inputs(roots, dataset, choice, device, size, run.cores, rebuild, check, memory)

    if network.activations is not None:
        side = _precomputed_side(network.input_size)
        dataset = open_dataset(roots.datasets, data.subset, side, progress, "input_size")
        path, name = split_name(network.activations)
        axes, layer = network.activations_axes, network.layer
        grid = None if network.grid is None else parse_size(network.grid, "--grid", "cells")
        given = choose_precomputed(
            path, name, axes, grid, layer, dataset, roots.activations, progress, remember=remember
        )
        resolved = replace(NetworkOptions.of(given), input_size=network.input_size)
        if side is None and side_of(dataset.directory) != USUAL_SIDE:
            resolved = replace(resolved, input_size=str(side_of(dataset.directory)))
        return [inputs(resolved, given, seed=0)]
    choice = network_of(roots, network, run, layer=_any_layer(network))
    side = network_side(roots.datasets, data.subset, choice, chosen=network.input_size is not None)
    dataset = open_dataset(roots.datasets, data.subset, side, progress, "input_size")
    sizes = {(row.height, row.width) for row in dataset.rows}
    if side is None:
        usual = side_of(dataset.directory)
        height, width = next(iter(sizes)) if len(sizes) == 1 else (usual, usual)
        size = str(height) if height == width else f"{height}x{width}"
        network = replace(network, input_size=size)
        choice = network_of(roots, network, run, layer=_any_layer(network))
        progress.note(
            f"The input size is {network.input_size}, that of the images in {dataset.directory}: "
            "choose another with --input-size."
        )
    if sizes - {choice.input_size}:
        height, width = choice.input_size
        progress.note(f"The images of {dataset.directory} are resized to {height} x {width}.")
    names: list[str] = []
    for layer in network.distinct_layers or [choice.layer]:
        names += (
            _blocks(choice, "cpu" if _is_elsewhere(options) else device)
            if layer == ALL_BLOCKS
            else [layer]
        )
    layers = [replace(choice, layer=name) for name in dict.fromkeys(names)]
    return [inputs(network.resolved(each), each, run.seed) for each in layers]


def _any_layer(network: NetworkOptions) -> str | None:
    """Return one of the layers, to resolve the network with; ``all-blocks`` are not known yet."""
    if ALL_BLOCKS in network.distinct_layers:
        return ""
    return next(iter(network.distinct_layers), None)


def _device(options: Options) -> str:
    """Resolve the device; of workers elsewhere, each resolves it for itself."""
    name = options.network.device
    return name if _is_elsewhere(options) else device_of(name)


def _is_elsewhere(options: Options) -> bool:
    """Tell whether workers of a cluster run the network."""
    return isinstance(options, ON_A_CLUSTER) and options.cluster.dask is not None


def _blocks(choice: NetworkDescription, device: str) -> list[str]:
    from ccx_cli.probe.networks.layers import list_layers  # Loads torch.

    found = [layer.name for layer in list_layers(choice, device) if layer.is_block]
    if not found:
        raise UsageError(
            f"--layer {ALL_BLOCKS}: no layer of {choice.name} gives maps of more than one pixel: "
            "name layers that `ccx layers` lists."
        )
    return found


def network_of(
    roots: Roots, network: NetworkOptions, run: RunOptions, *, layer: str | None
) -> NetworkDescription:
    """Resolve the network; a ``ccx.toml`` that only lies there may name no code not run before."""
    choice = choose_network(roots.models, network.request(run.seed, layer))
    origin = found_in("model") or found_in("model_arg")
    if origin is not None and not is_trusted(choice.model, choice.model_args):
        call = shlex.join([choice.model, *choice.model_args])
        raise UsageError(
            f"{origin} names code that was not run here before, {call}: read it, then name it "
            "once with --model and --model-arg."
        )
    trust(choice.model, choice.model_args)
    return choice


def _precomputed_side(size: str | None) -> int | None:
    """Return the side of the dataset for precomputed activations, if it is given."""
    if size is None:
        return None
    height, width = parse_size(size)
    if height != width:
        raise UsageError(
            f"--input-size {size}: with --activations it names the dataset, broden1_224 or "
            "another, so give one side."
        )
    return height


def range_method(options: RangeOptions) -> RangeMethod:
    """Resolve how ranges are found."""
    return RangeMethod(options.num_clusters, options.quantile, options.kmeans, options.n_init)


def rebuild_command(
    places: PlaceOptions, data: DataOptions, network: NetworkOptions, seed: int
) -> str:
    """Return the command that makes the concept index and the activations of these options."""
    words = ["ccx", "cache", "build", "--subset", data.subset, *network.words()]
    if seed:
        words += ["--seed", str(seed)]
    words += [word for pair in places.given().items() for word in pair]
    return shlex.join([*words, BY_SIZE] if data.by_size else words)
