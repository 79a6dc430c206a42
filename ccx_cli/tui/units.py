"""The units of a run: every range with its formula, to be filtered and sorted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widget import Widget
from textual.widgets import Input, Select

from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.study.categories import dominant_category
from ccx_cli.tui.concepts import ConceptsView
from ccx_cli.tui.lists import RunListView, matches
from ccx_cli.tui.open_run import OpenRun, label_categories
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
    unit_and_range,
)
from ccx_cli.tui.table import Column
from ccx_cli.tui.unit import UnitView
from ccx_cli.tui.view import CompareRun

CategoryOf = Callable[[ExplanationRecord], str]


def columns(category_of: CategoryOf) -> tuple[Column, ...]:
    """List the columns; ``category_of`` gives a formula's category, ``""`` where it is unknown."""

    def show(record: ExplanationRecord) -> Text | str:
        return category_of(record) or UNKNOWN

    def value(record: ExplanationRecord) -> str | None:
        return category_of(record) or None

    category = Column("category", "category", show, 9, value)
    formula, hits = replace(FORMULA, width=20), replace(HITS, min_table_width=90)
    return UNIT, RANGE, IOU, BOUND, formula, category, hits


def filter_records(
    records: Iterable[ExplanationRecord],
    category_of: CategoryOf,
    *,
    text: str = "",
    concept: str = "",
    category: str = "",
    cluster: int | None = None,
) -> list[ExplanationRecord]:
    """Return the records that pass a filter; empty parts ask for nothing.

    ``text`` is part of a formula, whatever its case, or a unit's number; ``concept`` is part of the
    name of one concept in it; ``category`` is the formula's, which ``category_of`` gives.
    """
    concept = concept.strip().casefold()
    return [
        record
        for record in records
        if (cluster is None or record.cluster == cluster)
        and matches(text, record.formula or "", record.unit)
        and (not category or category_of(record) == category)
        and (not concept or any(concept in name.casefold() for name in record.names.values()))
    ]


def best_of_units(records: Iterable[ExplanationRecord]) -> list[ExplanationRecord]:
    """Return of every unit the record of the best formula."""
    best: dict[int, ExplanationRecord] = {}
    for record in records:
        known = best.setdefault(record.unit, record)
        if (iou_of(record) or -1.0) > (iou_of(known) or -1.0):
            best[record.unit] = record
    return list(best.values())


def categories_of(
    records: Iterable[ExplanationRecord], category_of: Mapping[int, str]
) -> dict[tuple[int, int], str]:
    """Return the category of every record's formula by unit and range, given those of labels."""
    known = defaultdict(str, category_of)  # a label of another dataset has none
    return {
        unit_and_range(record): dominant_category([record.tree], known) or ""
        for record in records
        if record.tree is not None
    }


class UnitsView(RunListView):
    """All units of a run."""

    HELP_TEXT = (
        "Every unit, or every range of every unit, with the formula of highest IoU. The bound says "
        "whether a formula is proven the best of all left chains, ((a op b) op c), of so many "
        "of the run's concepts that begin with a positive one, or how much higher one could still "
        "score. Type a unit's number or part of a formula into the filter; Tab moves on to the "
        "concept, the category and the range; click a title to sort. `ccx metrics RUN -f csv` "
        "writes these rows and their metrics into a file."
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
        super().__init__([run], columns(self._category))
        self.run = run
        self._best_only = True
        self._categories: dict[tuple[int, int], str] | None = None
        self._category_status = "reading the categories ..."

    def _category(self, record: ExplanationRecord) -> str:
        return (self._categories or {}).get(unit_and_range(record), "")

    def _heading(self) -> Text:
        about = self.run.run.about
        parts = [str(part or "?") for part in (about.model, about.layer, about.subset)]
        name = self.run.run.name
        return Text.assemble(("units ", "dim"), ("  ".join(parts), "bold"), (f"  {name}", "dim"))

    def _key_of(self, row: ExplanationRecord) -> Hashable:
        return unit_and_range(row)

    def _filter_widgets(self) -> Iterable[Widget]:
        yield from super()._filter_widgets()
        yield Select([], prompt="category", id="category", compact=True)
        yield Select([], prompt="range", id="cluster", compact=True)

    def _read_rows(self) -> None:
        records = list(self.run.run.records)
        self._offer("#cluster", {record.cluster for record in records} - {None})
        self.show_notes(self.run.run.notes)
        self.set_rows(records)
        # First draw the rows.
        self.call_after_refresh(self._read_names_and_categories, records)

    def _read_names_and_categories(self, records: list[ExplanationRecord]) -> None:
        self.read("names", lambda _: sorted(names_of(records).values()), self._suggest)
        self.read(
            "categories",
            lambda _: categories_of(records, self.run.with_inputs(label_categories)),
            self._take_categories,
            show_error=self._without_categories,
        )

    def _suggest(self, names: list[str]) -> None:
        self.query_one("#concept", Input).suggester = SuggestFromList(names, case_sensitive=False)

    def _offer(self, selector: str, values: set[Any]) -> None:
        select: Select[Any] = self.query_one(selector, Select)
        chosen = select.value
        with self.prevent(Select.Changed):
            select.set_options([(str(value), value) for value in sorted(values)])
            if chosen in values:
                select.value = chosen

    def _take_categories(self, categories: dict[tuple[int, int], str]) -> None:
        self._categories = categories
        self._offer("#category", set(categories.values()) - {""})
        self.show_rows()

    def _without_categories(self, sentence: str) -> None:
        self._category_status = f"Without categories: {sentence}"
        self.show_rows()

    def _passing(self, rows: Sequence[ExplanationRecord]) -> list[ExplanationRecord]:
        chosen = {str(each.id): each.value for each in self.query(Select)}
        wanted: dict[str, Any] = {**self.typed}
        wanted |= {name: value for name, value in chosen.items() if value is not Select.NULL}
        passing = filter_records(rows, self._category, **wanted)
        return best_of_units(passing) if self._best_only else passing

    def _summary(self, shown: Sequence[ExplanationRecord]) -> str:
        rows: Sequence[ExplanationRecord] = self.all_rows or ()
        total = len({row.unit for row in rows}) if self._best_only else len(rows)
        what = "units, the best range of each" if self._best_only else "ranges"
        status = f"   {self._category_status}" if self._categories is None and rows else ""
        return f"{len(shown):,} of {total:,} {what}{status}"

    def _show_details(self, row: ExplanationRecord | None) -> None:
        self.update("#details", "" if row is None else record_line(row))

    @on(Select.Changed)
    def _choose(self) -> None:
        self.show_rows()

    def action_toggle_best(self) -> None:
        self._best_only = not self._best_only
        self.show_rows()

    def action_clear(self) -> None:
        for select in self.query(Select):
            select.clear()
        super().action_clear()

    def _open(self, row: ExplanationRecord) -> None:
        order = list(dict.fromkeys(each.unit for each in self.table.rows))
        self.app.push_screen(UnitView(self.run, row.unit, order, row.cluster))

    def action_concepts(self) -> None:
        self.app.push_screen(ConceptsView(self.run))

    def action_compare(self) -> None:
        self.post_message(CompareRun(self.run.run.directory, self.run))
