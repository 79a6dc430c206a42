"""The only writer of stderr: progress, notes and errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ccx_cli.cli.options import TalkOptions
from ccx_cli.printable import printable, printable_lines
from ccx_cli.progress import Progress as ProgressListener
from ccx_cli.progress import SilentProgress, Task

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_SECONDS = 10.0
BYTES = "bytes"


@contextmanager
def reporting(talk: TalkOptions) -> Iterator[ProgressListener]:
    """Listen to progress: Rich bars on a terminal, sparse plain lines elsewhere, none if quiet."""
    console = error_console(talk.no_color)
    if talk.quiet:
        yield SilentProgress()
    elif console.is_terminal and not console.is_dumb_terminal:
        from ccx_cli.cli.bars import BarProgress

        yield BarProgress(console)
    else:
        yield _PlainProgress(console)


def error_console(no_color: bool = False) -> Console:
    """Return a console on stderr; ``NO_COLOR`` and ``TERM=dumb`` are Rich's to respect."""
    from rich.console import Console

    return Console(file=sys.stderr, no_color=no_color or None, highlight=False, soft_wrap=True)


def say_error(text: str, no_color: bool = False) -> None:
    """Tell an error in one line."""
    from rich.text import Text

    sentence = printable(" ".join(text.split("\n")))
    error_console(no_color).print(Text.assemble(("Error: ", "bold red"), sentence))


def say(text: str) -> None:
    """Tell one sentence."""
    tell(error_console(), text)


def tell(console: Console, text: str) -> None:
    """Write lines without markup, and without what a terminal would obey."""
    from rich.text import Text

    console.print(Text(printable_lines(text)))


def megabytes(count: float) -> str:
    """Write a number of bytes in megabytes."""
    return f"{count / 1e6:,.1f}"


class _PlainTask:
    def __init__(self, console: Console, what: str, total: int, done: int, unit: str) -> None:
        self._console = console
        self._what = what
        self._total = total
        self._done = done
        self._unit = unit
        self._began = self._told = time.monotonic()
        # The first piece may carry what is done once, such as compiling, and says nothing of speed.
        self._first: tuple[float, int] | None = None

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        now = time.monotonic()
        if self._first is None:
            self._first = now, self._done
            return
        since, done = self._first
        if now - self._told < _PLAIN_SECONDS or self._done >= self._total or now == since:
            return
        self._told = now
        speed = (self._done - done) / (now - since)
        left = f"about {(self._total - self._done) / speed:,.0f} s left"
        self._say(f"{megabytes(speed)} MB/s, {left}" if self._unit == BYTES else left)

    def finish(self) -> None:
        self._say(f"{time.monotonic() - self._began:,.1f} s")

    def _say(self, ending: str) -> None:
        if self._unit == BYTES:
            of = f" of {megabytes(self._total)}" if self._total else ""
            amount = f"{megabytes(self._done)}{of} MB"
        else:
            amount = f"{self._done:,} of {self._total:,} {self._unit}"
        tell(self._console, f"{self._what}: {amount}, {ending}")


class _PlainProgress:
    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def task(self, what: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Task]:
        task = _PlainTask(self._console, what, total, done, unit)
        try:
            yield task
        finally:
            task.finish()

    def note(self, text: str) -> None:
        tell(self._console, text)
