"""The untrained counterpart of a stored run."""

from __future__ import annotations

from dataclasses import replace

from ccx_cli.cli.inputs.gathering import DEMO, Inputs, gather
from ccx_cli.cli.inputs.jobs import prepare_job
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.runs.job import ExplainJob
from ccx_cli.runs.opened import OpenedRun
from ccx_cli.runs.stored import StoredRun
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.strategy import Strategy

_EXTRAS = ("ties", "within")


def untrained_inputs(
    opened: OpenedRun,
    places: PlaceOptions,
    run: RunOptions,
    device: str,
    batch_size: int,
    progress: Progress,
) -> Inputs:
    """Resolve the data set of a run and its network, untrained."""
    choice = opened.network("an untrained counterpart", ": name one with --against")
    about = opened.about
    above = opened.dataset.directory.parent
    datasets = above.parent if about["subset"] == DEMO else above
    if datasets.absolute() != opened.roots.datasets.absolute():
        places = replace(places, root_datasets=datasets)
    network = NetworkOptions.of(choice.untrained(), device, batch_size)
    return gather(places, DataOptions(about["subset"]), network, run, progress)


def job_like(stored: StoredRun, inputs: Inputs, progress: Progress) -> ExplainJob:
    """Prepare to explain other inputs with the ranges, the search and the split of a run.

    What only lists other formulas beside the best is left out.

    Raises
    ------
    UsageError
        If the run's header does not tell them.
    """
    method, by_hand = ranges_like(stored)
    return prepare_job(
        inputs,
        method,
        by_hand,
        lambda index: strategy_like(stored, len(index.concepts)),
        progress,
        split=stored.identity.get("split"),
        made_for=stored.name,
    )


def ranges_like(stored: StoredRun) -> tuple[RangeMethod, list[Range] | None]:
    """Return how a run found its ranges, and the ranges if they were given by hand."""
    found = stored.identity["ranges"]
    if "by_hand" in found:
        return RangeMethod(), [Range.from_json(ends) for ends in found["by_hand"]]
    return RangeMethod.from_identity(found), None


def strategy_like(stored: StoredRun, n_concepts: int) -> Strategy:
    """Return a run's search, without what lists other formulas beside the best."""
    search = stored.identity["search"]
    wanted = {key: value for key, value in search.items() if key not in _EXTRAS}
    return search_from_identity(wanted, n_concepts)
