"""Reports progress and notes on stderr: bars on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape
from rich.progress import TextColumn
from rich.table import Column as Cell
from rich.text import Text

from ccx_cli.cli.options import MessageOptions, OutputOptions
from ccx_cli.cli.output import Column, Writer
from ccx_cli.cli.output_files import writing_to
from ccx_cli.cli.remaining import Clock, Pace, Stages
from ccx_cli.cli.stderr import error_console, tell
from ccx_cli.design import duration
from ccx_cli.printable import printable
from ccx_cli.progress import Progress, SilentProgress, Task

_PLAIN_SECONDS = 10.0
_BYTES, _SECONDS = "bytes", "seconds"
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
        yield PlainProgress(console)


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
        if unit == _SECONDS:
            return Text()
        if unit != _BYTES:
            return Text(f"{int(task.completed)}/{int(task.total or 0)} {unit}")
        of = "" if task.total is None else f"/{_megabytes(task.total)}"
        speed = task.finished_speed or task.speed
        fast = f" {_megabytes(speed)} MB/s" if speed else ""
        return Text(f"{_megabytes(task.completed)}{of} MB{fast}")


class _LeftColumn(rich_progress.ProgressColumn):
    """The time left."""

    max_refresh = 0.5  # Of what changes all the time, nobody reads more.

    def render(self, task: rich_progress.Task) -> Text:
        left = 0.0 if task.finished else task.fields["left"]
        text = "-:--:--" if left is None else str(timedelta(seconds=math.ceil(left)))
        return Text(text, style="progress.remaining")


def _bars(console: Console, clock: Clock) -> rich_progress.Progress:
    """Lay out a line a task; in a narrow terminal the description wraps, never the numbers."""
    width = 10 if console.width < 100 else 30
    return rich_progress.Progress(
        TextColumn("{task.description}", table_column=Cell()),
        rich_progress.BarColumn(bar_width=width, table_column=Cell(no_wrap=True)),
        _AmountColumn(table_column=Cell(no_wrap=True)),
        rich_progress.TimeElapsedColumn(table_column=Cell(no_wrap=True)),
        TextColumn("ETA"),
        _LeftColumn(table_column=Cell(no_wrap=True)),
        console=console,
        get_time=clock,
        # On a terminal, data must not land amid the bars; a file or a pipe must get all of it.
        redirect_stdout=sys.stdout.isatty(),
    )


@dataclass(frozen=True, slots=True)
class _Bar:
    progress: BarProgress
    bars: rich_progress.Progress
    task: rich_progress.TaskID
    pace: Pace

    def advance(self, amount: int = 1) -> None:
        self.pace.advance(amount)
        self.bars.update(self.task, advance=amount, left=self.pace.left)
        self.progress.show_stages()


class BarProgress(Stages):
    """Bars that move while a task is open; then they stay as they are, above what follows."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self._console = console
        self._moving: rich_progress.Progress | None = None
        self._shown = 0
        self._stages: rich_progress.TaskID | None = None

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        """Open a bar, below the others where some are open."""
        known = None if unit == _BYTES and not total else total
        with self.begun(what, total, done, whole=whole) as pace:
            with self.lock:
                if self._moving is None:
                    self._moving = _bars(self._console, self.clock)
                    self._moving.start()
                bars = self._moving
                self._shown += 1
                named = escape(printable(what))
                bar = bars.add_task(named, total=known, completed=done, unit=unit, left=pace.left)
            try:
                yield _Bar(self, bars, bar, pace)
            finally:
                with self.lock:
                    self._shown -= 1
                    if not self._shown:
                        self._hide_stages(bars)
                        bars.stop()
                        self._moving = None
                    elif len(bars.tasks) > _MOST_BARS:
                        bars.update(bar, visible=False)

    def show_stages(self) -> None:
        """Show when all stages will be done, in a bar of time below the others."""
        with self.lock:
            bars, left = self._moving, self.left
            if bars is None:
                return
            if left is None:
                self._hide_stages(bars)
                return
            if self._stages is None:
                self._stages = bars.add_task("All stages", unit=_SECONDS, left=left)
                bars.tasks[-1].start_time = self.began
            elapsed = self.clock() - self.began
            bars.update(self._stages, completed=elapsed, total=elapsed + left, left=left)

    def _hide_stages(self, bars: rich_progress.Progress) -> None:
        if self._stages is not None:
            bars.remove_task(self._stages)
            self._stages = None

    def note(self, text: str) -> None:
        """Tell a sentence above the bars."""
        tell(self._console, text)


@dataclass(slots=True)
class _PlainTask:
    progress: PlainProgress
    what: str
    unit: str
    pace: Pace
    told: float

    def advance(self, amount: int = 1) -> None:
        pace = self.pace
        pace.advance(amount)
        now = pace.clock()
        if now - self.told < _PLAIN_SECONDS * len(self.progress.open) or not pace.left:
            return
        self.told = now
        left = f"about {duration(pace.left)} left"
        if self.unit == _BYTES:
            left = f"{_megabytes(pace.speed or 0)} MB/s, {left}"
        stages = self.progress.left
        self.say(left if stages is None else f"{left}, of all stages about {duration(stages)}")

    def say(self, ending: str) -> None:
        done, total = self.pace.done, self.pace.total
        amount = f"{done:,} of {total:,} {self.unit}"
        if self.unit == _BYTES:
            of = f" of {_megabytes(total)}" if total else ""
            amount = f"{_megabytes(done)}{of} MB"
        tell(self.progress.console, f"{self.what}: {amount}, {ending}")


class PlainProgress(Stages):
    """Lines, as much as a log can hold."""

    def __init__(self, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(clock)
        self.console = console

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        """Tell of a task every few seconds, and at its end."""
        with self.begun(what, total, done, whole=whole) as pace:
            task = _PlainTask(self, what, unit, pace, pace.began)
            try:
                yield task
            finally:
                task.say(duration(self.clock() - pace.began))

    def note(self, text: str) -> None:
        """Tell a sentence."""
        tell(self.console, text)
