"""``ccx status``: how far runs are, and what is working on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from ccx_cli.cli.commands.look import StatusOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import Column, Record, Section, write_sections
from ccx_cli.design import MISSING, duration
from ccx_cli.runs.lookup import find_runs, short_names
from ccx_cli.runs.run import Run
from ccx_cli.runs.status import StatusReader, all_runs

RUN, CACHE = "run", "cache"
SHOWN = 100


def _units(record: Record) -> str:
    of = record["of_layer"] if record["asked"] is None else record["asked"]
    return f"{record['finished']:,}" + ("" if of is None else f" of {of:,}")


def _images(record: Record, done: int | None) -> str:
    if done is None:
        return MISSING
    of = record["images"]
    return "whole" if done == of else f"{done:,}" + ("" if of is None else f" of {of:,}")


def _studies(record: Record) -> str:
    of = record["finished"]
    said = [
        study if units >= of else f"{study} {units:,} of {of:,}"
        for study, units in record["studies"].items()
    ]
    return ", ".join(said) or MISSING


def _process(record: Record) -> str:
    host, pid = record.get("host"), record["pid"]
    if record["working"] == "no":
        return MISSING
    if record["working"] == "unknown":
        return "?" if host is None else f"{host}?"
    return " ".join(filter(None, (host, pid and str(pid)))) or "yes"


def _age(written: str) -> str:
    age = max(0.0, time.time() - datetime.fromisoformat(written).timestamp())
    return f"{duration(age)} ago"


_PACE = (
    Column("process", "pid", show=_process, whole=True),
    Column("each", "seconds_each", right=True, form=duration),
    Column("left", "seconds_left", right=True, form=duration),
    Column("last written", "written", right=True, form=_age),
)
CACHES = Section(
    CACHE,
    "Caches that are not whole, or being made",
    (
        Column("cache", "cache"),
        Column("holds", "holds"),
        Column("images", "done", right=True, show=lambda each: _images(each, each["done"])),
        *_PACE,
    ),
)


def _runs(names: Mapping[str, str]) -> Section:
    return Section(
        RUN,
        "",
        (
            Column(
                "run", "run", style="bold", whole=True, show=lambda row: names[row["directory"]]
            ),
            Column("layer", "layer", whole=True),
            Column("state", "state"),
            Column("units", "finished", right=True, show=_units),
            *_PACE,
            Column("studies", "studies", show=_studies, spare=True),
            Column(
                "index",
                "index_images",
                right=True,
                show=lambda row: _images(row, row["index_images"]),
                spare=True,
            ),
            Column(
                "activations",
                "activations_images",
                right=True,
                show=lambda row: _images(row, row["activations_images"]),
                spare=True,
            ),
        ),
    )


def status(options: StatusOptions) -> None:
    """Show how far runs are, and what is working on them."""
    roots = options.places.roots
    with answering(options.out, options.messages, kinds=[CACHE]) as (progress, writer):
        named = options.runs
        runs = find_runs(roots.results, named) if named else all_runs(roots.results)
        runs = [Run(run.directory, shown=True) for run in runs]
        reader = StatusReader(roots)
        found = reader.runs(runs)
        records = [record for record, _ in found]
        shown = records[:SHOWN] if writer.is_table else records
        names = {str(path.absolute()): name for path, name in short_names(runs).items()}
        caches = [] if named else list(reader.caches())
        write_sections(writer, [_runs(names), CACHES], [*shown, *caches], RUN)
        if len(shown) < len(records):
            progress.note(
                f"The table has the first {len(shown):,} of {len(records):,} runs, and "
                "--format csv all of them."
            )
        for record, faults in found:
            for fault in faults:
                progress.note(f"{names[record.directory]}: {fault}")
        if not runs:
            progress.note(f"There are no runs in {roots.results}: `ccx explain` makes them.")
        if any(record.working == "unknown" for record in records):
            progress.note(
                "Whether another machine still works on a run cannot be seen from here where the "
                "disk does not share locks: see when it was last written."
            )
