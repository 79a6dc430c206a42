"""``ccx tui``: browse stored explanations in the terminal."""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated

import typer

from ccx_cli.cli.completing.stored import one_unit, runs
from ccx_cli.cli.options import PlaceOptions


def tui(
    *,
    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A stored run, by name, the beginning of it, or directory.",
            show_default="the list of all; with --unit the last one",
            autocompletion=runs,
        ),
    ] = None,
    unit: Annotated[
        int | None,
        typer.Option(min=0, metavar="UNIT", help="Begin with this unit.", autocompletion=one_unit),
    ] = None,
    places: PlaceOptions,
) -> None:
    """Browse stored explanations in the terminal.

    Lists the runs, their units and concepts; shows a unit's ranges, histogram,
    formulas, metrics and images, scores formulas that you type, and puts two
    runs side by side. Nothing stored is changed. Press ? for the keys.

    [bold]Examples[/bold]

      ccx tui
      ccx tui demo-demo --unit 33
    """
    from ccx_cli.errors import UsageError
    from ccx_cli.runs.run import find_run
    from ccx_cli.store.paths import ROOT_NAMES, resolve_roots

    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise UsageError(
            "`ccx tui` needs a terminal to draw in and to read keys from: run it without a pipe, "
            "or use `ccx summary`."
        )
    if os.environ.get("TERM") in (None, "", "dumb"):
        raise UsageError(
            "`ccx tui` needs a terminal that can move the cursor, and TERM says that this one "
            "cannot: use `ccx summary`."
        )
    given = {name: getattr(places, f"root_{name}") for name in ROOT_NAMES}
    roots = resolve_roots(places.data_dir, **given)
    asked = run_name is not None or unit is not None
    start = find_run(roots.results, run_name).directory if asked else None

    from ccx_cli.tui.app import CcxApp
    from ccx_cli.tui.pictures import find_graphics

    find_graphics()
    app = CcxApp(roots, start, unit)
    app.run()
    if threading.active_count() > 1:
        # A thread that still reads would hold up the shell; nothing is left to be written.
        sys.stdout.flush()
        os._exit(app.return_code or 0)
    if app.return_code:
        raise typer.Exit(app.return_code)
