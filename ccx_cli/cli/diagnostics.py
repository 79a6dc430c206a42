"""Reports progress and notes on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from ccx_cli.cli.bars import BarProgress
from ccx_cli.cli.options import MessageOptions, OutputOptions
from ccx_cli.cli.output import Column, Writer, writing_to
from ccx_cli.cli.stderr import BYTES, error_console, megabytes, tell
from ccx_cli.design import duration
from ccx_cli.progress import Progress as ProgressListener
from ccx_cli.progress import SilentProgress, Task

_PLAIN_SECONDS = 10.0


@contextmanager
def reporting(messages: MessageOptions) -> Iterator[ProgressListener]:
    """Listen to progress: Rich bars on a terminal, sparse plain lines elsewhere, none if quiet."""
    console = error_console(messages.no_color)
    if messages.quiet:
        yield SilentProgress()
    elif console.is_terminal and not console.is_dumb_terminal:
        yield BarProgress(console)
    else:
        yield _PlainProgress(console)


@contextmanager
def answering(
    out: OutputOptions, messages: MessageOptions, columns: Sequence[Column] = (), title: str = ""
) -> Iterator[tuple[ProgressListener, Writer]]:
    """Listen to progress, and open what ``-o`` names for records with these columns."""
    with (
        reporting(messages) as progress,
        writing_to(out, columns, title=title, no_color=messages.no_color) as writer,
    ):
        yield progress, writer


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
        left = f"about {duration((self._total - self._done) / speed)} left"
        self._say(f"{megabytes(speed)} MB/s, {left}" if self._unit == BYTES else left)

    def finish(self) -> None:
        self._say(duration(time.monotonic() - self._began))

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
