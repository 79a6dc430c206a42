"""The only writer of stderr: progress, notes and errors."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as BarTask
from rich.table import Column
from rich.text import Text

from ccx_cli.cli.options import TalkOptions
from ccx_cli.progress import Progress as ProgressListener
from ccx_cli.progress import SilentProgress, Task

_PLAIN_SECONDS = 10.0
BYTES = "bytes"


@contextmanager
def reporting(talk: TalkOptions) -> Iterator[ProgressListener]:
    """Listen to progress: Rich bars on a terminal, sparse plain lines elsewhere, none if quiet."""
    console = error_console(talk.no_color)
    if talk.quiet:
        yield SilentProgress()
    elif console.is_terminal and not console.is_dumb_terminal:
        yield _BarProgress(console)
    else:
        yield _PlainProgress(console)


def _bars(console: Console) -> Progress:
    """Lay out a line a task; in a narrow terminal the description wraps, never the numbers."""

    def whole() -> Column:
        return Column(no_wrap=True)

    return Progress(
        TextColumn("{task.description}", table_column=Column()),
        BarColumn(bar_width=10 if console.width < 100 else 30, table_column=whole()),
        _AmountColumn(table_column=whole()),
        TimeElapsedColumn(table_column=whole()),
        TextColumn("ETA"),
        TimeRemainingColumn(table_column=whole()),
        console=console,
        # On a terminal, data must not land amid the bars; a file or a pipe must get all of it.
        redirect_stdout=sys.stdout.isatty(),
    )


class _AmountColumn(ProgressColumn):
    """How much is done, of how much; of bytes, how fast as well."""

    def render(self, task: BarTask) -> Text:
        unit = task.fields["unit"]
        if unit != BYTES:
            return Text(f"{int(task.completed)}/{int(task.total or 0)} {unit}")
        of = "" if task.total is None else f"/{_megabytes(task.total)}"
        speed = task.finished_speed or task.speed
        return Text(
            f"{_megabytes(task.completed)}{of} MB" + (f" {_megabytes(speed)} MB/s" if speed else "")
        )


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f}"


def error_console(no_color: bool = False) -> Console:
    """Return a console on stderr; ``NO_COLOR`` and ``TERM=dumb`` are Rich's to respect."""
    return Console(file=sys.stderr, no_color=no_color or None, highlight=False, soft_wrap=True)


def say_error(text: str) -> None:
    """Tell an error in one line."""
    error_console().print(Text.assemble(("Error: ", "bold red"), text))


def say(text: str) -> None:
    """Tell one sentence."""
    error_console().print(Text(text))


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)


class _BarProgress:
    """Bars that move while a task is open; then they stay as they are, above what follows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._moving: Progress | None = None

    @contextmanager
    def task(self, what: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Task]:
        if self._moving is not None:
            yield _add_bar(self._moving, what, total, done, unit)
            return
        with _bars(self._console) as self._moving:
            try:
                yield _add_bar(self._moving, what, total, done, unit)
            finally:
                self._moving = None

    def note(self, text: str) -> None:
        self._console.print(Text(text))


def _add_bar(bars: Progress, what: str, total: int, done: int, unit: str) -> _Bar:
    unknown = unit == BYTES and not total
    task = bars.add_task(what, total=None if unknown else total, completed=done, unit=unit)
    return _Bar(bars, task)


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
        self._say(f"{_megabytes(speed)} MB/s, {left}" if self._unit == BYTES else left)

    def finish(self) -> None:
        self._say(f"{time.monotonic() - self._began:,.1f} s")

    def _say(self, ending: str) -> None:
        if self._unit == BYTES:
            of = f" of {_megabytes(self._total)}" if self._total else ""
            amount = f"{_megabytes(self._done)}{of} MB"
        else:
            amount = f"{self._done:,} of {self._total:,} {self._unit}"
        self._console.print(Text(f"{self._what}: {amount}, {ending}"))


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
        self._console.print(Text(text))
