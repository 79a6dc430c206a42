"""``ccx merge``: one run from those of parts of a layer."""

from __future__ import annotations

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.explain import MergeOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column
from ccx_cli.records.listings import MergedRecord
from ccx_cli.runs.lookup import find_run
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
    runs = [find_run(results, name) for name in options.runs]
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
