"""``--dry-run``: the steps that a command would take, without taking any of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ccx_cli.cli.output import Column, Record, Writer
from ccx_cli.design import MISSING, duration, size_text
from ccx_cli.progress import Progress
from ccx_cli.store.steps import Step

# What depends on a step before, which is not made yet.
_LATER = "known later"


def _record(step: Step) -> Record:
    is_there = step.state == "there"
    return {
        "step": step.name,
        "state": step.state,
        "unit": step.unit,
        "total": step.total,
        "done": step.done,
        "bytes": 0 if is_there else step.size,
        "seconds": 0 if is_there else step.seconds,
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


def write_plan(writer: Writer, steps: Iterable[Step], progress: Progress) -> None:
    """Write the steps of a plan, in the place of what the ``writer`` was opened for."""
    replace(writer, columns=PLAN_COLUMNS, title="").write(map(_record, steps))
    progress.note("A dry run: nothing was written.")
