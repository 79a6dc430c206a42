"""``--dry-run``: what a command would do, in steps, without doing any of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ccx_cli.cli.options import RUNNING
from ccx_cli.cli.output import Column, Record, Writer
from ccx_cli.progress import Progress


@dataclass(frozen=True, slots=True)
class DryRunOptions:
    """Whether to do it."""

    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            metavar="",
            help="Say sizes, counts, destinations and time expected, and write nothing.",
            rich_help_panel=RUNNING,
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work.

    Attributes
    ----------
    name
        What is made or read.
    place
        Where it is, or would be; ``None`` if nothing is kept of it.
    unit
        What its pieces are called.
    total, done
        Pieces in all, and those that are there; ``None`` where nobody knows yet.
    size
        Bytes still to be written or fetched; 0 for what is kept nowhere.
    seconds
        Time still needed.
    """

    name: str
    place: Path | None
    unit: str
    total: int | None
    done: int | None = 0
    size: int | None = None
    seconds: float | None = None

    @property
    def missing(self) -> int | None:
        """Pieces still to be made."""
        return None if self.total is None or self.done is None else self.total - self.done

    def record(self) -> Record:
        """Return the step as data."""
        missing = self.missing
        state = "unknown" if missing is None else "there" if missing <= 0 else "to do"
        if state == "to do" and self.done:
            state = "partly there"
        return {
            "step": self.name,
            "state": state,
            "unit": self.unit,
            "total": self.total,
            "done": self.done,
            "bytes": 0 if state == "there" else self.size,
            "seconds": 0 if state == "there" else self.seconds,
            "path": None if self.place is None else str(self.place.absolute()),
        }


def _amount(record: Record) -> str:
    if record["total"] is None:
        return "unknown"
    done = "" if record["state"] != "partly there" else f"{record['done']:,} of "
    return f"{done}{record['total']:,} {record['unit']}"


def _size(record: Record) -> str:
    if record["bytes"] == 0:
        return "-"
    return "unknown" if record["bytes"] is None else f"about {record['bytes'] / 1e6:,.1f} MB"


def _time(record: Record) -> str:
    if record["state"] == "there":
        return "-"
    seconds = record["seconds"]
    if seconds is None:
        return "unknown"
    return f"about {seconds:,.0f} s" if seconds < 300 else f"about {seconds / 60:,.0f} min"


COLUMNS = (
    Column("step", "step", style="bold"),
    Column("state", "state"),
    Column("in all", "total", right=True, show=_amount),
    Column("to write", "bytes", right=True, show=_size),
    Column("time", "seconds", right=True, show=_time),
    Column("place", "path"),
)


def write_plan(writer: Writer, steps: Iterable[Step], progress: Progress) -> None:
    """Write the steps of a plan; ``writer`` has its ``COLUMNS``."""
    records = [step.record() for step in steps]
    for record in records:
        writer.line(record)
    writer.rest(records)
    progress.note("A dry run: nothing was written.")
