"""Reports progress and notes on stderr: bars on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape
from rich.progress import TextColumn
from rich.table import Column as Cell
from rich.text import Text

from ccx_cli.cli.options import MessageOptions, OutputOptions
from ccx_cli.cli.output import Column, Writer
from ccx_cli.cli.output_files import writing_to
from ccx_cli.cli.stderr import error_console, tell
from ccx_cli.design import duration
from ccx_cli.printable import printable
from ccx_cli.progress import Progress, SilentProgress, Task

_PLAIN_SECONDS = 10.0
_BYTES = "bytes"
_MOST_BARS = 8
"""Beyond them, those of many layers go when they are done, so that a terminal has room."""


@contextmanager
def reporting(messages: MessageOptions) -> Iterator[Progress]:
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
    out: OutputOptions,
    messages: MessageOptions,
    columns: Sequence[Column] = (),
    title: str = "",
    kinds: Sequence[str] = (),
) -> Iterator[tuple[Progress, Writer]]:
    """Listen to progress, and open what ``-o`` names for records with these columns.

    ``kinds`` are those of which CSV and Parquet have a file of their own.
    """
    with (
        reporting(messages) as progress,
        writing_to(
            out,
            columns,
            title=title,
            no_color=messages.no_color,
            kinds=kinds,
            tell=progress.note,
        ) as writer,
    ):
        yield progress, writer


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f}"


class _AmountColumn(rich_progress.ProgressColumn):
    """How much is done, of how much; of bytes, how fast as well."""

    def render(self, task: rich_progress.Task) -> Text:
        unit = task.fields["unit"]
        if unit != _BYTES:
            return Text(f"{int(task.completed)}/{int(task.total or 0)} {unit}")
        of = "" if task.total is None else f"/{_megabytes(task.total)}"
        speed = task.finished_speed or task.speed
        fast = f" {_megabytes(speed)} MB/s" if speed else ""
        return Text(f"{_megabytes(task.completed)}{of} MB{fast}")


def _bars(console: Console) -> rich_progress.Progress:
    """Lay out a line a task; in a narrow terminal the description wraps, never the numbers."""
    width = 10 if console.width < 100 else 30
    return rich_progress.Progress(
        TextColumn("{task.description}", table_column=Cell()),
        rich_progress.BarColumn(bar_width=width, table_column=Cell(no_wrap=True)),
        _AmountColumn(table_column=Cell(no_wrap=True)),
        rich_progress.TimeElapsedColumn(table_column=Cell(no_wrap=True)),
        TextColumn("ETA"),
        rich_progress.TimeRemainingColumn(table_column=Cell(no_wrap=True)),
        console=console,
        # On a terminal, data must not land amid the bars; a file or a pipe must get all of it.
        redirect_stdout=sys.stdout.isatty(),
    )


@dataclass(frozen=True, slots=True)
class _Bar:
    bars: rich_progress.Progress
    task: rich_progress.TaskID

    def advance(self, amount: int = 1) -> None:
        self.bars.advance(self.task, amount)


class BarProgress:
    """Bars that move while a task is open; then they stay as they are, above what follows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = Lock()
        self._moving: rich_progress.Progress | None = None
        self._open = 0

    @contextmanager
    def task(self, what: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Open a bar, below the others where some are open."""
        known = None if unit == _BYTES and not total else total
        with self._lock:
            if self._moving is None:
                self._moving = _bars(self._console)
                self._moving.start()
            bars = self._moving
            self._open += 1
            named = escape(printable(what))
            bar = bars.add_task(named, total=known, completed=done, unit=unit)
        try:
            yield _Bar(bars, bar)
        finally:
            with self._lock:
                self._open -= 1
                if not self._open:
                    bars.stop()
                    self._moving = None
                elif len(bars.tasks) > _MOST_BARS:
                    bars.update(bar, visible=False)

    def note(self, text: str) -> None:
        """Tell a sentence above the bars."""
        tell(self._console, text)


@dataclass(slots=True)
class _PlainTask:
    console: Console
    what: str
    total: int
    done: int
    unit: str
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)
    # The first piece may carry what is done once, such as compiling, and says nothing of speed.
    first: tuple[float, int] | None = None

    def advance(self, amount: int = 1) -> None:
        self.done += amount
        now = time.monotonic()
        if self.first is None:
            self.first = now, self.done
            return
        since, done = self.first
        if now - self.told < _PLAIN_SECONDS or self.done >= self.total or now == since:
            return
        self.told = now
        speed = (self.done - done) / (now - since)
        left = f"about {duration((self.total - self.done) / speed)} left"
        self.say(f"{_megabytes(speed)} MB/s, {left}" if self.unit == _BYTES else left)

    def say(self, ending: str) -> None:
        amount = f"{self.done:,} of {self.total:,} {self.unit}"
        if self.unit == _BYTES:
            of = f" of {_megabytes(self.total)}" if self.total else ""
            amount = f"{_megabytes(self.done)}{of} MB"
        tell(self.console, f"{self.what}: {amount}, {ending}")


@dataclass(frozen=True, slots=True)
class _PlainProgress:
    console: Console

    @contextmanager
    def task(self, what: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Task]:
        task = _PlainTask(self.console, what, total, done, unit)
        try:
            yield task
        finally:
            task.say(duration(time.monotonic() - task.began))

    def note(self, text: str) -> None:
        tell(self.console, text)
