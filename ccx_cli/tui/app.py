"""The application: which screen comes after which."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Hit, Hits, Provider
from textual.screen import Screen
from textual.widgets import Static

from ccx_cli.store.paths import Roots
from ccx_cli.tui.compare import CompareView
from ccx_cli.tui.ink import ink, theme
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.record_text import best_of_units
from ccx_cli.tui.runs import RunsView
from ccx_cli.tui.unit import UnitView
from ccx_cli.tui.units import UnitsView
from ccx_cli.tui.view import (
    LOW,
    CompareRun,
    HelpView,
    JumpView,
    LeaveLast,
    View,
    keys_of,
    read_in_thread,
)

T = TypeVar("T")
# Seconds after which the first screen has been drawn.
_IDLE = 0.5


class _Readers(ThreadPoolExecutor):
    """Threads that read; leaving does not wait for results that are not wanted any more."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class UnitCommands(Provider):
    """Offers ``unit 197`` in the command palette."""

    async def search(self, query: str) -> Hits:
        """Yield the unit whose number is typed."""
        number = query.strip().casefold().removeprefix("unit").strip()
        if number.isdigit():
            assert isinstance(self.app, CcxApp)
            go = partial(self.app.go_to, int(number))
            yield Hit(1, f"unit {number}", go, help="Show this unit")


class CcxApp(App[None]):
    """Browses stored runs, and changes none."""

    TITLE = "ccx"
    CSS_PATH = "ccx.tcss"
    COMMANDS = App.COMMANDS | {UnitCommands}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("colon", "jump", "Go to a unit", key_display=":", show=False),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, priority=True),
        Binding("t", "toggle_theme", "Light or dark", show=False),
        Binding("ctrl+s", "save_svg", "Save the screen as SVG", show=False),
    ]

    def __init__(self, roots: Roots, start: Path | None = None, unit: int | None = None) -> None:
        super().__init__()
        self._roots, self._start, self._start_unit = roots, start, unit
        self._last: OpenRun | None = None
        for dark in (True, False):
            self.register_theme(theme(dark=dark))
        self.theme, ink.dark, ink.few = "ccx-dark", True, False

    def open_run(self, directory: Path) -> OpenRun:
        """Read a run's lines, in a thread; the last one is kept."""
        run = self._last
        if run is None or run.run.directory != directory:
            run = self._last = OpenRun(directory, self._roots)
        run.read_again()
        return run

    def on_mount(self) -> None:
        if self._start is None:
            self.show_runs()
        else:
            open_run = partial(self.open_run, self._start)
            self.mount(Static(f"reading {self._start.name} ...", markup=False))
            read_in_thread(
                self, lambda _: open_run(), self._show_units, self._show_runs_instead, "open"
            )
        self.set_timer(_IDLE, self._import_ahead)
        if not self.is_headless:
            ink.few = self.no_color or self.console.color_system == "standard"
            self.set_class(ink.few, "-few")
            self._end_by_signals()
            asyncio.get_running_loop().set_default_executor(_Readers())

    def _end_by_signals(self) -> None:
        """Give the terminal back as it was when asked to end; asked again, end at once."""
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            loop.remove_signal_handler(number)
            self.exit(return_code=128 + number)

        for name in ("SIGTERM", "SIGHUP", "SIGINT"):
            with suppress(KeyError, NotImplementedError):
                number = signal.Signals[name]
                loop.add_signal_handler(number, end, number)

    def _import_ahead(self) -> None:
        """Import in a thread what takes long, before a unit is asked for."""
        load = partial(import_module, "ccx_cli.tui.unit_data")
        self.run_worker(load, thread=True, group="import")

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """List what the screen and the application can do, for the command palette."""
        for key in keys_of(screen):
            if key.action != "command_palette" and key.node is not screen.focused:
                act = partial(self.run_action, key.action, key.node)
                yield SystemCommand(key.description, f"Key {key.display}", act)

    def action_jump(self) -> None:
        self.push_screen(JumpView(), self.go_to)

    def go_to(self, unit: int | None) -> None:
        screen = self.screen
        run = screen.run if isinstance(screen, View) else None
        if run is None:
            self.notify("Open a run first.", severity="warning")
        elif unit is not None and unit not in run.run.units:
            text = f"{run.run.called} has no lines of unit {unit}."
            self.notify(text, severity="warning", markup=False)
        elif unit is not None:
            order = [each.unit for each in best_of_units(run.shown.values())]
            view = UnitView(run, unit, order, None)
            if isinstance(screen, UnitView):
                self.switch_screen(view)
            else:
                self.push_screen(view)

    def action_help(self) -> None:
        self.push_screen(HelpView(self.screen))

    def action_toggle_theme(self) -> None:
        ink.dark = not self.current_theme.dark
        self.theme = "ccx-dark" if ink.dark else "ccx-light"
        for screen in self.screen_stack:
            if isinstance(screen, View):
                screen.redraw()

    def action_save_svg(self) -> None:
        try:
            path = self.save_screenshot()
        except OSError as error:
            self.notify(f"{error.filename}: {error.strerror}.", severity="error", markup=False)
        else:
            self.notify(path, title="Saved", markup=False)

    def show_runs(self) -> None:
        """Show the list of runs below all other screens."""
        view = RunsView(self._roots.results, self._open_directory, self.open_run)
        if isinstance(self.screen, View):
            self.switch_screen(view)
        else:
            self.push_screen(view)

    def _show_runs_instead(self, error: str) -> None:
        self.show_runs()
        self.notify(error, severity="error", markup=False)

    def _open_directory(self, directory: Path) -> None:
        self._read(directory, lambda: self.open_run(directory), self._show_units)

    def _show_units(self, run: OpenRun) -> None:
        self.push_screen(UnitsView(run))
        unit, self._start_unit = self._start_unit, None
        if unit is not None:
            self.go_to(unit)

    @on(LeaveLast)
    def _leave_last(self) -> None:
        self.show_runs()

    @on(CompareRun)
    def _compare_run(self, asked: CompareRun) -> None:
        """Choose a run to compare with, read what is not read yet, and compare."""

        def choose(directory: Path) -> None:
            self._read(
                directory,
                lambda: (
                    asked.run or OpenRun(asked.directory, self._roots),
                    OpenRun(directory, self._roots),
                ),
                lambda runs: self.switch_screen(CompareView(*runs)),
            )

        results = self._roots.results
        self.push_screen(RunsView(results, choose, self.open_run, compared=asked.directory))

    def _read(self, directory: Path, work: Callable[[], T], show: Callable[[T], object]) -> None:
        """Read a run in a thread, and say so."""
        screen = self.screen
        if isinstance(screen, View):
            screen.show_status(f"reading {directory.name} ...")
            screen.read("open", lambda _: work(), show)
