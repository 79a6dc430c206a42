"""The untrained counterpart of a stored run."""

from __future__ import annotations

from dataclasses import replace

from ccx_cli.cli.inputs import DEMO, Inputs, gather
from ccx_cli.cli.jobs import prepare_job
from ccx_cli.cli.options import DataOptions, NetworkOptions, PlaceOptions, RunOptions
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.progress import Progress
from ccx_cli.search.job import ExplainJob
from ccx_cli.search.strategy import strategy_from_identity
from ccx_cli.study.opened import OpenedRun
from ccx_cli.study.stored import StoredRun

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
    about, resized = opened.about, opened.choice.resized
    above = opened.dataset.directory.parent
    datasets = above.parent if about["subset"] == DEMO else above
    if datasets.absolute() != opened.roots.datasets.absolute():
        places = replace(places, root_datasets=datasets)
    network = NetworkOptions(
        model=about["model"],
        model_arg=about.get("model_args"),
        pretrained="none",
        layer=about["layer"],
        input_size=None if resized is None else "x".join(map(str, resized)),
        device=device,
        batch_size=batch_size,
    )
    return gather(places, DataOptions(about["subset"]), network, run, progress)


def job_like(stored: StoredRun, inputs: Inputs, progress: Progress) -> ExplainJob:
    """Prepare to explain other inputs with the ranges, the search and the split of a run.

    What only lists other formulas beside the best is left out.

    Raises
    ------
    UsageError
        If the run's header does not tell them.
    """
    found, search = stored.identity["ranges"], stored.identity["search"]
    by_hand = None
    if "by_hand" in found:
        by_hand = [Range.from_json(ends) for ends in found["by_hand"]]
    method = RangeMethod() if by_hand is not None else RangeMethod.from_identity(found)
    wanted = {key: value for key, value in search.items() if key not in _EXTRAS}
    return prepare_job(
        inputs,
        method,
        by_hand,
        lambda index: strategy_from_identity(wanted, len(index.concepts)),
        progress,
        split=stored.identity.get("split"),
        made_for=stored.name,
    )
