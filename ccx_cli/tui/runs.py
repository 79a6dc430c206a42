"""The list of stored runs, and choosing a second one to compare with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Input

from ccx_cli import design
from ccx_cli.errors import CcxError
from ccx_cli.runs.run import Run, RunState
from ccx_cli.tui.ink import ink
from ccx_cli.tui.lists import ListView
from ccx_cli.tui.open_run import Glance, ListedRun, OpenRun, list_runs
from ccx_cli.tui.preview import Reader
from ccx_cli.tui.record_text import best_of_units, findings
from ccx_cli.tui.table import Column, numbers, texts
from ccx_cli.tui.view import CompareRun


def _about(key: str) -> Callable[[ListedRun], str]:
    return lambda row: str(getattr(row.run.about, key) or "?")


def _network(row: ListedRun) -> str:
    weights = row.run.about.weights_text
    return _about("model")(row) + (f" ({weights})" if weights else "")


def _name(row: ListedRun) -> str:
    return row.run.naming.name or ""


def _units(row: ListedRun) -> str:
    total = row.run.about.units
    return f"{row.units:,}" if total is None else f"{row.units:,} of {total:,}"


def _age(changed: float) -> str:
    if not changed:
        return "?"
    age = max(time.time() - changed, 0)
    return f"{design.duration(age)} ago" if age >= 120 else "just now"


def _search(row: ListedRun) -> str:
    return row.run.identity.search.name or "?"


def _state(row: ListedRun) -> Text:
    if row.run.is_of_other_version:
        return Text("of another version", ink.doubt)
    state = row.run.header_state
    return Text("" if state is RunState.FINISHED else str(state), ink.doubt)


COLUMNS = (
    texts("name", "name", _name, 10, gives_way=True),
    texts("network", "network", _network, 12, stretch=True),
    texts("layer", "layer", _about("layer_text"), 11),
    texts("images", "subset", _about("subset"), 8, min_table_width=78, gives_way=True),
    numbers(
        "ranges",
        "ranges",
        lambda ranges: str(ranges or "?"),
        6,
        lambda row: row.run.about.num_clusters,
        largest_first=False,
        min_table_width=88,
        gives_way=True,
    ),
    texts("search", "search", _search, 8, min_table_width=116, gives_way=True),
    Column("units", "units", _units, 13, lambda row: row.units, right=True, largest_first=True),
    numbers("changed", "changed", _age, 11),
    Column("", "state", _state, 18, lambda r: _state(r).plain, min_table_width=110, gives_way=True),
)


class RunsView(ListView):
    """Which run to open; of a run to compare with, the first one is left out."""

    HELP_TEXT = (
        "Every run that ccx explain has stored, the newest first; beside it, its most surprising "
        "units, and images of the first. A run that is being written, that was interrupted or that "
        "is damaged is shown as far as it goes. `ccx info --all` writes this list for programs."
    )
    SORT_KEYS = ("changed", "network", "layer", "subset", "units")
    FILTER = "name, network or layer, units>100 search:optimal"
    REFRESH_SECONDS = 3.0
    key_of = attrgetter("run.directory")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare with ..."),
    ]

    def __init__(
        self,
        results: Path,
        choose: Callable[[Path], None],
        open_run: Callable[[Path], OpenRun],
        *,
        compared: Path | None = None,
    ) -> None:
        super().__init__(COLUMNS)
        self._results, self._choose, self._compared = results, choose, compared
        self._open_run = open_run
        self._listed: dict[Path, ListedRun] = {}
        other = "" if compared is None else "another "
        self.no_rows = f"There is no {other}run here: make one with `ccx demo` or `ccx explain`."

    def _heading(self) -> Text:
        if self._compared is not None:
            called = Run(self._compared, shown=True).called
            return Text.assemble("Compare ", (called, "bold"), " with which run?")
        return Text.assemble(("ccx", "bold"), "  stored runs  ", (str(self._results), "dim"))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what cannot be done here."""
        if action == "compare":
            return self._compared is None
        if action == "leave":
            is_root = len(self.app.screen_stack) <= 2
            return not is_root or isinstance(self.focused, Input) or bool(self.typed)
        return super().check_action(action, parameters)

    def _read_rows(self) -> None:
        known = self._listed
        self.read("runs", lambda _: list_runs(self._results, known), self._take)

    _follow = _read_rows

    def _take(self, listed: dict[Path, ListedRun]) -> None:
        self._listed = listed
        self.set_rows([row for path, row in listed.items() if path != self._compared])

    def _text(self, row: ListedRun) -> str:
        run = row.run
        parts = (run.name, run.called, run.naming.note or "", _network(row))
        return " ".join((*parts, _about("layer_text")(row), _about("subset")(row)))

    def _summary(self, shown: Sequence[ListedRun]) -> str:
        count = "1 run" if len(shown) == 1 else f"{len(shown):,} runs"
        enter = "opens one" if self._compared is None else "compares"
        return f"{count}. Enter {enter}, ? helps." if shown else f"{count}."

    def _show_details(self, row: ListedRun | None) -> None:
        if row is not None:
            note = f"   {row.run.naming.note}" if row.run.naming.note else ""
            about = Text.assemble((row.run.called, "bold"), note, "   ", _state(row))
            self.update("#details", about)

    def _reader(self, row: ListedRun) -> Reader:
        def read(is_wanted: Callable[[], bool]) -> Glance | None:
            run = self._open_run(row.run.directory)
            with suppress(CcxError):  # without its data, what is known of an old run has to do
                run.learn()
            best = best_of_units(run.shown.values())
            glance = run.glance_at(best[0], is_wanted) if best else Glance(None)
            return glance and replace(glance, about=findings(best[:5], run))

        return read

    def _open(self, row: ListedRun) -> None:
        self._choose(row.run.directory)

    def action_compare(self) -> None:
        row: ListedRun | None = self.table.row
        if row is not None:
            self.post_message(CompareRun(row.run.directory, None))
