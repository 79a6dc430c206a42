"""Writes sentences to stderr."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from ccx_cli.printable import printable, printable_lines


def error_console(no_color: bool = False) -> Console:
    """Return a console on stderr; ``NO_COLOR`` and ``TERM=dumb`` are Rich's to respect."""
    return Console(file=sys.stderr, no_color=no_color or None, highlight=False, soft_wrap=True)


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
