"""A screen with one table: rows that are read in a thread, filtered, sorted and followed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from operator import itemgetter
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Static

from ccx_cli.runs.run import Run
from ccx_cli.tui.filters import Filter
from ccx_cli.tui.gallery import GalleryView
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.preview import Preview, Reader
from ccx_cli.tui.table import Column, Table


def sort_rows(
    rows: Sequence[Any], value: Callable[[Any], Any], *, largest_first: bool
) -> list[Any]:
    """Sort rows by a value; those whose value is ``None`` come last, equals keep their order."""
    valued = [(value(row), row) for row in rows]
    known = [each for each in valued if each[0] is not None]
    known.sort(key=itemgetter(0), reverse=largest_first)
    return [row for _, row in known] + [row for found, row in valued if found is None]


class ListView(GalleryView):
    """A table under a box that filters it, beside a preview of the row under the cursor.

    ``SORT_KEYS`` are the columns that s goes through; by the first one, the largest is first.
    ``FILTER`` is an example of what to type; ``no_rows`` what the table shows if there is nothing
    to filter. Every ``REFRESH_SECONDS`` the stored files are looked at. ``key_of`` gives what tells
    a row from the others, also after it was read again.
    """

    SORT_KEYS: ClassVar[Sequence[str]] = ()
    FILTER: ClassVar[str] = ""
    REFRESH_SECONDS: ClassVar[float] = 2.0
    no_rows: str = ""
    key_of: Callable[[Any], Hashable]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", tooltip="Clear the filter, or back"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "Reverse the order", show=False, key_display="S"),
        Binding("x", "clear", "Clear the filter", show=False),
    ]

    def __init__(self, columns: Sequence[Column], *, typed: str = "") -> None:
        super().__init__()
        self.columns, self.sort_key, self.largest_first = columns, self.SORT_KEYS[0], True
        self.typed = self.kept = typed
        self.all_rows: Sequence[Any] | None = None

    # What a list defines.

    def _heading(self) -> Text:
        raise NotImplementedError

    def _read_rows(self) -> None:
        """Read the rows in a thread and hand them to ``set_rows``."""
        raise NotImplementedError

    def _follow(self) -> None:
        """Read the rows again if the stored files have changed."""
        raise NotImplementedError

    def _text(self, row: Any) -> str:
        """Return what the words of a filter are looked for in."""
        raise NotImplementedError

    def _passing(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows to show of those that pass the filter."""
        return rows

    def _summary(self, shown: Sequence[Any]) -> str:
        """Return the last line, empty to leave it as it is."""
        raise NotImplementedError

    def _show_details(self, row: Any) -> None:
        """Write out the row under the cursor, ``None`` without rows."""

    def _sentence(self, row: Any) -> Text | str:
        """Return what the preview says of a row."""
        return ""

    def _reader(self, row: Any) -> Reader | None:
        """Return what reads the preview of a row."""
        raise NotImplementedError

    def _open(self, row: Any) -> None:
        raise NotImplementedError

    # What all lists do.

    def compose(self) -> ComposeResult:
        yield Static(self._heading(), id="title")
        yield Input(self.typed, placeholder=f"/ {self.FILTER}", id="filter", compact=True)
        with Horizontal(id="panes"):
            yield Table(self.columns, self.key_of, self._row_moved, self._open, self._sort_by)
            yield Preview()
        yield Static("", id="details")
        yield Static("", id="notes")
        yield Static("", id="status")
        yield Footer()

    def on_mount(self) -> None:
        self._read_rows()
        self.set_interval(self.REFRESH_SECONDS, self._follow)

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._show_preview)

    def on_screen_resume(self) -> None:
        self._show_preview()

    def set_rows(self, rows: Sequence[Any]) -> None:
        self.all_rows = rows
        self.show_rows()

    def show_notes(self, notes: Sequence[str]) -> None:
        """Show sentences on the whole run under the table."""
        self.update("#notes", Text("\n".join(notes)))
        self.query_one("#notes").display = bool(notes)

    def show_rows(self) -> None:
        value = self._column(self.sort_key).value
        if self.all_rows is None or value is None:
            return
        wanted = Filter.read(self.typed, self.columns)
        passing = self.all_rows
        if wanted.words or wanted.tests:
            text = self._text if wanted.words else lambda _: ""
            passing = [row for row in self.all_rows if wanted.passes(row, text(row))]
        rows = sort_rows(self._passing(passing), value, largest_first=self.largest_first)
        self.table.show(
            rows,
            sorted_by=(self.sort_key, self.largest_first),
            empty="Nothing passes the filter: Esc clears it." if self.all_rows else self.no_rows,
            words=wanted.marked,
        )
        if not rows:
            self._show_row(None)
        summary = self._summary(rows)
        if wanted.problem:
            self.show_error(wanted.problem)
        elif summary:
            self.show_status(Text(summary, style="dim"))

    def redraw(self) -> None:
        self.show_rows()

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

    def _row_moved(self, row: Any) -> None:
        if row is self.table.row:
            self._show_row(row)

    def _show_row(self, row: Any) -> None:
        self._show_details(row)
        self._show_preview()

    def _show_preview(self) -> None:
        table, preview = self.table, self.query_one(Preview)
        if table.row is None:
            preview.show("", None, None)
            return
        following = table.rows[table.cursor + 1 : table.cursor + 2]
        ahead = self._reader(following[0]) if following else None
        preview.show(self._sentence(table.row), self._reader(table.row), ahead)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self.typed = event.value
        self.show_rows()

    @on(Input.Submitted)
    def _leave_filter(self) -> None:
        self.table.focus()

    def action_filter(self) -> None:
        self.set_focus(self.query_one("#filter"))

    def action_clear(self) -> None:
        self.query_one("#filter", Input).value = self.kept
        self.table.focus()

    def action_leave(self) -> None:
        """Clear the filter; without one, leave its box or the screen."""
        if self.typed != self.kept:
            self.action_clear()
        else:
            super().action_leave()

    def action_tab(self) -> None:
        super().action_tab()
        self.call_after_refresh(self._show_preview)

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

    def __init__(
        self, runs: Sequence[OpenRun], columns: Sequence[Column], *, typed: str = ""
    ) -> None:
        super().__init__(columns, typed=typed)
        self.runs = tuple(runs)
        self._shown = self._state()

    def _state(self) -> list[tuple[Run, bool]]:
        # Another screen over the same run may have read it again, or show it as it is stored.
        return [(each.run, each.as_stored) for each in self.runs]

    def _follow(self, *, always: bool = False) -> None:
        def read(_: object) -> None:
            for run in self.runs:
                run.read_again(always=always)

        def show(_: object) -> None:
            if always or self._state() != self._shown:
                self._shown = self._state()
                self._read_rows()

        self.read("again", read, show)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._follow()

    def action_read_again(self) -> None:
        self._follow(always=True)
