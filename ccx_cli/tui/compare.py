"""Two runs side by side: the formula of every range in each, and the difference of the IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from ccx_cli import design
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.study.run_comparison import RangePair, compare_runs, differences, tally
from ccx_cli.tui.ink import ink
from ccx_cli.tui.lists import RunListView
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.preview import Reader
from ccx_cli.tui.record_text import (
    RANGE,
    UNIT,
    formula_text,
    iou_of,
    range_mark,
    record_formula,
    spellings,
    unit_and_range,
)
from ccx_cli.tui.table import UNKNOWN, Column, numbers
from ccx_cli.tui.unit import UnitView


def _difference(pair: RangePair) -> Text:
    difference = pair.difference
    if difference is None:
        return UNKNOWN
    if not difference:
        return Text(design.iou(0.0), style="dim")
    return Text(design.difference(difference), ink.good if difference > 0 else ink.bad)


def _size(pair: RangePair) -> float | None:
    return None if pair.difference is None else abs(pair.difference)


def _range_mark(pair: RangePair) -> Text:
    num_ranges = max(record.num_ranges for record in (pair.a, pair.b) if record is not None)
    return range_mark(pair.cluster, num_ranges)


def _formula(record: ExplanationRecord | None, run: OpenRun) -> Text:
    return formula_text(None, "not in this run") if record is None else record_formula(record, run)


def _side_columns(side: str, run: OpenRun) -> tuple[Column, Column]:
    """Return the columns of the IoU and the formula in one run, ``a`` or ``b``."""

    def record(pair: RangePair) -> Any:
        return getattr(pair, side)

    return (
        numbers(
            f"IoU {side.upper()}",
            f"iou_{side}",
            design.iou,
            7,
            lambda pair: iou_of(record(pair)),
            min_table_width=100,
        ),
        Column(
            f"stored in {side.upper()}",
            f"formula_{side}",
            lambda pair: _formula(record(pair), run),
            12,
            lambda pair: getattr(record(pair), "formula", None),
            stretch=True,
        ),
    )


def columns(a: OpenRun, b: OpenRun) -> tuple[Column, ...]:
    """List the columns; the last one is only sorted by."""
    (iou_a, formula_a), (iou_b, formula_b) = _side_columns("a", a), _side_columns("b", b)
    return (
        UNIT,
        replace(RANGE, show=_range_mark),
        iou_a,
        iou_b,
        Column("B - A", "difference", _difference, 8, lambda pair: pair.difference, right=True),
        formula_a,
        Column(
            "",
            "equal",
            lambda pair: Text({True: "=", False: "≠"}.get(pair.equal, ""), style="dim"),
            1,
            lambda pair: pair.equal,
        ),
        formula_b,
        Column("", "size", _difference, 0, _size, largest_first=True),
    )


class CompareView(RunListView):
    """The ranges of two runs, matched by unit and number."""

    HELP_TEXT = (
        "The same unit and range in two runs, those whose IoU differs most first. = marks formulas "
        "that are logically equivalent. The range under the cursor is written out below. "
        "`ccx compare runs A B --per range -f csv` writes these rows into a file."
    )
    SORT_KEYS = ("size", "unit", "iou_a", "iou_b", "difference", "formula_a", "formula_b")
    FILTER = "unit or part of a formula, difference>0 range:4"
    no_rows = "Neither run has a line."
    key_of = staticmethod(unit_and_range)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "toggle_differing", "Differing", tooltip="All, or what differs"),
        Binding("a", "open('a')", "Open A", tooltip="Open it in run A"),
        Binding("b", "open('b')", "Open B", tooltip="Open it in run B"),
    ]

    def __init__(self, a: OpenRun, b: OpenRun) -> None:
        super().__init__([a, b], columns(a, b))
        self.run = a
        self._differing = False

    def _heading(self) -> Text:
        a, b = (each.run.called for each in self.runs)
        return Text.assemble(("A ", "bold"), a, ("\nB ", "bold"), b)

    def _read_rows(self) -> None:
        a, b = (each.run for each in self.runs)
        found = differences(a, b)
        self.show_notes([f"The runs differ in {'; '.join(found)}."] if found else [])
        self.read("compare", lambda _: compare_runs(a, b), self.set_rows)

    def _passing(self, rows: Sequence[RangePair]) -> list[RangePair]:
        return [pair for pair in rows if not (self._differing and pair.equal)]

    def _text(self, row: RangePair) -> str:
        run = self.runs[0]
        return "\n".join(each for text in _formulas(row) for each in spellings(text, run))

    def _reader(self, row: RangePair) -> Reader:
        run, record = self.runs[row.a is None], row.a or row.b
        assert record is not None
        return lambda is_wanted: run.glance_at(record, is_wanted)

    def _summary(self, shown: Sequence[RangePair]) -> str:
        both = tally(self.all_rows or ())
        mean = design.difference(both.mean_difference)
        only = f", {both.only_a:,} only in A" * bool(both.only_a)
        only += f", {both.only_b:,} only in B" * bool(both.only_b)
        return (
            f"{len(shown):,} shown; {both.ranges:,} explained in both: {both.equal:,} equal, "
            f"{both.better:,} better in B, {both.worse:,} worse, mean {mean}{only}"
        )

    def _show_details(self, row: RangePair | None) -> None:
        lines = []
        for side, run in zip("ab", self.runs, strict=True):
            record: ExplanationRecord | None = getattr(row, side, None)
            iou = "" if record is None else f"IoU {design.iou(iou_of(record))}   "
            lines.append(Text.assemble((f"{side.upper()}  ", "bold"), iou, _formula(record, run)))
        self.update("#details", "" if row is None else Text("\n").join(lines))

    def _open(self, row: RangePair) -> None:
        self.action_open("a" if row.a is not None else "b")

    def action_toggle_differing(self) -> None:
        self._differing = not self._differing
        self.show_rows()

    def action_open(self, side: str) -> None:
        record: ExplanationRecord | None = getattr(self.table.row, side, None)
        if record is None:
            self.warn(f"This range is not in {side.upper()}.")
            return
        pairs: Sequence[RangePair] = self.table.rows
        order = dict.fromkeys(pair.unit for pair in pairs if getattr(pair, side) is not None)
        run = self.runs["ab".index(side)]
        self.app.push_screen(UnitView(run, record.unit, list(order), record.cluster))

    def _formula_to_copy(self) -> str | None:
        pair: RangePair | None = self.table.row
        return None if pair is None else "\n".join(_formulas(pair)) or None


def _formulas(pair: RangePair) -> list[str]:
    return [each.formula for each in (pair.a, pair.b) if each is not None and each.formula]
