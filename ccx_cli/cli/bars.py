"""Progress on a terminal: bars that move."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
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

from ccx_cli.cli.stderr import BYTES, megabytes, tell
from ccx_cli.printable import printable
from ccx_cli.progress import Task


class _AmountColumn(ProgressColumn):
    """How much is done, of how much; of bytes, how fast as well."""

    def render(self, task: BarTask) -> Text:
        unit = task.fields["unit"]
        if unit != BYTES:
            return Text(f"{int(task.completed)}/{int(task.total or 0)} {unit}")
        of = "" if task.total is None else f"/{megabytes(task.total)}"
        speed = task.finished_speed or task.speed
        return Text(
            f"{megabytes(task.completed)}{of} MB" + (f" {megabytes(speed)} MB/s" if speed else "")
        )


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


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._task, amount)


class BarProgress:
    """Bars that move while a task is open; then they stay as they are, above what follows."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._moving: Progress | None = None

    @contextmanager
    def task(self, what: str, total: int, *, done: int = 0, unit: str = "images") -> Iterator[Task]:
        """Open a bar, below the others where some are open."""
        if self._moving is not None:
            yield _add_bar(self._moving, what, total, done, unit)
            return
        with _bars(self._console) as self._moving:
            try:
                yield _add_bar(self._moving, what, total, done, unit)
            finally:
                self._moving = None

    def note(self, text: str) -> None:
        """Tell a sentence above the bars."""
        tell(self._console, text)


def _add_bar(bars: Progress, what: str, total: int, done: int, unit: str) -> _Bar:
    unknown = unit == BYTES and not total
    description = escape(printable(what))
    task = bars.add_task(description, total=None if unknown else total, completed=done, unit=unit)
    return _Bar(bars, task)
