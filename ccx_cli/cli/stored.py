"""The stored run that the options of a command name, or the records of one that stdin has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET

from ccx_cli.cli.commands.compare import CompareObjectivesOptions
from ccx_cli.cli.commands.study import (
    AblateOptions,
    ImportanceOptions,
    MetricsOptions,
    RolesOptions,
    SimulateOptions,
    StabilityOptions,
    SummaryOptions,
)
from ccx_cli.cli.options import StoredOptions
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.concepts.broden_csv import Label
from ccx_cli.errors import CcxError, MissingInputError, UsageError
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import MetricsRecord
from ccx_cli.runs.inputs import RunInputs, open_inputs
from ccx_cli.runs.lookup import find_run, stored_runs
from ccx_cli.runs.piped import chosen_records, find_run_of, read_lines
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots


def open_stored(
    options: SummaryOptions
    | AblateOptions
    | MetricsOptions
    | ImportanceOptions
    | RolesOptions
    | SimulateOptions
    | StabilityOptions
    | CompareObjectivesOptions,
    stored: StoredOptions,
    trusted: bool = False,
) -> tuple[RunInputs, list[int]]:
    """Open the run that the options name; return it, and which of its units are chosen."""
    roots = options.places.roots
    opened = open_inputs(find_run(roots.results, stored.run_name), roots, trusted=trusted)
    run = opened.run
    return opened, chosen_of_run(options.units, options.run.seed, run.units, run.directory.name)


def keeping(opened: RunInputs, scratch: str) -> RunInputs:
    """Return the run, whose studies go to ``scratch`` where its directory cannot be written."""
    directory = opened.run.directory
    if os.access(directory, os.W_OK):
        return opened
    for path in directory.glob("*-*.jsonl"):
        shutil.copy(path, scratch)
    return opened.with_units(opened.run.units, Path(scratch))


def tell_kept(what: str, opened: RunInputs, progress: Progress) -> bool:
    """Say whether ``what`` was found is kept beside the run."""
    directory = opened.run.directory
    is_kept = opened.kept == directory
    unkept = f"not kept: {directory} cannot be written."
    progress.note(f"{what} {f'kept in {directory}' if is_kept else unkept}")
    return is_kept


def check_explained(run: Run, progress: Progress) -> None:
    """Tell what is to be noted of a run, and refuse one without explanations."""
    for note in run.notes:
        progress.note(note)
    if not run.units:
        raise MissingInputError(f"{run.called} has no explanations: make some with `ccx explain`.")


def labels_of(run: Run, roots: Roots) -> tuple[Label, ...]:
    """Return the labels of a run's dataset; none where that is gone."""
    try:
        return RunInputs(run, roots).dataset.labels
    except CcxError:
        return ()


STDIN = "-"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a study is asked about: units of a run, and those of their records that were piped."""

    opened: RunInputs
    units: list[int]
    records: Mapping[int, list[ExplanationRecord]]

    def has(self, record: MetricsRecord) -> bool:
        """Tell whether a record of a study is about one of these."""
        mine = self.records[record.unit]
        return any(each.cluster == record.cluster and each.skipped is UNSET for each in mine)


def open_asked(
    options: SummaryOptions | MetricsOptions,
    progress: Progress,
    trusted: bool = False,
    scratch: Path | None = None,
) -> Asked:
    """Open the run that the options name, or the one that the records on stdin are from.

    What is measured of formulas on stdin that are the user's own is kept in ``scratch``; without
    it, they are refused.
    """
    piped, units = options.piped, options.units
    if piped.run_name != STDIN:
        if piped.run_of_records is not None:
            raise UsageError("--run needs - in place of RUN: it names the run of the records.")
        opened, chosen = open_stored(options, piped, trusted)
        return Asked(opened, chosen, opened.run.only(chosen))
    if units.units is not None or units.random_units:
        raise UsageError("- and --units or --random-units are mutually exclusive.")
    if sys.stdin.isatty():
        raise UsageError(
            "- reads explanations from a pipe, but stdin is a terminal: pipe JSON Lines into it."
        )
    lines = read_lines(sys.stdin.buffer)
    roots = options.places.roots
    if piped.run_of_records is None:
        stored = find_run_of(lines, stored_runs(roots.results))
        progress.note(f"The explanations are those of {stored.called}.")
    else:
        stored = find_run(roots.results, piped.run_of_records)
    opened = open_inputs(stored, roots, trusted=trusted, progress=progress)
    opened, records = chosen_records(lines, opened, scratch)
    return Asked(opened, list(records), records)
