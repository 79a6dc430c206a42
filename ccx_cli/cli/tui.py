"""``ccx tui``: browse stored explanations in the terminal."""

from __future__ import annotations

import os
import sys
import threading

import typer

from ccx_cli.cli.commands.look import TuiOptions
from ccx_cli.errors import UsageError
from ccx_cli.runs.lookup import find_run
from ccx_cli.tui.app import CcxApp
from ccx_cli.tui.pictures import find_graphics


def tui(options: TuiOptions) -> None:
    """Browse stored explanations in the terminal."""
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
    roots = options.places.roots
    asked = options.run_name is not None or options.unit is not None
    start = find_run(roots.results, options.run_name).directory if asked else None
    find_graphics()
    app = CcxApp(roots, start, options.unit)
    app.run()
    if threading.active_count() > 1:
        # A thread that still reads would hold up the shell; nothing is left to be written.
        sys.stdout.flush()
        os._exit(app.return_code or 0)
    if app.return_code:
        raise typer.Exit(app.return_code)
