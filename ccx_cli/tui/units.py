"""The units of a run: every range with its formula, to be filtered and sorted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.suggester import SuggestFromList
from textual.widgets import Footer, Input, Select, Static

from ccx_cli.printable import printable
from ccx_cli.tui.asking import ConceptsAsked, SecondRunAsked, UnitAsked
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.rows import Filter, RangeRow, RangeRows, Sorting, number
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import DOUBT, formula_text, range_mark, share, whole_range
from ccx_cli.tui.view import View

_SECONDS = 2.0
_SORTED_BY = ("iou", "unit", "hits", "formula", "category", "gap")


def proof(row: RangeRow) -> Text:
    """Say whether a formula is proven best, or how much better another could be."""
    if row.iou is None:
        return Text("-", style="dim")
    if row.record.get("proven") is True:
        return Text("best", style="dim")
    gap = row.gap
    return Text("?", style="dim") if gap is None else Text(f"+{gap:.3f}", style=DOUBT)


FIELDS = (
    Field("unit", "unit", lambda row: str(row.unit), 5, right=True),
    Field("range", "cluster", lambda row: range_mark(row.cluster, row.record["num_ranges"]), 6),
    Field("IoU", "iou", lambda row: share(row.iou), 6, right=True),
    Field("bound", "gap", proof, 6, right=True),
    Field(
        "formula",
        "formula",
        lambda row: formula_text(
            row.record["formula"], "never fires" if row.cluster is None else "no concept meets it"
        ),
        20,
        spare=True,
    ),
    Field("category", "category", lambda row: row.category or Text("-", style="dim"), 9),
    Field("hits", "hits", lambda row: f"{row.record['hits']:,}", 11, right=True, least=90),
)


class UnitsView(View):
    """All units of a run."""

    HELP_TEXT = (
        "Every unit, or every range of every unit, with the formula that covers best the pixels "
        "in that range of its activation. The bound says whether a formula is proven best, or how "
        "much better another one could still be. Type a unit's number or part of a formula into "
        "the filter; Tab goes on to the concept, the category and the range; click a title to sort."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("b", "toggle_best", "All/best", tooltip="All ranges, or the best of each unit"),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "Turn the order round", show=False, key_display="S"),
        Binding("x", "clear", "Clear filter", show=False),
        Binding("o", "concepts", "Concepts", tooltip="Concepts that the formulas name"),
        Binding("c", "compare", "Compare", tooltip="Compare with another run"),
    ]

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self.run = run
        self._wanted = Filter(best_only=True)
        self._sorting = Sorting()
        self._rows = RangeRows((), (), ())
        self._category_of: dict[int, str] | None = None
        self._told = "reading the categories ..."

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        about = self.run.view.about
        said = [printable(str(about.get(key, "?"))) for key in ("model", "layer", "subset")]
        yield Static(
            Text.assemble(
                ("units ", "dim"), ("  ".join(said), "bold"), ("  " + self.run.view.name, "dim")
            ),
            id="title",
        )
        with Horizontal(id="filters"):
            yield Input(placeholder="filter: unit or text", id="text", compact=True)
            yield Input(placeholder="concept", id="concept", compact=True)
            yield Select([], prompt="category", id="category", compact=True)
            yield Select([], prompt="range", id="cluster", compact=True)
        yield Table(FIELDS, lambda row: (row.unit, row.cluster), empty="reading ...")
        yield Static("", id="about", classes="-whole")
        yield Static("", id="notes")
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The list."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Show the lines, and look for more of them now and again."""
        self.query_one(Table).focus()
        self._read_rows()
        self._read_categories()
        self.set_interval(_SECONDS, lambda: self._look_again(always=False))

    def _read_rows(self) -> None:
        records, category_of = list(self.run.view.records), self._category_of
        self.read("rows", lambda _: RangeRows.of_records(records, category_of), self._take_rows)

    def _take_rows(self, rows: RangeRows) -> None:
        self._rows = rows
        names = dict.fromkeys(name for row in rows.rows for name in row.names)
        self.query_one("#concept", Input).suggester = SuggestFromList(
            sorted(names), case_sensitive=False
        )
        for name, values in (("category", rows.categories), ("cluster", rows.clusters)):
            select = self.query_one(f"#{name}", Select)
            chosen = select.value
            with self.prevent(Select.Changed):
                select.set_options([(str(value), value) for value in values])
                if chosen in values:
                    select.value = chosen
        notes = self.query_one("#notes", Static)
        notes.update(Text("\n".join(self.run.view.notes)))
        notes.display = bool(self.run.view.notes)
        self._filter()

    def _take_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = category_of
        self._read_rows()

    def _without_categories(self, sentence: str) -> None:
        self._told = f"Without categories: {sentence}"
        self._filter()

    def _look_again(self, *, always: bool) -> None:
        self.read(
            "again",
            lambda _: self.run.read_again(always=always),
            lambda changed: self._read_rows() if changed else None,
        )

    def _read_categories(self) -> None:
        self.read(
            "categories",
            lambda _: self.run.categories(),
            self._take_categories,
            refuse=self._without_categories,
        )

    def action_read_again(self) -> None:
        """Read the run again, and the data set, which may be back."""
        self._look_again(always=True)
        self._read_categories()

    def _filter(self) -> None:
        rows = self._rows.select(self._wanted, self._sorting)
        self.query_one(Table).show(
            rows,
            by=(self._sorting.key, self._sorting.descending),
            empty="No unit passes the filter: x clears it."
            if self._rows.rows
            else "No unit is explained yet.",
        )
        if not rows:
            self.query_one("#about", Static).update("")
        units = len({row.unit for row in self._rows.rows})
        what = "units, the best range of each" if self._wanted.best_only else "ranges"
        of = units if self._wanted.best_only else len(self._rows.rows)
        told = Text(f"{len(rows):,} of {of:,} {what}", style="dim")
        if self._category_of is None and self._rows.rows:
            told.append(f"   {self._told}", style="dim")
        self.say(told)

    @on(Table.Moved)
    def _write_out(self, message: Table.Moved) -> None:
        self.query_one("#about", Static).update(whole_range(message.row.record))

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        if event.input.id == "concept":
            self._wanted = replace(self._wanted, concept=event.value)
        else:
            self._wanted = replace(self._wanted, text=event.value)
        self._filter()

    @on(Input.Submitted)
    def _typed(self) -> None:
        self.query_one(Table).focus()

    @on(Select.Changed, "#category")
    def _choose_category(self, event: Select.Changed) -> None:
        value = event.value if isinstance(event.value, str) else ""
        self._wanted = replace(self._wanted, category=value)
        self._filter()

    @on(Select.Changed, "#cluster")
    def _choose_cluster(self, event: Select.Changed) -> None:
        value = event.value if isinstance(event.value, int) else None
        self._wanted = replace(self._wanted, cluster=value)
        self._filter()

    @on(Table.TitleClicked)
    def _sort_by(self, message: Table.TitleClicked) -> None:
        self._sorting = self._sorting.turned(message.key)
        self._filter()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sorting = self._sorting.by_next(_SORTED_BY)
        self._filter()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._sorting = self._sorting.turned(self._sorting.key)
        self._filter()

    def action_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#text", Input))

    def action_toggle_best(self) -> None:
        """Show the best range of every unit, or all ranges."""
        self._wanted = replace(self._wanted, best_only=not self._wanted.best_only)
        self._filter()

    def action_clear(self) -> None:
        """Show everything again."""
        for box in self.query(Input):
            box.value = ""
        for select in self.query(Select):
            select.clear()
        self.query_one(Table).focus()

    @on(Table.Chosen)
    def _open(self, message: Table.Chosen) -> None:
        row: RangeRow = message.row
        order = list(dict.fromkeys(each.unit for each in self.query_one(Table).rows))
        self.post_message(UnitAsked(self.run, row.unit, order, row.cluster))

    def action_concepts(self) -> None:
        """Show the concepts of the run."""
        self.post_message(ConceptsAsked(self.run))

    def action_compare(self) -> None:
        """Compare with another run."""
        self.post_message(SecondRunAsked(self.run))

    def formula_to_copy(self) -> str | None:
        """The formula under the cursor."""
        row: RangeRow | None = self.query_one(Table).row
        return None if row is None else row.record["formula"]

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The rows in the list."""
        return f"{self.run.view.name}-units", [
            {
                **{key: row.record[key] for key in ("unit", "cluster", "range", "hits", "formula")},
                "iou": row.iou,
                "proven": row.record.get("proven"),
                "bound": number(row.record.get("bound")),
                "category": row.category or None,
            }
            for row in self.query_one(Table).rows
        ]
