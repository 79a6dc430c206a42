"""The dataset that a network, or whoever names one, is given."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.concepts.broden import BrodenDataset, read_dataset
from ccx_cli.concepts.datasets import (
    DEMO_SUBSET,
    USUAL_SIDE,
    find_dataset,
    find_datasets,
    is_own,
    own_directory,
)
from ccx_cli.concepts.demo import write_demo_dataset
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.networks.description import NetworkDescription
from ccx_cli.progress import Progress
from ccx_cli.store.locks import writing


def network_side(
    datasets: Path, subset: str, network: NetworkDescription, *, chosen: bool
) -> int | None:
    """Return the side of the dataset to take for a network: its input's, if there is such a one.

    A network of another input than usual takes the usual dataset, or the one that is there whose
    side is nearest; its images are resized. On imports, so does a network whose input size was
    ``chosen``, or is its own; any other takes the only side there is, ``None``.
    """
    usual = network.input_side
    if subset == DEMO_SUBSET:
        return usual
    found = find_datasets(datasets, subset)
    wanted = usual if network.resized is None else max(network.resized)
    for side in (wanted, usual):
        if side in found:
            return side
    own = bool(found) and all(is_own(path, datasets) for path in found.values())
    nearest = min(found, key=lambda side: (abs(side - wanted), side), default=usual)
    if network.resized is not None or (own and (chosen or network.has_own_size)):
        return nearest
    return None if own else usual


def open_dataset(
    datasets: Path, subset: str, side: int | None, progress: Progress, parameter: str = "side"
) -> BrodenDataset:
    """Find and read a dataset, ``side`` being ``parameter`` in errors; draw the demo if missing."""
    if subset == DEMO_SUBSET:
        directory = own_directory(datasets, DEMO_SUBSET, side or USUAL_SIDE)
        if not directory.exists():
            with writing(directory.parent, progress):
                if not directory.exists():
                    write_demo_dataset(directory.parent, side or USUAL_SIDE, progress)
        return read_dataset(directory, DEMO_SUBSET)
    if not find_datasets(datasets, subset):
        refuse_mistyped_demo(subset)
    return read_dataset(find_dataset(datasets, subset, side, parameter), subset)


def refuse_mistyped_demo(subset: str) -> None:
    """Refuse a name that is nearly that of the demo."""
    near = suggestion(subset, [DEMO_SUBSET])
    if near:
        raise UsageError(f"`subset` {subset} is not known{near}")
