"""From a stored run's header to the inputs and the job that made it, or that compare with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccx_cli.cli.inputs.gathering import InputOptions, gather, rebuild_command
from ccx_cli.cli.network_options import NetworkOptions, PassOptions, device_of
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.concepts.datasets import DEMO_SUBSET, side_of
from ccx_cli.concepts.fingerprints import FileCheck
from ccx_cli.probe.given_activations import GIVEN, PrecomputedActivations
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.progress import Progress
from ccx_cli.runs.inputs import RunInputs, open_inputs
from ccx_cli.runs.job import JobSettings, name_run, plan_run, settings_of
from ccx_cli.runs.opening import open_dataset
from ccx_cli.runs.preparing import Inputs, plan_caches
from ccx_cli.runs.run import Run
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.strategy import LISTING, Strategy
from ccx_cli.store.known_files import digest_file
from ccx_cli.store.steps import Step

_SHOWN = 12


def inputs_of(
    run: Run,
    places: PlaceOptions,
    device: str,
    batch_size: int | None,
    workers: int,
    progress: Progress,
    *,
    trusted: bool,
) -> Inputs:
    """Resolve the dataset and the network that a run's header names.

    The batch size is by default that of the first session that says one: it made what the rest
    found.
    """
    roots, about = places.roots, run.about
    if about.subset == DEMO_SUBSET and about.dataset and not Path(about.dataset).exists():
        side = side_of(Path(about.dataset))
        if side is not None:
            open_dataset(roots.datasets, DEMO_SUBSET, side, progress)
    opened = open_inputs(run, roots, trusted=trusted, progress=progress)
    about, choice = opened.run.about, opened.choice
    if isinstance(choice, PrecomputedActivations):
        if choice.path.is_file():
            sha256, stamp = digest_file(choice.path, roots.activations, progress)
            choice = replace(choice, sha256=sha256, stamp=stamp)
        network = NetworkOptions.of(choice)
    else:
        network = NetworkOptions.of(NetworkRequest.from_header(about, roots.models))
    data = DataOptions(about.subset or "", by_size=opened.by_size)
    rebuild = rebuild_command(_places_of(opened, places), data, network, about.seed or 0)
    said = (session.batch_size for session in run.header.sessions)
    first = next((size for size in said if size is not None), PassOptions().batch_size)
    check = FileCheck(opened.by_size, progress=progress)
    size = batch_size or first
    resolved = device_of(device)
    return Inputs(roots, opened.dataset, choice, resolved, size, workers, rebuild, check)


def changes_since(stored: Run, inputs: Inputs) -> list[str]:
    """Say in a sentence each which inputs are not what they were when a run was made."""
    sentences = []
    if inputs.index_cache.made_from["fingerprint"] != stored.identity.segmentation:
        sentences.append(
            f"The labels in {inputs.dataset.directory} changed since {stored.name} was made."
        )
    was, now = stored.identity.activations, inputs.activations_cache.made_from
    return sentences + list(_differences(was, now, stored, inputs))


def _differences(
    was: Mapping[str, Any], now: Mapping[str, Any], stored: Run, inputs: Inputs
) -> Iterator[str]:
    since = f"changed since {stored.name} was made"
    named = {
        "fingerprint": f"The images in {inputs.dataset.directory} {since}.",
        "source": f"The code of {stored.about.model} {since}.",
        "sae": f"The sparse autoencoder, or how it encodes, {since}.",
        "imports": f"Code that {stored.about.model} imports {since}.",
    }
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if before == after or (key == "imports" and before is None):
            continue  # Older versions did not look at what the code imports.
        if key in ("weights", GIVEN):
            what = stored.about.weights or stored.about.model
            if stored.about.given is not None:
                what = stored.about.given.file
            yield (
                f"{what} {since}: its SHA-256 was {str(before)[:_SHOWN]}... and is "
                f"{str(after)[:_SHOWN]}...."
            )
        else:
            yield named.get(key, f"The {key} of the activations was {before} and is {after}.")


def untrained_inputs(
    opened: RunInputs,
    places: PlaceOptions,
    run: RunOptions,
    passes: PassOptions,
    progress: Progress,
) -> Inputs:
    """Resolve the dataset of a run and its network, untrained."""
    choice = opened.network("an untrained counterpart", ": name one with --against")
    data = DataOptions(opened.run.about.subset or "", by_size=opened.by_size)
    network = NetworkOptions.of(choice.untrained(), passes.device, passes.batch_size)
    if choice.resized is None and side_of(opened.dataset.directory) != choice.input_side:
        # The size that the run was given is not that of the images, which would be taken.
        network = replace(network, input_size=str(choice.input_side))
    return gather(InputOptions(_places_of(opened, places), data, network, run), progress)


def settings_like(stored: Run) -> JobSettings:
    """Return a run's settings to compare other inputs with it, without the ties it stores."""
    return replace(
        settings_of(stored),
        search=lambda index: _strategy_like(stored, len(index.concepts)),
        ties=False,
        made_for=stored.name,
    )


def plan_like(stored: Run, inputs: Inputs) -> list[Step]:
    """Say what explaining like a run would make, and which units the run of that lacks."""
    plan = plan_caches([inputs])
    strategy = _strategy_like(stored, stored.about.concepts or 0)
    settings = settings_like(stored)
    run = name_run(inputs, settings, strategy)
    (_, maps) = plan.layers[0]
    units = None if maps is None else range(maps[0])
    return [*plan.steps, plan_run(inputs, settings, run, units, maps and maps[1:])]


def _places_of(opened: RunInputs, places: PlaceOptions) -> PlaceOptions:
    """Return the options with the root that the run's dataset is under."""
    above = opened.dataset.directory.parent
    datasets = above.parent if above.name == opened.run.about.subset else above
    if datasets.absolute() == opened.roots.datasets.absolute():
        return places
    return replace(places, root_datasets=datasets)


def _strategy_like(stored: Run, n_concepts: int) -> Strategy:
    """Return a run's search, without what lists other formulas beside the best."""
    search = stored.search_identity
    wanted = {key: value for key, value in search.items() if key not in LISTING}
    return search_from_identity(wanted, n_concepts)
