"""Writes sentences to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import IO, Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from ccx_cli.printable import printable, printable_lines


class _Stderr:
    """Stderr; once nothing can be written there, as on a full disk, nothing more is said.

    A reader who left, as ``head`` does, is told of all the same.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Write a text."""
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        """Write what was kept back."""
        self._try(self._stream.flush)

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except BrokenPipeError:
            raise
        except OSError:
            # Python flushes stderr once more as it ends, and would fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def error_console(no_color: bool = False) -> Console:
    """Return a console on stderr; ``NO_COLOR`` and ``TERM=dumb`` are Rich's to respect."""
    file = cast("IO[str]", _Stderr(sys.stderr))
    return Console(file=file, no_color=no_color or None, highlight=False, soft_wrap=True)


def say_error(text: str, no_color: bool = False) -> None:
    """Tell an error in one line."""
    sentence = printable(" ".join(text.split("\n")))
    error_console(no_color).print(Text.assemble(("Error: ", "bold red"), sentence))


def say(text: str) -> None:
    """Tell one sentence."""
    tell(error_console(), text)


def tell(console: Console, text: str) -> None:
    """Write lines without markup, and without what a terminal would obey."""
    console.print(Text(printable_lines(text)))
