"""``ccx merge``: one run from those of parts of a layer."""

from __future__ import annotations

from pathlib import Path

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.explain import MergeOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column
from ccx_cli.errors import UsageError, few
from ccx_cli.records.listings import MergedRecord
from ccx_cli.runs.lookup import find_run, stored_runs
from ccx_cli.runs.merging import merge_runs

COLUMNS = (
    Column("run", "name"),
    Column("units", "units", right=True),
    Column("merged", "merged", right=True),
    Column("from", "directory"),
)


def merge(options: MergeOptions) -> None:
    """Merge stored runs, each of some units of a layer, into one."""
    results = options.places.roots.results
    runs = [find_run(results, _run_in(name) or name) for name in options.runs]
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        merged, parts = merge_runs(runs, results, progress)
        writer.write(
            MergedRecord(
                name=part.run.called,
                directory=str(part.run.directory),
                units=len(part.units),
                merged=len(part.taken),
            )
            for part in parts
        )
        for note in merged.notes:
            progress.note(note)
        progress.note(f"Merged: {merged.directory}")
        progress.note(f"Next: {next_command('summary', merged.directory)}")


def _run_in(name: str) -> str | None:
    """Return the run in a directory of results, such as a job's; UsageError if it has several."""
    found = stored_runs(Path(name))
    if len(found) > 1:
        names = sorted(run.name for run in found)
        raise UsageError(
            f"{name} holds {len(found):,} runs, {few(names, 3)}: name one of them, such as "
            f"{Path(name) / names[0]}."
        )
    return str(found[0].directory) if found else None
