"""The list of stored runs, and choosing a second one to compare with."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from ccx_cli.printable import printable
from ccx_cli.tui.lists import ListView, Sorting, matches
from ccx_cli.tui.reading import RunEntry, list_runs
from ccx_cli.tui.table import Column
from ccx_cli.tui.theme import DOUBT
from ccx_cli.tui.view import CompareRun

_STATES = {
    "whole": "",
    "partly": "not finished",
    "written": "being written",
    "other": "of another version",
    "unreadable": "header unreadable",
}


def _about(key: str) -> Callable[[RunEntry], str]:
    return lambda entry: printable(str(entry.about.get(key) or "?"))


def _network(entry: RunEntry) -> str:
    weights = entry.about.get("pretrained")
    return _about("model")(entry) + (f" ({printable(str(weights))})" if weights else "")


def _units(entry: RunEntry) -> str:
    return f"{entry.units:,}" if entry.total is None else f"{entry.units:,} of {entry.total:,}"


def _age(entry: RunEntry) -> str:
    if not entry.changed:
        return "?"
    age = max(time.time() - entry.changed, 0)
    for seconds, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if age >= seconds:
            count = int(age // seconds)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


def _search(entry: RunEntry) -> str:
    return entry.search or "?"


def _state(entry: RunEntry) -> Text:
    return Text(_STATES[entry.state], style=DOUBT)


class RunsView(ListView):
    """Which run to open; of a run to compare with, the first one is left out."""

    HELP_TEXT = (
        "Every run that ccx explain has stored, the newest first. A run that is being written, "
        "that was interrupted or that is damaged is shown as far as it goes. `ccx info --all` "
        "writes this list for programs."
    )
    COLUMNS = (
        Column("network", "network", _network, 14, _network, stretch=True),
        Column("layer", "layer", _about("layer"), 12, _about("layer")),
        Column("images", "subset", _about("subset"), 8, _about("subset")),
        Column("ranges", "ranges", _about("num_clusters"), 6, right=True),
        Column("search", "search", _search, 8, _search, min_table_width=110),
        Column("units", "units", _units, 13, lambda e: e.units, right=True, largest_first=True),
        Column("changed", "changed", _age, 12, lambda e: e.changed, right=True, largest_first=True),
        Column("", "state", _state, 18, min_table_width=110),
    )
    SORT_KEYS = ("changed", "network", "layer", "subset", "units")
    FILTERS: ClassVar = {"text": "filter: name, network, layer or images"}
    REFRESH_SECONDS = 3.0
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare with ..."),
    ]

    def __init__(
        self, results: Path, choose: Callable[[RunEntry], None], *, compared: Path | None = None
    ) -> None:
        super().__init__(Sorting("changed"))
        self._results, self._choose, self._compared = results, choose, compared
        other = "" if compared is None else "another "
        self.no_rows = f"There is no {other}run here: make one with `ccx demo` or `ccx explain`."

    def heading(self) -> Text:
        """Where the runs are, or what the chosen one is for."""
        if self._compared is not None:
            return Text.assemble("Compare ", (self._compared.name, "bold"), " with which run?")
        return Text.assemble(("ccx", "bold"), "  stored runs  ", (str(self._results), "dim"))

    def key_of(self, row: RunEntry) -> Hashable:
        """Its directory."""
        return row.directory

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what cannot be done here."""
        if action == "compare":
            return self._compared is None
        if action == "leave":
            return len(self.app.screen_stack) > 2 or self.focused is not self.table
        return True

    def read_rows(self) -> None:
        """List the runs."""
        self.read("runs", lambda _: list_runs(self._results), self._show)

    follow = read_rows

    def _show(self, entries: list[RunEntry]) -> None:
        self.set_rows([entry for entry in entries if entry.directory != self._compared])

    def passing(self, rows: Sequence[RunEntry]) -> list[RunEntry]:
        """Return the runs that pass the filter."""
        keys = ("layer", "subset")
        return [
            row
            for row in rows
            if matches(
                self.typed["text"],
                " ".join([row.name, _network(row), *(_about(key)(row) for key in keys)]),
            )
        ]

    def summary(self, shown: Sequence[RunEntry]) -> Text:
        """How many runs there are, and what Enter does."""
        count = "1 run" if len(shown) == 1 else f"{len(shown):,} runs"
        enter = "opens one" if self._compared is None else "compares"
        return Text(f"{count}. Enter {enter}, ? helps." if shown else "", style="dim")

    def show_details(self, row: RunEntry | None) -> None:
        """Write out the name and the state."""
        if row is None:
            self.update("#details", "")
            return
        state = f"   {_STATES[row.state]}" if row.state != "whole" else ""
        self.update("#details", Text.assemble((row.name, "bold"), (state, DOUBT)))

    def open_row(self, row: RunEntry) -> None:
        """Choose a run."""
        self._choose(row)

    def action_compare(self) -> None:
        """Choose a second run."""
        row: RunEntry | None = self.table.row
        if row is not None:
            self.post_message(CompareRun(row.directory, None))
