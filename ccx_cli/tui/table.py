"""A table that draws only the rows in sight, so that thousands sort and filter at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Attributes
    ----------
    title
        Stands in the first line.
    key
        By what its rows are sorted.
    show
        Gives a row's cell.
    width
        In cells; at least so many if it takes the spare.
    right
        Whether to align to the right.
    spare
        Whether it takes the width that is left.
    least
        Width of the table below which the column is left out.
    """

    title: str
    key: str
    show: Callable[[Any], Text | str]
    width: int
    right: bool = False
    spare: bool = False
    least: int = 0


class Table(ScrollView, can_focus=True):
    """Rows under a line of titles; arrows and the mouse move, Enter or a second click chooses."""

    DEFAULT_CSS = """
    Table {
        height: 1fr;
        overflow-x: hidden;
        background: $background;
        & > .table--titles { text-style: bold; color: $text-muted; background: $panel; }
        & > .table--cursor { background: $primary 25%; }
        & > .table--hover { background: $foreground 6%; }
        & > .table--empty { color: $text-muted; text-style: italic; }
        &:focus > .table--cursor { background: $primary 50%; text-style: bold; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--titles",
        "table--cursor",
        "table--hover",
        "table--empty",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "jump(0)", "First", show=False),
        Binding("end,G", "jump(-1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    cursor = reactive(0, repaint=True)
    hovered: reactive[int | None] = reactive(None, repaint=True)

    class Moved(Message):
        """The cursor is on another row."""

        def __init__(self, table: Table, row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    class Chosen(Moved):
        """A row was chosen."""

    class TitleClicked(Message):
        """A title was clicked: sort by it."""

        def __init__(self, table: Table, key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

        @property
        def control(self) -> Table:
            """The table."""
            return self.table

    def __init__(
        self,
        fields: Sequence[Field],
        key_of: Callable[[Any], Hashable],
        *,
        empty: str = "",
        name: str | None = None,
    ) -> None:
        super().__init__(id=name)
        self._fields = tuple(fields)
        self._key_of = key_of
        self._rows: Sequence[Any] = ()
        self._sorted: tuple[str, bool] | None = None
        self.empty = empty

    @property
    def rows(self) -> Sequence[Any]:
        """The rows shown."""
        return self._rows

    @property
    def row(self) -> Any:
        """The row under the cursor, ``None`` without rows."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def show(
        self,
        rows: Sequence[Any],
        *,
        by: tuple[str, bool] | None = None,
        keep: Hashable | None = None,
        empty: str | None = None,
    ) -> None:
        """Show other rows; the cursor stays on the row it was on, if that is among them.

        Parameters
        ----------
        rows
            Anything that the fields can show.
        by
            Key of the column they are sorted by, and whether from the largest down.
        keep
            Key of the row to put the cursor on, rather than the one it was on.
        empty
            What to say if there are none.
        """
        was = keep if keep is not None else (self._key_of(self.row) if self.row else None)
        self._rows, self._sorted = rows, by
        if empty is not None:
            self.empty = empty
        place = next((n for n, row in enumerate(rows) if self._key_of(row) == was), 0)
        self.virtual_size = Size(0, len(rows) + 1)
        moved = place != self.cursor
        self.cursor = place
        if not moved:
            self._tell()
        self.refresh()

    def set_fields(self, fields: Sequence[Field]) -> None:
        """Show other columns of the same rows."""
        self._fields = tuple(fields)
        self.refresh()

    def watch_cursor(self) -> None:
        """Bring the row into sight and tell where the cursor is."""
        self.call_after_refresh(self._bring_into_sight)
        self._tell()

    def _tell(self) -> None:
        if self.row is not None:
            self.post_message(self.Moved(self, self.row))

    def _bring_into_sight(self) -> None:
        in_sight = max(self.size.height - 1, 1)
        top = int(self.scroll_offset.y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= top + in_sight:
            self.scroll_to(y=self.cursor - in_sight + 1, animate=False, immediate=True)

    def on_resize(self) -> None:
        """Keep the row under the cursor in sight."""
        self.call_after_refresh(self._bring_into_sight)

    def action_move(self, rows: int) -> None:
        """Move the cursor by so many rows."""
        self.cursor = min(max(self.cursor + rows, 0), max(len(self._rows) - 1, 0))

    def action_page(self, pages: int) -> None:
        """Move the cursor by so many screens."""
        self.action_move(pages * max(self.size.height - 2, 1))

    def action_jump(self, place: int) -> None:
        """Move the cursor to the first row, or, for -1, to the last."""
        self.action_move(-len(self._rows) if place == 0 else len(self._rows))

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.row is not None:
            self.post_message(self.Chosen(self, self.row))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row; choose it if it is there already, or clicked twice."""
        if event.y == 0:
            edge = 0
            for field, width in self._laid_out():
                edge += width + 2
                if event.x < edge:
                    self.post_message(self.TitleClicked(self, field.key))
                    return
            return
        place = event.y - 1 + int(self.scroll_offset.y)
        if place >= len(self._rows):
            return
        if place == self.cursor and (event.chain > 1 or self._was_focused):
            self.action_choose()
        self.cursor = place

    _was_focused = False

    def on_mouse_down(self) -> None:
        """Remember whether the click that comes is the one that brings the focus here."""
        self._was_focused = self.has_focus

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the row under the mouse."""
        place = event.y - 1 + int(self.scroll_offset.y)
        self.hovered = place if event.y > 0 and place < len(self._rows) else None

    def on_leave(self) -> None:
        """Unmark it."""
        self.hovered = None

    def _laid_out(self) -> list[tuple[Field, int]]:
        """Return the columns that fit, with their widths."""
        width = self.scrollable_content_region.width
        fields = [field for field in self._fields if width >= field.least]
        spare = width - sum(field.width + 2 for field in fields) + 1
        takers = sum(field.spare for field in fields)
        shares = []
        for field in fields:
            share = max(spare, 0) // takers if field.spare else 0
            shares.append((field, field.width + share))
        return shares

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.scrollable_content_region.width
        if y == 0:
            titles = [self._title(field) for field, _ in self._laid_out()]
            return self._line(titles, self.get_component_rich_style("table--titles"), width)
        place = y - 1 + int(self.scroll_offset.y)
        base = self.rich_style
        if place >= len(self._rows):
            text = Text(" " + self.empty if y == 1 and not self._rows else "")
            style = base + self.get_component_rich_style("table--empty", partial=True)
            text.truncate(width, overflow="ellipsis")
            return (
                Strip(text.render(self.app.console))
                .apply_style(style)
                .adjust_cell_length(width, style)
            )
        if place == self.cursor:
            base = base + self.get_component_rich_style("table--cursor")
        elif place == self.hovered:
            base = base + self.get_component_rich_style("table--hover")
        row = self._rows[place]
        return self._line([field.show(row) for field, _ in self._laid_out()], base, width)

    def _title(self, field: Field) -> str:
        if self._sorted is None or self._sorted[0] != field.key:
            return field.title
        return f"{field.title}{'▾' if self._sorted[1] else '▴'}"

    def _line(self, cells: Sequence[Text | str], style: Style, width: int) -> Strip:
        line = Text(" ")
        for cell, (field, room) in zip(cells, self._laid_out(), strict=True):
            text = Text(cell) if isinstance(cell, str) else cell.copy()
            text.truncate(room, overflow="ellipsis")
            text.align("right" if field.right else "left", room)
            line.append_text(text).append("  ")
        line.no_wrap = True
        strip = Strip(line.render(self.app.console)).apply_style(style)
        return strip.adjust_cell_length(width, style)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """All rows and the titles."""
        return len(self._rows) + 1

    def line_region(self, place: int) -> Region:
        """Where a row is drawn, within the table."""
        return Region(0, place + 1 - int(self.scroll_offset.y), self.size.width, 1)
