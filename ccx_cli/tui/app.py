"""The application: which view comes after which."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import WorkerError

from ccx_cli.store.paths import Roots
from ccx_cli.tui.asking import ConceptAsked, ConceptsAsked, SecondRunAsked, UnitAsked
from ccx_cli.tui.reading import OpenRun, RunEntry
from ccx_cli.tui.runs import RunsView
from ccx_cli.tui.theme import DARK, LIGHT
from ccx_cli.tui.view import EXPORT, View, in_thread

# Seconds after which the first view has been drawn.
_IDLE = 0.5


class _Readers(ThreadPoolExecutor):
    """Threads that read; leaving does not wait for what nobody wants any more."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


class CcxApp(App[None]):
    """Browses stored runs, and changes none."""

    TITLE = "ccx"
    CSS_PATH = "ccx.tcss"
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-high")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "question_mark", "help", "Help", key_display="?", tooltip="What is shown, and keys"
        ),
        Binding("q", "quit", "Quit"),
        Binding(
            "ctrl+p",
            "command_palette",
            "Commands",
            show=False,
            priority=True,
            tooltip="All commands",
        ),
        Binding("t", "toggle_theme", "Light or dark", show=False),
        Binding("ctrl+s", "export_picture", "Export the screen as SVG", show=False),
    ]

    def __init__(self, roots: Roots, start: Path | None = None, unit: int | None = None) -> None:
        super().__init__()
        self._roots, self._start, self._start_unit = roots, start, unit

    def on_mount(self) -> None:
        """Show the stored runs, and the one that was asked for."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.push_screen(
            RunsView(self._roots.results, self._open_entry, compare=self._compare_entry)
        )
        if self._start is not None:
            self.call_after_refresh(self._open_directory, self._start)
        self.set_timer(_IDLE, self._prepare)
        if not self.is_headless:
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

    def _prepare(self) -> None:
        """Import in a thread what takes long, before a unit is asked for."""
        self.run_worker(
            partial(import_module, "ccx_cli.study.unit_images"), thread=True, group="prepare"
        )

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """List what the view and the application can do, for the command palette."""
        from ccx_cli.tui.keys import keys_of

        for key in keys_of(screen):
            if key.action == "command_palette" or key.node is screen.focused:
                continue
            act = partial(self.run_action, key.action, key.node)
            yield SystemCommand(key.what, f"Key {key.display}", act)

    def action_help(self) -> None:
        """Explain the view."""
        from ccx_cli.tui.help import HelpView
        from ccx_cli.tui.keys import keys_of

        screen = self.screen
        text = screen.HELP_TEXT if isinstance(screen, View) else "One picture alone."
        keys = [(key.display, key.what) for key in keys_of(screen)]
        self.push_screen(HelpView(text, keys))

    async def action_quit(self) -> None:
        """Leave, once what is being exported is written."""
        for worker in [each for each in self.workers if each.group == EXPORT]:
            with suppress(WorkerError):
                await worker.wait()
        self.exit()

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_export_picture(self) -> None:
        """Write the screen as it is into the working directory."""
        from ccx_cli.tui.exporting import write_picture

        svg = self.export_screenshot(title="ccx tui")
        in_thread(
            self.screen,
            lambda _: write_picture(Path.cwd(), "ccx-tui", svg),
            lambda path: self.notify(str(path), title="Exported", markup=False),
            lambda text: self.notify(text, severity="error", markup=False),
            EXPORT,
        )

    def _open_entry(self, entry: RunEntry) -> None:
        self._open_directory(entry.directory)

    def _open_directory(self, directory: Path) -> None:
        """Read a run's lines, then show its units."""
        screen = self.screen
        if not isinstance(screen, View):
            return
        screen.say(f"reading {directory.name} ...")
        screen.read("open", lambda _: OpenRun.read(directory, self._roots), self._show_units)

    def _show_units(self, run: OpenRun) -> None:
        from ccx_cli.tui.units import UnitsView

        self.push_screen(UnitsView(run))
        unit, self._start_unit = self._start_unit, None
        if unit is not None and unit not in run.view.units:
            sentence = f"{run.view.name} has no lines of unit {unit}."
            self.notify(sentence, severity="warning", markup=False)
        elif unit is not None:
            self.post_message(UnitAsked(run, unit, list(run.view.units), None))

    @on(UnitAsked)
    def _show_unit(self, asked: UnitAsked) -> None:
        from ccx_cli.tui.unit import UnitView

        self.push_screen(UnitView(asked.run, asked.unit, asked.order, asked.cluster))

    @on(ConceptsAsked)
    def _show_concepts(self, asked: ConceptsAsked) -> None:
        from ccx_cli.tui.concepts import ConceptsView

        self.push_screen(ConceptsView(asked.run))

    @on(ConceptAsked)
    def _show_concept(self, asked: ConceptAsked) -> None:
        from ccx_cli.tui.concept import ConceptView

        self.push_screen(ConceptView(asked.run, asked.row))

    @on(SecondRunAsked)
    def _choose_second(self, asked: SecondRunAsked) -> None:
        self._choose_beside(asked.run.view.directory, asked.run)

    def _compare_entry(self, entry: RunEntry) -> None:
        self._choose_beside(entry.directory, None)

    def _choose_beside(self, directory: Path, run: OpenRun | None) -> None:
        """Choose a run to compare with, read what is not read yet, and compare."""

        def chosen(entry: RunEntry) -> None:
            screen = self.screen
            assert isinstance(screen, View)
            screen.say(f"reading {entry.name} ...")
            screen.read(
                "open",
                lambda _: (
                    run or OpenRun.read(directory, self._roots),
                    OpenRun.read(entry.directory, self._roots),
                ),
                compare,
            )

        def compare(runs: tuple[OpenRun, OpenRun]) -> None:
            from ccx_cli.tui.compare import CompareView

            self.switch_screen(CompareView(*runs))

        self.push_screen(RunsView(self._roots.results, chosen, beside=directory))
