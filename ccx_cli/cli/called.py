"""How the program was called, for the headers of runs."""

from __future__ import annotations

import shlex
from pathlib import Path

from ccx_cli.cli.given import given_words, is_called_with
from ccx_cli.cli.settings.levels import options_from_outside


def run_as_typed(directory: Path) -> str:
    """Return what names a stored run in the next command: its name, elsewhere its directory."""
    elsewhere = is_called_with("--data-dir") or is_called_with("--root-results")
    return shlex.quote(str(directory.absolute()) if elsewhere else directory.name)


def command_line() -> str:
    """Return the command line as a shell reads it, with what files and variables set spelled out.

    So it means the same wherever and whenever it is run again.
    """
    words = list(given_words())
    names, options = options_from_outside()
    if options:
        place = 0
        for name in names:
            place = words.index(name, place) + 1
        words[place:place] = options
    return shlex.join(["ccx", *words])
