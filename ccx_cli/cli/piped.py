"""Explanation records from stdin, in the place of a stored run."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ccx_cli.cli.options import PipedOptions, PlaceOptions, RunOptions, UnitOptions
from ccx_cli.cli.places import available_cores, roots_of
from ccx_cli.cli.stored import open_stored
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import MetricsRecord
from ccx_cli.runs.inputs import RunInputs, open_inputs
from ccx_cli.runs.piped import chosen_records, find_run_of, read_lines
from ccx_cli.runs.run import find_run, stored_runs

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a study is asked about.

    Attributes
    ----------
    opened
        The run.
    units
        Its units to look at, ascending.
    workers
        Threads to use.
    records
        The records of those units to look at, by unit; all there are unless some came from stdin.
    """

    opened: RunInputs
    units: list[int]
    workers: int
    records: dict[int, list[ExplanationRecord]]

    def has(self, record: MetricsRecord) -> bool:
        """Tell whether a record of a study is about one of these."""
        mine = self.records[record.unit]
        return any(each.cluster == record.cluster for each in mine)


def open_asked(
    piped: PipedOptions,
    units: UnitOptions,
    run: RunOptions,
    places: PlaceOptions,
    progress: Progress,
    *,
    trusted: bool = False,
) -> Asked:
    """Open the run that the options name, or the one that the records on stdin are from.

    Raises
    ------
    MissingInputError, UsageError, DamagedDataError
        If there is no such run or unit, or a line is no record of it.
    """
    if piped.run_name != STDIN:
        if piped.run_of_records is not None:
            raise UsageError("--run needs - in place of RUN: it names the run of the records.")
        opened, chosen, workers = open_stored(piped, units, run, places, trusted=trusted)
        return Asked(opened, chosen, workers, {unit: opened.run.units[unit] for unit in chosen})
    if units.units is not None or units.random_units:
        raise UsageError("- and --units or --random-units are mutually exclusive.")

    if sys.stdin.isatty():
        raise UsageError(
            "- reads explanations from a pipe, but stdin is a terminal: pipe JSON Lines into it."
        )
    lines = read_lines(sys.stdin.buffer)
    roots = roots_of(places)
    if piped.run_of_records is None:
        stored = find_run_of(lines, stored_runs(roots.results))
        progress.note(f"The explanations are those of {stored.directory.name}.")
    else:
        stored = find_run(roots.results, piped.run_of_records)
    opened = open_inputs(stored, roots, trusted=trusted)
    records = chosen_records(lines, opened.run.units, stored.directory.name)
    return Asked(opened, list(records), run.workers or available_cores(), records)
