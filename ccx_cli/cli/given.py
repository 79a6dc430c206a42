"""The words of the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar

_given: ContextVar[tuple[str, ...]] = ContextVar("given", default=())


def remember(arguments: Sequence[str]) -> None:
    """Keep the arguments of the command line that begins."""
    _given.set(tuple(arguments))


def given_words() -> tuple[str, ...]:
    """Return the arguments as they were typed."""
    return _given.get()


def is_called_with(option: str) -> bool:
    """Tell whether the command line itself names an option, such as ``--model``."""
    return any(word == option or word.startswith(f"{option}=") for word in _given.get())


def is_format_given() -> bool:
    """Tell whether the command line itself names a format, by ``--format`` or ``-f``."""
    return is_called_with("--format") or any(re.match("-q?f", word) for word in _given.get())
