"""From ``--activations FILE`` to inputs, without a network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from ccx_cli.cli.called import is_called_with
from ccx_cli.cli.inputs.fetching import fetch_missing_dataset
from ccx_cli.cli.inputs.gathering import DEMO, Inputs, open_dataset, rebuild_command
from ccx_cli.cli.network_options import OF_A_NETWORK, NetworkOptions, device_of, parse_size
from ccx_cli.cli.options import DataOptions, PlaceOptions, RunOptions
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.errors import UsageError
from ccx_cli.probe.array_files import split_name
from ccx_cli.probe.precomputed import choose_precomputed
from ccx_cli.progress import Progress

_SIDE = 224


def gather_given(
    file: str,
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    run: RunOptions,
    progress: Progress,
) -> Inputs:
    """Resolve a data set and the activations in ``file``, as ``gather`` does those of a network.

    Raises
    ------
    UsageError, MissingInputError, DamagedDataError
        For options that cannot be meant and inputs that are not there or not right.
    """
    for option in OF_A_NETWORK:
        if is_called_with(option):
            raise UsageError(
                f"--activations {file} needs no network: leave {option} out, or --activations."
            )
    path, name = split_name(file)
    if len(network.distinct_layers) > 1:
        raise UsageError(
            f"--activations {file} is one layer: name it with one --layer, or leave that out."
        )
    roots = roots_of(places)
    device = device_of(network.device)
    side = _side(roots.datasets, data.subset, network.input_size)
    if data.fetch and data.subset != DEMO:
        fetch_missing_dataset(roots, side, progress)
    dataset = open_dataset(roots.datasets, data.subset, side, progress)
    given = choose_precomputed(
        path, name, network.activations_axes, network.layer, dataset, roots.activations, progress
    )
    resolved = replace(NetworkOptions.of(given), input_size=network.input_size)
    return Inputs(
        roots=roots,
        dataset=dataset,
        choice=given,
        device=device,
        batch_size=network.batch_size,
        workers=run.workers or available_cores(),
        rebuild=rebuild_command(places, data, resolved, replace(run, seed=0)),
    )


def _side(datasets: Path, subset: str, size: str | None) -> int:
    """Return the side of the data set: no network says it."""
    if size is not None:
        height, width = parse_size(size)
        if height != width:
            raise UsageError(
                f"--input-size {size}: with --activations it says which data set is meant, "
                "broden1_224 or another, so give one side."
            )
        return height
    names = [path.name.removeprefix("broden1_") for path in datasets.glob("broden1_*")]
    sides = sorted(int(name) for name in names if re.fullmatch(r"[1-9]\d{0,4}", name, re.ASCII))
    if subset == DEMO or not sides or _SIDE in sides:
        return _SIDE
    if len(sides) > 1:
        there = ", ".join(f"broden1_{side}" for side in sides)
        raise UsageError(f"There are {there} in {datasets}: say which with --input-size.")
    return sides[0]
