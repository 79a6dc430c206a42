"""The list of stored runs, and choosing a second one to compare with."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from ccx_cli.printable import printable
from ccx_cli.tui.reading import RunEntry, list_runs
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import DOUBT
from ccx_cli.tui.view import View

_STATES = {
    "whole": "",
    "partly": "not finished",
    "written": "being written",
    "other": "of another version",
    "unreadable": "header unreadable",
}
_SECONDS = 3.0


def _said(key: str) -> Callable[[RunEntry], str]:
    return lambda entry: printable(str(entry.about.get(key) or "?"))


def _units(entry: RunEntry) -> str:
    return f"{entry.units:,}" if entry.total is None else f"{entry.units:,} of {entry.total:,}"


def _network(entry: RunEntry) -> str:
    weights = entry.about.get("pretrained")
    return _said("model")(entry) + (f" ({printable(str(weights))})" if weights else "")


def _ranges(entry: RunEntry) -> str:
    clusters = entry.about.get("num_clusters")
    return printable(str("?" if clusters is None else clusters))


def _when(entry: RunEntry) -> str:
    if not entry.changed:
        return "?"
    age = max(time.time() - entry.changed, 0)
    for seconds, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if age >= seconds:
            count = int(age // seconds)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"


FIELDS = (
    Field("network", "network", _network, 14, spare=True),
    Field("layer", "layer", _said("layer"), 12),
    Field("images", "subset", _said("subset"), 8),
    Field("ranges", "ranges", _ranges, 6, right=True),
    Field("search", "search", lambda entry: entry.search or "?", 8, least=110),
    Field("units", "units", _units, 13, right=True),
    Field("changed", "changed", _when, 12, right=True),
    Field("", "state", lambda entry: Text(_STATES[entry.state], style=DOUBT), 18, least=110),
)


class RunsView(View):
    """Which run to look at; of a run to compare with, the one it is compared with is left out."""

    HELP_TEXT = (
        "Every run that ccx explain has stored, the newest first. A run that is being written, "
        "that was interrupted or that is damaged is shown as far as it goes."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "compare", "Compare with ..."),
    ]

    def __init__(
        self,
        results: Path,
        choose: Callable[[RunEntry], None],
        *,
        beside: Path | None = None,
        compare: Callable[[RunEntry], None] | None = None,
    ) -> None:
        super().__init__()
        self._results = results
        self._choose = choose
        self._beside = beside
        self._compare = compare

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        title = Text.assemble(("ccx", "bold"), "  stored runs  ", (str(self._results), "dim"))
        if self._beside is not None:
            title = Text.assemble("Compare ", (self._beside.name, "bold"), " with which run?")
        yield Static(title, id="title")
        yield Table(FIELDS, lambda entry: entry.directory, empty="reading ...")
        yield Static("", id="about")
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The list."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Read the runs, now and again and again."""
        self.query_one(Table).focus()
        self.action_read_again()
        self.set_interval(_SECONDS, self.action_read_again)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what cannot be done here."""
        if action == "compare":
            return self._compare is not None
        if action == "leave":
            return len(self.app.screen_stack) > 2
        return True

    def action_read_again(self) -> None:
        """Read the list again."""
        self.read("runs", lambda _: list_runs(self._results), self._show)

    def _show(self, entries: list[RunEntry]) -> None:
        if self._beside is not None:
            entries = [e for e in entries if e.directory != self._beside]
        other = "another " if self._beside is not None else ""
        self.query_one(Table).show(
            entries,
            empty=f"There is no {other}run here: make one with `ccx demo` or `ccx explain`.",
        )
        count = "1 run" if len(entries) == 1 else f"{len(entries):,} runs"
        what = "opens one" if self._beside is None else "compares"
        self.say(Text(f"{count}. Enter {what}, ? helps." if entries else "", style="dim"))

    @on(Table.Moved)
    def _tell(self, message: Table.Moved) -> None:
        entry: RunEntry = message.row
        state = _STATES[entry.state]
        self.query_one("#about", Static).update(
            Text.assemble((entry.name, "bold"), (f"   {state}" if state else "", DOUBT))
        )

    @on(Table.Chosen)
    def _open(self, message: Table.Chosen) -> None:
        self._choose(message.row)

    def action_compare(self) -> None:
        """Choose a second run."""
        entry = self.query_one(Table).row
        if entry is not None and self._compare is not None:
            self._compare(entry)

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The runs."""
        return "ccx-runs", [
            {
                "name": entry.name,
                **{key: entry.about.get(key) for key in ("model", "pretrained", "layer", "subset")},
                "num_clusters": entry.about.get("num_clusters"),
                "units": entry.units,
                "total": entry.total,
                "state": entry.state,
            }
            for entry in self.query_one(Table).rows
        ]
