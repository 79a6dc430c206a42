"""A screen with one table: rows that are read in a thread, filtered, sorted and followed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.table import Column, Table
from ccx_cli.tui.view import View


@dataclass(frozen=True, slots=True)
class Sorting:
    """By which column rows are sorted, and whether the largest is first."""

    key: str
    largest_first: bool = True


def sort_rows(
    rows: Sequence[Any], value: Callable[[Any], Any], *, largest_first: bool
) -> list[Any]:
    """Sort rows by a value; those whose value is ``None`` come last, equals keep their order."""
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    return sorted(known, key=value, reverse=largest_first) + unknown


def matches(typed: str, text: str, unit: int | None = None) -> bool:
    """Tell whether a row passes the filter, whatever the case.

    Parameters
    ----------
    typed
        What was typed; a number asks for a unit where rows have one.
    text
        The row's text.
    unit
        The row's unit.
    """
    typed = typed.strip().casefold()
    if unit is not None and typed.isdigit():
        return typed == str(unit)
    return typed in text.casefold()


class ListView(View):
    """A table under boxes that filter it, over the details of the row under the cursor.

    Attributes
    ----------
    COLUMNS
        What the table shows.
    SORT_ONLY
        More to sort by, without a column.
    SORT_KEYS
        Keys of the columns that s goes through.
    FILTERS
        What each box says while it is empty, by its name.
    REFRESH_SECONDS
        Time between two looks at whether the stored files have changed.
    no_rows
        What the table says if there is nothing to filter.
    """

    COLUMNS: ClassVar[Sequence[Column]] = ()
    SORT_ONLY: ClassVar[Sequence[Column]] = ()
    SORT_KEYS: ClassVar[Sequence[str]] = ()
    FILTERS: ClassVar[Mapping[str, str]] = {}
    REFRESH_SECONDS: ClassVar[float] = 2.0
    no_rows: str = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "Reverse the order", show=False, key_display="S"),
        Binding("x", "clear", "Clear the filter", show=False),
    ]

    def __init__(self, sorting: Sorting) -> None:
        super().__init__()
        self.sorting = sorting
        self.typed = dict.fromkeys(self.FILTERS, "")
        self.all_rows: Sequence[Any] | None = None

    def heading(self) -> Text:
        """The first line."""
        raise NotImplementedError

    def key_of(self, row: Any) -> Hashable:
        """What tells a row from the others, also after it was read again."""
        raise NotImplementedError

    def read_rows(self) -> None:
        """Read the rows in a thread and hand them to ``set_rows``."""
        raise NotImplementedError

    def follow(self) -> None:
        """Read the rows again if the stored files have changed."""
        raise NotImplementedError

    def passing(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that pass the filters."""
        raise NotImplementedError

    def summary(self, shown: Sequence[Any]) -> Text | None:
        """The last line; ``None`` leaves it as it is."""
        raise NotImplementedError

    def show_details(self, row: Any) -> None:
        """Write out the row under the cursor, ``None`` without rows."""

    def open_row(self, row: Any) -> None:
        """Open a row."""
        raise NotImplementedError

    def filter_widgets(self) -> Iterable[Widget]:
        """The boxes over the table."""
        for name, placeholder in self.FILTERS.items():
            yield Input(placeholder=placeholder, id=name, compact=True)

    def detail_widgets(self) -> Iterable[Widget]:
        """What is below the table."""
        yield Static("", id="details")

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static(self.heading(), id="title")
        with Horizontal(id="filters"):
            yield from self.filter_widgets()
        yield Table(self.COLUMNS, self.key_of, empty="reading ...")
        yield from self.detail_widgets()
        yield Static("", id="notes")
        yield Static("", id="status")
        yield Footer()

    @property
    def table(self) -> Table:
        """The list."""
        return self.query_one(Table)

    @property
    def main_widget(self) -> Table:
        """The list."""
        return self.table

    def on_mount(self) -> None:
        """Read the rows, and look again every few seconds."""
        self.table.focus()
        self.read_rows()
        self.set_interval(self.REFRESH_SECONDS, self.follow)

    def set_rows(self, rows: Sequence[Any]) -> None:
        """Show other rows."""
        self.all_rows = rows
        self.show_rows()

    def show_notes(self, notes: Sequence[str]) -> None:
        """Show sentences on the whole run under the table."""
        self.update("#notes", Text("\n".join(notes)))
        self.query_one("#notes").display = bool(notes)

    def show_rows(self) -> None:
        """Filter, sort and show the rows."""
        if self.all_rows is None:
            return
        columns = {column.key: column for column in (*self.COLUMNS, *self.SORT_ONLY)}
        value = columns[self.sorting.key].value
        assert value is not None
        passing = self.passing(self.all_rows)
        rows = sort_rows(passing, value, largest_first=self.sorting.largest_first)
        self.table.show(
            rows,
            sorted_by=(self.sorting.key, self.sorting.largest_first),
            empty="Nothing passes the filter: x clears it." if self.all_rows else self.no_rows,
        )
        if not rows:
            self.show_details(None)
        summary = self.summary(rows)
        if summary is not None:
            self.show_status(summary)

    def sort_by(self, key: str) -> None:
        """Sort by a column; by the one it is sorted by, in reverse."""
        columns = {column.key: column for column in (*self.COLUMNS, *self.SORT_ONLY)}
        if columns[key].value is None:
            return
        if key == self.sorting.key:
            self.sorting = Sorting(key, not self.sorting.largest_first)
        else:
            self.sorting = Sorting(key, columns[key].largest_first)
        self.show_rows()

    @on(Table.Moved)
    def _show_details(self, message: Table.Moved) -> None:
        self.show_details(message.row)

    @on(Table.Opened)
    def _open(self, message: Table.Opened) -> None:
        self.open_row(message.row)

    @on(Table.TitleClicked)
    def _sort_by_title(self, message: Table.TitleClicked) -> None:
        self.sort_by(message.key)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        assert event.input.id is not None
        self.typed[event.input.id] = event.value
        self.show_rows()

    @on(Input.Submitted)
    def _leave_filter(self) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query(Input).first())

    def action_clear(self) -> None:
        """Show all rows again."""
        for box in self.query(Input):
            box.value = ""
        self.table.focus()

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = self.SORT_KEYS
        position = keys.index(self.sorting.key) if self.sorting.key in keys else -1
        self.sort_by(keys[(position + 1) % len(keys)])

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.sort_by(self.sorting.key)

    def action_read_again(self) -> None:
        """Read the list again."""
        self.read_rows()


class RunListView(ListView):
    """A list of what is in one or more runs, which may be growing."""

    def __init__(self, runs: Sequence[OpenRun], sorting: Sorting) -> None:
        super().__init__(sorting)
        self.runs = tuple(runs)
        self._shown_views = [run.view for run in runs]

    def follow(self) -> None:
        """Read the runs again if they have changed."""
        self._read_runs(always=False)

    def action_read_again(self) -> None:
        """Read the runs again, and what they were made from, which may be back."""
        self._read_runs(always=True)

    def _read_runs(self, *, always: bool) -> None:
        def read(_: object) -> None:
            for run in self.runs:
                run.read_again(always=always)

        self.read("again", read, lambda _: self._show_changes(always=always))

    def _show_changes(self, *, always: bool) -> None:
        views = [run.view for run in self.runs]
        # Another screen over the same run may have read it again.
        if always or any(a is not b for a, b in zip(views, self._shown_views, strict=True)):
            self._shown_views = views
            self.read_rows()
