"""The report of ``ccx render --html`` and ``ccx demo --open-report``."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from ccx_cli.cli.options import PlaceOptions
from ccx_cli.cli.output import Record
from ccx_cli.cli.places import roots_of
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress
from ccx_cli.render.report.unit_part import Choice
from ccx_cli.render.report.writing import check_report_path, write_report
from ccx_cli.runs.run import Run
from ccx_cli.runs.viewed import ViewedRun, view_run
from ccx_cli.study.unit_images import Show

REPORT = "report.html"


def check_alone(out: Path, force: bool, others: Mapping[str, bool]) -> None:
    """Refuse a place that is taken, and options that say nothing of a report.

    Raises
    ------
    UsageError
        If one of them is given.
    """
    for option, is_given in others.items():
        if is_given:
            raise UsageError(f"{option} says nothing of a report: leave it out, or --html.")
    check_report_path(out, force)


def make_page(
    run: ViewedRun,
    out: Path,
    units: Sequence[int],
    *,
    shows: Sequence[Show] = tuple(Show),
    top_k: int = 5,
    seed: int = 0,
    force: bool,
    workers: int,
    progress: Progress,
) -> Record:
    """Write the report and return the row that lists it."""
    choice = Choice(shows, top_k, seed)
    written = write_report(
        run, out, units=units, choice=choice, workers=workers, progress=progress, force=force
    )
    lacks = written.notes[len(run.notes) :]
    for note in lacks:
        progress.note(note)
    progress.note(f"{written.page} ({written.size / 1e6:,.1f} MB): open it in a browser.")
    return {
        "unit": None,
        "kind": "report",
        "path": str(written.page),
        "drawn": True,
        "lacks": list(lacks),
    }


def show_report(stored: Run, places: PlaceOptions, workers: int, progress: Progress) -> None:
    """Write a run's report beside its lines and open it; without a display, say where it is."""
    run = view_run(stored, roots_of(places))
    out = stored.directory / REPORT
    made = make_page(run, out, list(run.units), force=True, workers=workers, progress=progress)
    page = Path(made["path"]).absolute().as_uri()
    if not (_has_display() and webbrowser.open(page)):
        progress.note(f"No browser could be opened here: {page}")


def _has_display() -> bool:
    """Tell whether a browser has a window to open in, and not this terminal."""
    if sys.platform in {"darwin", "win32"}:
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
