"""From a stored run's header to the inputs and the job that made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ccx_cli.cli.inputs.gathering import (
    DEMO,
    Inputs,
    concept_cache,
    open_dataset,
    rebuild_command,
)
from ccx_cli.cli.inputs.jobs import prepare_job
from ccx_cli.cli.inputs.untrained import ranges_like
from ccx_cli.cli.network_options import NetworkOptions, device_of
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.cli.stored import PassOptions
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.probe.activations import activations_cache
from ccx_cli.probe.networks.description import GIVEN, NetworkRequest, PrecomputedActivations
from ccx_cli.probe.weights.known_digests import known_digest
from ccx_cli.progress import Progress
from ccx_cli.runs.job import ExplainJob
from ccx_cli.runs.opened import open_run
from ccx_cli.runs.results import ResultsRun
from ccx_cli.runs.stored import StoredRun
from ccx_cli.search.registry import search_from_identity
from ccx_cli.store.paths import Roots

_SHOWN = 12


def inputs_of(
    run: ResultsRun,
    roots: Roots,
    places: PlaceOptions,
    passes: PassOptions,
    workers: int,
    progress: Progress,
) -> Inputs:
    """Resolve the data set and the network that a run's header names.

    Raises
    ------
    MissingInputError, UsageError, DamagedDataError
        If they are not there, or the header does not name them.
    """
    _draw_demo(run, roots, progress)
    opened = open_run(run, roots)
    about, choice = opened.about, opened.choice
    if isinstance(choice, PrecomputedActivations) and choice.path.is_file():
        sha256, stamp = known_digest(choice.path, roots.activations, progress)
        choice = replace(choice, sha256=sha256, stamp=stamp)
    above = opened.dataset.directory.parent
    datasets = above.parent if about["subset"] == DEMO else above
    if datasets.absolute() != roots.datasets.absolute():
        places = replace(places, root_datasets=datasets)
    return Inputs(
        roots=roots,
        dataset=opened.dataset,
        choice=choice,
        device=device_of(passes.device),
        batch_size=passes.batch_size,
        workers=workers,
        rebuild=rebuild_command(
            places,
            DataOptions(about["subset"]),
            NetworkOptions.of(
                choice
                if isinstance(choice, PrecomputedActivations)
                else NetworkRequest.from_header(about, roots.models)
            ),
            RunOptions(seed=about["seed"] or 0),
        ),
    )


def batch_size_of(header: Mapping[str, Any]) -> int:
    """Return the batch size of the first session that says one: it made what the rest found."""
    said = (session.get("batch_size") for session in header.get("sessions", ()))
    return next((size for size in said if isinstance(size, int)), PassOptions().batch_size)


def changes_since(stored: StoredRun, inputs: Inputs) -> list[str]:
    """Say in a sentence each which inputs are not what they were when a run was made."""
    index = concept_cache(inputs)
    activations = activations_cache(
        inputs.dataset, inputs.choice, inputs.roots.activations, inputs.rebuild
    )
    sentences = []
    if index.made_from["fingerprint"] != stored.identity["segmentation"]:
        sentences.append(
            f"The labels in {inputs.dataset.directory} changed since {stored.name} was made."
        )
    return sentences + list(
        _differences(stored.identity["activations"], activations.made_from, stored, inputs)
    )


def job_again(stored: StoredRun, inputs: Inputs, progress: Progress) -> ExplainJob:
    """Prepare to find the same lines again.

    Raises
    ------
    UsageError
        If the run's header does not tell how.
    """
    search = stored.identity["search"]
    method, by_hand = ranges_like(stored)
    return prepare_job(
        inputs,
        method,
        by_hand,
        lambda index: search_from_identity(search, len(index.concepts)),
        progress,
        ties=bool(search.get("ties")),
        split=stored.identity.get("split"),
        made_for=stored.about.get("made_for"),
    )


def check_same(job: ExplainJob, stored: StoredRun) -> None:
    """Refuse a job that is not the run's own.

    Raises
    ------
    UsageError
        If its lines depend on something else.
    """
    if dict(job.results.identity) != stored.identity:
        raise UsageError(
            f"{stored.name} was made by a version of ccx that read its inputs otherwise, so it "
            "cannot be run again exactly: run `ccx explain` with the command that "
            f"`ccx info {stored.name}` shows."
        )


def _draw_demo(run: ResultsRun, roots: Roots, progress: Progress) -> None:
    """Draw the demo set where it is neither under the root nor where it was."""
    about = run.header().get("about")
    if not isinstance(about, dict) or about.get("subset") != DEMO:
        return
    was = about.get("dataset")
    if not isinstance(was, str) or Path(was).exists():
        return
    side = Path(was).name.removeprefix("broden1_")
    if side.isdecimal():
        open_dataset(roots.datasets, DEMO, int(side), progress)


def _differences(
    was: Mapping[str, Any], now: Mapping[str, Any], stored: StoredRun, inputs: Inputs
) -> Iterator[str]:
    since = f"changed since {stored.name} was made"
    named = {
        "fingerprint": f"The images in {inputs.dataset.directory} {since}.",
        "source": f"The code of {stored.about['model']} {since}.",
    }
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if before == after:
            continue
        if key in ("weights", GIVEN):
            what = stored.about.get("weights") or stored.about["model"]
            if key == GIVEN:
                what = stored.about[GIVEN]["file"]
            yield (
                f"{what} {since}: its SHA-256 was {str(before)[:_SHOWN]}... and is "
                f"{str(after)[:_SHOWN]}...."
            )
        else:
            yield named.get(key, f"The {key} of the activations was {before} and is {after}.")


def refuse_changes(changes: list[str]) -> None:
    """Refuse to go on with inputs that are not what they were.

    Raises
    ------
    DamagedDataError
        If there are any.
    """
    if changes:
        raise DamagedDataError(
            f"{' '.join(changes)} Put back what was there, or add --changed to run on what is."
        )
