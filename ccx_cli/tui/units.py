"""The units of a run: every range with its formula, to be filtered and sorted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.study.categories import dominant_category
from ccx_cli.tui.concepts import ConceptsView
from ccx_cli.tui.lists import RunListView
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.preview import Reader
from ccx_cli.tui.record_text import (
    BOUND,
    HITS,
    IOU,
    LIFT,
    MCC,
    RANGE,
    UNIT,
    best_of_units,
    formula_column,
    record_line,
    spellings,
    unit_and_range,
)
from ccx_cli.tui.table import Column, texts
from ccx_cli.tui.unit import UnitView
from ccx_cli.tui.view import CompareRun


def columns(run: OpenRun, category_of: Callable[[ExplanationRecord], str]) -> tuple[Column, ...]:
    """List the columns; ``category_of`` gives a formula's category, ``""`` where it is unknown."""

    def value(record: ExplanationRecord) -> str | None:
        return category_of(record) or None

    def common(record: ExplanationRecord) -> str:
        return "common" if (record.unit, record.cluster) in run.common else ""

    def concepts(record: ExplanationRecord) -> list[str]:
        names = record.names.values()
        return [each for name in names for each in (name, run.short.get(name, name))]

    return (
        UNIT,
        RANGE,
        MCC,
        IOU,
        LIFT,
        BOUND,
        formula_column(run, 20),
        texts("category", "category", value, 9, gives_way=True),
        Column("untrained", "untrained", common, 9, common, min_table_width=84, gives_way=True),
        HITS,
        Column("length", "length", lambda r: str(r.length), 0, lambda r: r.length),
        Column("concept", "concept", lambda _: "", 0, found_by=concepts),
    )


class UnitsView(RunListView):
    """All units of a run, or the ranges that pass what was ``typed`` before."""

    HELP_TEXT = (
        "Every unit, or every range of every unit, the most surprising first: MCC is the "
        "correlation of hits and formula, lift the IoU by that of chance. Formulas are the "
        "shortest of those within 1% of the best; v shows the best, with what adds less dimmed, "
        "and whether it is proven. Those that are common in the untrained network too, where "
        "`ccx analyze` explained that, are marked; u folds them. A filter takes words and "
        "comparisons, such as iou>0.1 mcc>0.2 range:4 category:object concept:red; a number is a "
        "unit's. `ccx metrics RUN -f csv` writes these rows and their metrics into a file."
    )
    SORT_KEYS = ("mcc", "unit", "iou", "lift", "hits", "formula", "category", "gap")
    FILTER = "197, face, iou>0.1 mcc>0.2 range:4 category:object"
    no_rows = "No unit is explained yet."
    key_of = staticmethod(unit_and_range)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "toggle_best", "All/best", tooltip="All ranges, or each best"),
        Binding("o", "concepts", "Concepts", tooltip="Concepts of the formulas"),
        Binding("c", "compare", "Compare with another run", show=False),
        Binding("u", "fold", "Fold the common ones", show=False),
        Binding("v", "stored", "Stored or simplest formulas", show=False),
    ]

    def __init__(self, run: OpenRun, typed: str = "") -> None:
        self.run: OpenRun = run
        super().__init__([run], columns(run, self._category), typed=typed)
        self._best_only, self._folded = not typed, False
        self._category_of: Mapping[int, str] | None = None
        self._categories: dict[str | None, str] = {}
        self._texts: dict[str | None, str] = {}
        self._knows_mcc = True
        self._category_status = "reading the categories ..."
        self._show_measures()

    def _category(self, record: ExplanationRecord) -> str:
        if self._category_of is None or record.tree is None:
            return ""
        if record.formula not in self._categories:
            category = dominant_category([record.tree], self._category_of)
            self._categories[record.formula] = category or ""
        return self._categories[record.formula]

    def _heading(self) -> Text:
        about = self.run.run.about
        parts = [str(part or "?") for part in (about.model, about.layer_text, about.subset)]
        parts += [] if about.annotation is None else ["predicted labels"]
        name = self.run.run.called
        return Text.assemble(("units ", "dim"), ("  ".join(parts), "bold"), (f"  {name}", "dim"))

    def _show_measures(self) -> None:
        """Sort by MCC as soon as that is known, unless another column was chosen."""
        knows = self.run.knows_mcc
        if self.sort_key in {"mcc", "iou"} and knows != self._knows_mcc:
            self.sort_key, self._knows_mcc = "mcc" if knows else "iou", knows

    def _read_rows(self) -> None:
        self.show_notes(self.run.run.notes)
        self.set_rows(list(self.run.shown.values()))

        # First draw the rows.
        learn, take, show_error = self.run.learn, self._take_categories, self._without_categories
        self.call_after_refresh(self.read, "categories", lambda _: learn(), take, show_error)

    def _take_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = defaultdict(str, category_of)  # a label of another dataset has none
        self._categories, self._texts = {}, {}
        self._show_measures()
        self.set_rows(list(self.run.shown.values()))

    def _without_categories(self, sentence: str) -> None:
        self._category_status = f"Without categories: {sentence}"
        self.show_rows()

    def _text(self, row: ExplanationRecord) -> str:
        if row.formula not in self._texts:
            texts = (*spellings(row.formula or "", self.run), self._category(row))
            self._texts[row.formula] = "\n".join(texts)
        return self._texts[row.formula]

    def _passing(self, rows: Sequence[ExplanationRecord]) -> Sequence[ExplanationRecord]:
        if self._folded:
            rows = [row for row in rows if (row.unit, row.cluster) not in self.run.common]
        return best_of_units(rows) if self._best_only else rows

    def _summary(self, shown: Sequence[ExplanationRecord]) -> str:
        rows: Sequence[ExplanationRecord] = self.all_rows or ()
        total = len({row.unit for row in rows}) if self._best_only else len(rows)
        best = "best" if len(shown) == total else "best such"
        what = f"units, the {best} range of each" if self._best_only else "ranges"
        stored = "   formulas as stored" if self.run.as_stored else ""
        status = f"   {self._category_status}" if self._category_of is None and rows else ""
        folded = f"   {len(self.run.common):,} common ones folded" if self._folded else ""
        return f"{len(shown):,} of {total:,} {what}{stored}{folded}{status}"

    def _show_details(self, row: ExplanationRecord | None) -> None:
        self.update("#details", "" if row is None else record_line(row, self.run))

    def _sentence(self, row: ExplanationRecord) -> str:
        return self.run.sentence_on(row.unit)

    def _reader(self, row: ExplanationRecord) -> Reader:
        return lambda is_wanted: self.run.glance_at(row, is_wanted)

    def action_toggle_best(self) -> None:
        self._best_only = not self._best_only
        self.show_rows()

    def action_fold(self) -> None:
        self._folded = not self._folded
        self.show_rows()

    def action_stored(self) -> None:
        self.run.as_stored = not self.run.as_stored
        self.read("rows", lambda _: self.run.shown, lambda _: self._read_rows())

    def _open(self, row: ExplanationRecord) -> None:
        order = list(dict.fromkeys(each.unit for each in self.table.rows))
        self.app.push_screen(UnitView(self.run, row.unit, order, row.cluster))

    def action_concepts(self) -> None:
        def open_concept(name: str) -> None:
            self.app.push_screen(UnitsView(self.run, f'concept="{name}" '))

        self.app.push_screen(ConceptsView(self.run, open_concept))

    def action_compare(self) -> None:
        self.post_message(CompareRun(self.run.run.directory, self.run))
