"""The units of a run: every range with its formula, to be filtered and sorted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select

from ccx_cli.formulas.formula import from_json, names_in
from ccx_cli.printable import printable
from ccx_cli.store.lines import Record
from ccx_cli.study.categories import dominant_category
from ccx_cli.tui.lists import RunListView, Sorting, matches
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.record_text import (
    BOUND,
    FORMULA,
    HITS,
    IOU,
    RANGE,
    UNIT,
    UNKNOWN,
    iou_of,
    record_line,
)
from ccx_cli.tui.table import Column
from ccx_cli.tui.view import CompareRun, OpenConcepts, OpenUnit


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One range of one unit, or a unit without ranges.

    Attributes
    ----------
    record
        Its line.
    names
        Concepts in its formula, as written, in order.
    category
        Of most of the concepts that the formula asks for; ``""`` where that is unknown.
    """

    record: Record
    names: tuple[str, ...]
    category: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to show; empty parts ask for nothing.

    Attributes
    ----------
    text
        Part of the formula, whatever its case, or a unit's number.
    concept
        Part of the name of one concept in the formula.
    category
        The formula's category.
    cluster
        The range's number.
    best_only
        Of every unit only the range of the best formula that passes the rest.
    """

    text: str = ""
    concept: str = ""
    category: str = ""
    cluster: int | None = None
    best_only: bool = False


def range_rows(records: Iterable[Record], category_of: Mapping[int, str] | None) -> list[RangeRow]:
    """Make a row of each record; without ``category_of`` they have no category yet."""
    known = None if category_of is None else defaultdict(str, category_of)
    return [
        RangeRow(
            record,
            tuple(names_in(record["formula"])) if record["formula"] else (),
            (known and record["labels"] and dominant_category([from_json(record["labels"])], known))
            or "",
        )
        for record in records
    ]


def filter_rows(rows: Sequence[RangeRow], wanted: Filter) -> list[RangeRow]:
    """Return the rows that pass a filter."""
    concept = wanted.concept.strip().casefold()
    passing = [
        row
        for row in rows
        if (wanted.cluster is None or row.record["cluster"] == wanted.cluster)
        and (not wanted.category or row.category == wanted.category)
        and (not concept or any(concept in name.casefold() for name in row.names))
        and matches(wanted.text, row.record["formula"] or "", row.record["unit"])
    ]
    if not wanted.best_only:
        return passing
    best: dict[int, RangeRow] = {}
    for row in passing:
        known = best.setdefault(row.record["unit"], row)
        if (iou_of(row.record) or -1.0) > (iou_of(known.record) or -1.0):
            best[row.record["unit"]] = row
    return list(best.values())


def _of_record(column: Column) -> Column:
    """Let a column of records show the rows of this list."""
    show, value = column.show, column.value
    assert value is not None
    value_of: Callable[[Any], Any] = value
    return replace(
        column, show=lambda row: show(row.record), value=lambda row: value_of(row.record)
    )


class UnitsView(RunListView):
    """All units of a run."""

    HELP_TEXT = (
        "Every unit, or every range of every unit, with the formula of highest IoU. The bound says "
        "whether a formula is proven, or how much higher another one could still score. Type a "
        "unit's number or part of a formula into the filter; Tab moves on to the concept, the "
        "category and the range; click a title to sort. `ccx metrics RUN -f csv` writes these "
        "rows and their metrics into a file."
    )
    COLUMNS = (
        *map(_of_record, (UNIT, RANGE, IOU, BOUND, replace(FORMULA, width=20))),
        Column(
            "category",
            "category",
            lambda row: row.category or UNKNOWN,
            9,
            lambda row: row.category or None,
        ),
        replace(_of_record(HITS), min_table_width=90),
    )
    SORT_KEYS = ("iou", "unit", "hits", "formula", "category", "gap")
    FILTERS: ClassVar = {"text": "filter: unit or text", "concept": "concept"}
    no_rows = "No unit is explained yet."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "toggle_best", "All/best", tooltip="All ranges, or the best of each unit"),
        Binding("o", "concepts", "Concepts", tooltip="Concepts that the formulas name"),
        Binding("c", "compare", "Compare", tooltip="Compare with another run"),
    ]

    def __init__(self, run: OpenRun) -> None:
        super().__init__([run], Sorting("iou"))
        self.run = run
        self._filter_by = Filter(best_only=True)
        self._category_of: dict[int, str] | None = None
        self._category_status = "reading the categories ..."

    def heading(self) -> Text:
        """Network, layer, images and run."""
        about = self.run.view.about
        parts = [printable(str(about.get(key) or "?")) for key in ("model", "layer", "subset")]
        return Text.assemble(
            ("units ", "dim"), ("  ".join(parts), "bold"), ("  " + self.run.view.name, "dim")
        )

    def key_of(self, row: RangeRow) -> Hashable:
        """Unit and range."""
        return row.record["unit"], row.record["cluster"]

    def filter_widgets(self) -> Iterable[Widget]:
        """Boxes for the text and the concept, choices of category and range."""
        yield from super().filter_widgets()
        yield Select([], prompt="category", id="category", compact=True)
        yield Select([], prompt="range", id="cluster", compact=True)

    def read_rows(self) -> None:
        """Read the rows, and the categories while they are not known."""
        records, category_of = list(self.run.view.records), self._category_of
        self.read("rows", lambda _: range_rows(records, category_of), self._take_rows)
        if category_of is None:
            self.read(
                "categories",
                lambda _: self.run.categories(),
                self._take_categories,
                show_error=self._without_categories,
            )

    def _take_rows(self, rows: list[RangeRow]) -> None:
        names = dict.fromkeys(name for row in rows for name in row.names)
        self.query_one("#concept", Input).suggester = SuggestFromList(
            sorted(names), case_sensitive=False
        )
        self._offer("#category", {row.category for row in rows} - {""})
        self._offer("#cluster", {row.record["cluster"] for row in rows} - {None})
        self.show_notes(self.run.view.notes)
        self.set_rows(rows)

    def _offer(self, selector: str, values: set[Any]) -> None:
        select: Select[Any] = self.query_one(selector, Select)
        chosen = select.value
        with self.prevent(Select.Changed):
            select.set_options([(str(value), value) for value in sorted(values)])
            if chosen in values:
                select.value = chosen

    def _take_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = category_of
        self.read_rows()

    def _without_categories(self, sentence: str) -> None:
        self._category_status = f"Without categories: {sentence}"
        self.show_rows()

    def passing(self, rows: Sequence[RangeRow]) -> list[RangeRow]:
        """Return the rows that pass the filters."""
        return filter_rows(rows, replace(self._filter_by, **self.typed))

    def summary(self, shown: Sequence[RangeRow]) -> Text:
        """How many of the units or ranges are shown."""
        rows: Sequence[RangeRow] = self.all_rows or ()
        best_only = self._filter_by.best_only
        of = len({row.record["unit"] for row in rows}) if best_only else len(rows)
        what = "units, the best range of each" if best_only else "ranges"
        text = Text(f"{len(shown):,} of {of:,} {what}", style="dim")
        if self._category_of is None and rows:
            text.append(f"   {self._category_status}", style="dim")
        return text

    def show_details(self, row: RangeRow | None) -> None:
        """Write out the range and its whole formula."""
        self.update("#details", "" if row is None else record_line(row.record))

    @on(Select.Changed)
    def _choose(self, event: Select.Changed) -> None:
        value = None if event.value is Select.NULL else event.value
        if event.select.id == "category":
            self._filter_by = replace(self._filter_by, category=str(value or ""))
        else:
            cluster = value if isinstance(value, int) else None
            self._filter_by = replace(self._filter_by, cluster=cluster)
        self.show_rows()

    def action_toggle_best(self) -> None:
        """Show the best range of every unit, or all ranges."""
        self._filter_by = replace(self._filter_by, best_only=not self._filter_by.best_only)
        self.show_rows()

    def action_clear(self) -> None:
        """Show all rows again."""
        for select in self.query(Select):
            select.clear()
        super().action_clear()

    def open_row(self, row: RangeRow) -> None:
        """Open the unit."""
        order = list(dict.fromkeys(each.record["unit"] for each in self.table.rows))
        record = row.record
        self.post_message(OpenUnit(self.run, record["unit"], order, record["cluster"]))

    def action_concepts(self) -> None:
        """Show the concepts of the run."""
        self.post_message(OpenConcepts(self.run))

    def action_compare(self) -> None:
        """Compare with another run."""
        self.post_message(CompareRun(self.run.view.directory, self.run))

    def formula_to_copy(self) -> str | None:
        """The formula under the cursor."""
        row: RangeRow | None = self.table.row
        return None if row is None else row.record["formula"]
