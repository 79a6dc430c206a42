"""``--dry-run``: the steps that a command would take, without taking any of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ccx_cli.cli.options import DaskOptions, WorkerOptions
from ccx_cli.cli.output import Column, Record, Writer
from ccx_cli.design import MISSING, duration, listed, size_text
from ccx_cli.progress import Progress
from ccx_cli.runs.on_dask import local_workers
from ccx_cli.store.steps import Step

# What depends on a step before, which is not made yet.
_LATER = "known later"


def _record(step: Step, workers: int | None) -> Record:
    is_there = step.state == "there"
    return {
        "step": step.name,
        "state": step.state,
        "unit": step.unit,
        "total": step.total,
        "done": step.done,
        "bytes": 0 if is_there else step.size,
        "seconds": 0 if is_there else step.seconds,
        "workers": workers,
        "tasks": step.tasks,
        "path": None if step.path is None else str(step.path.absolute()),
    }


def _amount(record: Record) -> str:
    if record["total"] is None:
        return _LATER
    done = "" if record["state"] != "partly there" else f"{record['done']:,} of "
    return f"{done}{record['total']:,} {record['unit']}"


def _size(record: Record) -> str:
    if not record["bytes"]:
        return MISSING if record["bytes"] == 0 else _LATER
    return f"about {size_text(record['bytes'])}"


def _time(record: Record) -> str:
    if record["state"] == "there":
        return MISSING
    seconds = record["seconds"]
    return _LATER if seconds is None else f"about {duration(seconds)}"


PLAN_COLUMNS = (
    Column("step", "step", style="bold"),
    Column("state", "state"),
    Column("in all", "total", right=True, show=_amount),
    Column("to write", "bytes", right=True, show=_size),
    Column("time", "seconds", right=True, show=_time),
    Column("path", "path"),
)


def planned_workers(run: WorkerOptions, dask: DaskOptions | None = None) -> int:
    """Return how many workers a plan is for: those of ``local:N``, else those of ``--workers``.

    Of a cluster it is not known, which is not asked in a dry run: one, if ``--workers`` says none.
    """
    if dask is None or dask.dask is None:
        return run.cores
    return local_workers(dask.dask) or run.workers or 1


def write_plan(
    writer: Writer, steps: Iterable[Step], progress: Progress, workers: int | None = None
) -> None:
    """Write the steps of a plan, in the place of what the ``writer`` was opened for.

    ``workers`` are those that the times are for.
    """
    planned = list(steps)
    records = [_record(step, workers) for step in planned]
    replace(writer, columns=PLAN_COLUMNS, title="").write(records)
    for step in planned:
        if step.source:
            progress.note(
                f"The time of {step.name} is what units took in {step.source}, which has the same "
                "labels, ranges and search: these cannot be timed before their activations are "
                "made."
            )
    if workers is not None and any(step.state != "there" for step in planned):
        progress.note(_in_all(records, workers))
    progress.note("A dry run: nothing was written.")


def _in_all(records: Sequence[Record], workers: int) -> str:
    """Say what all steps take together, and of which that is not known."""
    left = [record for record in records if record["state"] != "there"]
    count = "1 worker" if workers == 1 else f"{workers:,} workers"
    parts = []
    if any(record["seconds"] is not None for record in left):
        seconds = sum(record["seconds"] or 0 for record in left)
        parts.append(f"about {duration(seconds)} with {count}")
    if any(record["bytes"] is not None for record in left):
        parts.append(f"{size_text(sum(record['bytes'] or 0 for record in left))} to write")
    unknown = [*dict.fromkeys(each["step"] for each in left if each["seconds"] is None)]
    if unknown and not parts:
        return f"In all: the time of {listed(unknown)} is not known yet."
    if unknown:
        parts.append(f"and the time of {listed(unknown)}, which is not known yet")
    return f"In all: {', '.join(parts)}."
