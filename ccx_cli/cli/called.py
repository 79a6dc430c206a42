"""How the program was called, for the headers of runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextvars import ContextVar

_given: ContextVar[tuple[str, ...]] = ContextVar("given", default=())


def remember(arguments: Sequence[str]) -> None:
    """Keep the arguments of the command line that begins."""
    _given.set(tuple(arguments))


def command_line() -> str:
    """Return the command line as a shell reads it."""
    return shlex.join(["ccx", *_given.get()])
