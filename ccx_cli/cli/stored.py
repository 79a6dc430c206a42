"""Options of the commands that study a stored run, and the run they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing.stored import runs
from ccx_cli.cli.network_options import BatchSize, Device
from ccx_cli.cli.options import NETWORK, PlaceOptions, RunOptions, UnitOptions

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs


@dataclass(frozen=True, slots=True)
class StoredOptions:
    """Which run."""

    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A stored run, by name, the beginning of it, or directory.",
            show_default="the last one",
            autocompletion=runs,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class PassOptions:
    """How images go through the network."""

    device: Device = "cpu"
    batch_size: BatchSize = 32


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """What classes are called."""

    class_names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of the classes, one a line.",
            show_default="known for the demo and ImageNet",
            rich_help_panel=NETWORK,
        ),
    ] = None


def open_stored(
    stored: StoredOptions, units: UnitOptions, run: RunOptions, places: PlaceOptions
) -> tuple[RunInputs, list[int], int]:
    """Open the run that the options name.

    Returns
    -------
    opened
        The run.
    chosen
        Its units that the options name, ascending.
    workers
        Threads to use.

    Raises
    ------
    MissingInputError, UsageError, DamagedDataError
        If there is no such run or unit, or the run cannot be opened.
    """
    from ccx_cli.cli.places import available_cores, roots_of
    from ccx_cli.cli.units import chosen_of_run
    from ccx_cli.runs.inputs import open_inputs
    from ccx_cli.runs.run import find_run

    roots = roots_of(places)
    opened = open_inputs(find_run(roots.results, stored.run_name), roots)
    chosen = chosen_of_run(units, run.seed, opened.units, opened.run.directory.name)
    return opened, chosen, run.workers or available_cores()
