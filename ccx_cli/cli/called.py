"""How the program was called, for the headers of runs, and how it may be called next."""

from __future__ import annotations

import shlex
from pathlib import Path

from ccx_cli.cli.settings.levels import current, is_typed, words_in_full
from ccx_cli.runs.lookup import find_run, short_name, stored_runs
from ccx_cli.runs.run import Run

_PLACES = {"--data-dir": "data_dir", "--root-results": "root_results"}


def next_command(command: str, *directories: Path, also: str = "") -> str:
    """Return a command about stored runs that may be typed next, with the options ``also``.

    The last run needs no name; where the runs are is said again if it was on this command line.
    """
    results = directories[0].parent
    words = ["ccx", *command.split()]
    if directories != (find_run(results, None).directory,):
        runs = stored_runs(results)
        words += [short_name(Run(directory), runs) for directory in directories]
    words += also.split()
    for option, name in _PLACES.items():
        if is_typed(option):
            words += [option, str(current().params[name])]
    return shlex.join(words)


def command_line() -> str:
    """Return the command line as a shell reads it, with what files and variables set in full."""
    return shlex.join(["ccx", *words_in_full()])
