"""Options of the commands that study a stored run, and the run they name."""

from __future__ import annotations

from ccx_cli.cli.options import PlaceOptions, RunOptions, StoredOptions, UnitOptions
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.runs.inputs import RunInputs, open_inputs
from ccx_cli.runs.run import find_run


def open_stored(
    stored: StoredOptions,
    units: UnitOptions,
    run: RunOptions,
    places: PlaceOptions,
    *,
    trusted: bool = False,
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
    roots = roots_of(places)
    opened = open_inputs(find_run(roots.results, stored.run_name), roots, trusted=trusted)
    chosen = chosen_of_run(units, run.seed, opened.run.units, opened.run.directory.name)
    return opened, chosen, run.workers or available_cores()
