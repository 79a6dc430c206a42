"""How the program was called, for the headers of runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

from ccx_cli.cli.settings.levels import options_from_outside

_given: ContextVar[tuple[str, ...]] = ContextVar("given", default=())


def remember(arguments: Sequence[str]) -> None:
    """Keep the arguments of the command line that begins."""
    _given.set(tuple(arguments))


def is_called_with(option: str) -> bool:
    """Tell whether the command line itself names an option, such as ``--model``."""
    return any(word == option or word.startswith(f"{option}=") for word in _given.get())


def is_format_given() -> bool:
    """Tell whether the command line itself names a format, by ``--format`` or ``-f``."""
    return is_called_with("--format") or any(re.match("-q?f", word) for word in _given.get())


def run_as_typed(directory: Path) -> str:
    """Return what names a stored run in the next command: its name, elsewhere its directory."""
    elsewhere = is_called_with("--data-dir") or is_called_with("--root-results")
    return shlex.quote(str(directory.absolute()) if elsewhere else directory.name)


def command_line() -> str:
    """Return the command line as a shell reads it, with what files and variables set spelled out.

    So it means the same wherever and whenever it is run again.
    """
    words = list(_given.get())
    names, options = options_from_outside()
    if options:
        place = 0
        for name in names:
            place = words.index(name, place) + 1
        words[place:place] = options
    return shlex.join(["ccx", *words])
