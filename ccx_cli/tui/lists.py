"""A screen with one table: rows that are read in a thread, filtered, sorted and followed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.table import Column, Table
from ccx_cli.tui.view import View


def sort_rows(
    rows: Sequence[Any], value: Callable[[Any], Any], *, largest_first: bool
) -> list[Any]:
    """Sort rows by a value; those whose value is ``None`` come last, equals keep their order."""
    known = [row for row in rows if value(row) is not None]
    unknown = [row for row in rows if value(row) is None]
    return sorted(known, key=value, reverse=largest_first) + unknown


def matches(typed: str, text: str, unit: int | None = None) -> bool:
    """Tell whether a row passes what was typed: part of its text, or the number of its unit."""
    typed = typed.strip().casefold()
    if unit is not None and typed.isdigit():
        return typed == str(unit)
    return typed in text.casefold()


class ListView(View):
    """A table under boxes that filter it, over the details of the row under the cursor.

    ``SORT_KEYS`` are the columns that s goes through; by the first one, the largest is first.
    ``FILTERS`` says what each box shows while it is empty, ``no_rows`` what the table shows if
    there is nothing to filter. Every ``REFRESH_SECONDS`` the stored files are looked at.
    """

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

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns, self.sort_key, self.largest_first = columns, self.SORT_KEYS[0], True
        self.typed = dict.fromkeys(self.FILTERS, "")
        self.all_rows: Sequence[Any] | None = None

    # What a list defines.

    def _heading(self) -> Text:
        raise NotImplementedError

    def _key_of(self, row: Any) -> Hashable:
        """Return what tells a row from the others, also after it was read again."""
        raise NotImplementedError

    def _read_rows(self) -> None:
        """Read the rows in a thread and hand them to ``set_rows``."""
        raise NotImplementedError

    def _follow(self) -> None:
        """Read the rows again if the stored files have changed."""
        raise NotImplementedError

    def _passing(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows that pass the filters."""
        raise NotImplementedError

    def _summary(self, shown: Sequence[Any]) -> str:
        """Return the last line, empty to leave it as it is."""
        raise NotImplementedError

    def _show_details(self, row: Any) -> None:
        """Write out the row under the cursor, ``None`` without rows."""

    def _open(self, row: Any) -> None:
        raise NotImplementedError

    def _filter_widgets(self) -> Iterable[Widget]:
        for name, placeholder in self.FILTERS.items():
            yield Input(placeholder=placeholder, id=name, compact=True)

    def _detail_widgets(self) -> Iterable[Widget]:
        yield Static("", id="details")

    # What all lists do.

    def compose(self) -> ComposeResult:
        yield Static(self._heading(), id="title")
        with Horizontal(id="filters"):
            yield from self._filter_widgets()
        yield Table(self.columns, self._key_of, empty="reading ...")
        yield from self._detail_widgets()
        yield Static("", id="notes")
        yield Static("", id="status")
        yield Footer()

    def on_mount(self) -> None:
        self._read_rows()
        self.set_interval(self.REFRESH_SECONDS, self._follow)

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
        value = self._column(self.sort_key).value
        assert value is not None
        passing = self._passing(self.all_rows)
        rows = sort_rows(passing, value, largest_first=self.largest_first)
        self.table.show(
            rows,
            sorted_by=(self.sort_key, self.largest_first),
            empty="Nothing passes the filter: x clears it." if self.all_rows else self.no_rows,
        )
        if not rows:
            self._show_details(None)
        summary = self._summary(rows)
        if summary:
            self.show_status(Text(summary, style="dim"))

    def _sort_by(self, key: str) -> None:
        """Sort by a column; by the one it is sorted by, in reverse."""
        column = self._column(key)
        if column.value is not None:
            is_same = key == self.sort_key
            self.largest_first = not self.largest_first if is_same else column.largest_first
            self.sort_key = key
            self.show_rows()

    def _column(self, key: str) -> Column:
        return next(column for column in self.columns if column.key == key)

    @on(Table.Moved)
    def _row_moved(self, message: Table.Moved) -> None:
        self._show_details(message.row)

    @on(Table.Opened)
    def _row_opened(self, message: Table.Opened) -> None:
        self._open(message.row)

    @on(Table.TitleClicked)
    def _title_clicked(self, message: Table.TitleClicked) -> None:
        self._sort_by(message.key)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        assert event.input.id is not None
        self.typed[event.input.id] = event.value
        self.show_rows()

    @on(Input.Submitted)
    def _leave_filter(self) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        self.set_focus(self.query(Input).first())

    def action_clear(self) -> None:
        for box in self.query(Input):
            box.value = ""
        self.table.focus()

    def action_sort(self) -> None:
        keys = self.SORT_KEYS
        position = keys.index(self.sort_key) if self.sort_key in keys else -1
        self._sort_by(keys[(position + 1) % len(keys)])

    def action_reverse(self) -> None:
        self._sort_by(self.sort_key)

    def action_read_again(self) -> None:
        self._read_rows()


class RunListView(ListView):
    """A list of what is in one or more runs, which may be growing."""

    def __init__(self, runs: Sequence[OpenRun], columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self.runs = tuple(runs)
        self._shown_runs = [each.run for each in runs]

    def _follow(self, *, always: bool = False) -> None:
        def read(_: object) -> None:
            for run in self.runs:
                run.read_again(always=always)

        def show(_: object) -> None:
            runs = [each.run for each in self.runs]
            # Another screen over the same run may have read it again.
            if always or any(a is not b for a, b in zip(runs, self._shown_runs, strict=True)):
                self._shown_runs = runs
                self._read_rows()

        self.read("again", read, show)

    def action_read_again(self) -> None:
        self._follow(always=True)
