"""Two runs side by side: the formula of every range in each, and the difference of the IoU."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from ccx_cli.printable import printable
from ccx_cli.runs.stored import StoredRun
from ccx_cli.runs.viewed import ViewedRun
from ccx_cli.store.lines import Record
from ccx_cli.study.run_comparison import RangePair, Tally, compare_runs, tally
from ccx_cli.tui.lists import RunListView, Sorting, matches
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.record_text import (
    UNKNOWN,
    decimals,
    formula_text,
    iou_of,
    range_mark,
    range_text,
    record_formula,
)
from ccx_cli.tui.table import Column
from ccx_cli.tui.theme import BETTER, WORSE
from ccx_cli.tui.view import OpenUnit


@dataclass(frozen=True)
class Comparison:
    """What two runs say of the same ranges.

    Attributes
    ----------
    pairs
        By unit and cluster.
    tally
        Their summary.
    notes
        What the runs do not share.
    """

    pairs: tuple[RangePair, ...]
    tally: Tally
    notes: tuple[str, ...]


def compare(a: ViewedRun, b: ViewedRun) -> Comparison:
    """Match the ranges of two runs by unit and cluster."""
    pairs = tuple(compare_runs(_stored(a), _stored(b)))
    notes = []
    for key in ("model", "pretrained", "layer", "subset", "num_clusters"):
        if a.about.get(key) != b.about.get(key):
            values = [printable(str(run.about.get(key) or "?")) for run in (a, b)]
            warning = ": units are matched by number only" if key in {"model", "layer"} else ""
            notes.append(f"{key.replace('_', ' ')}: {values[0]} and {values[1]}{warning}")
    if a.identity.get("search") != b.identity.get("search"):
        names = [_search_name(run) for run in (a, b)]
        same = "the settings of the search"
        notes.append(same if names[0] == names[1] else f"search: {names[0]} and {names[1]}")
    return Comparison(pairs, tally(pairs), tuple(notes))


def _search_name(view: ViewedRun) -> str:
    return printable(str(view.identity.search.name or "?"))


def _stored(view: ViewedRun) -> StoredRun:
    return view


def _formula(record: Record | None) -> str | None:
    return None if record is None else record["formula"]


def _show_formula(record: Record | None) -> Text:
    return formula_text(None, "not in this run") if record is None else record_formula(record)


def _difference(pair: RangePair) -> Text:
    difference = pair.difference
    if difference is None:
        return UNKNOWN
    if not difference:
        return Text(decimals(0.0), style="dim")
    return Text(f"{difference:+.4f}", BETTER if difference > 0 else WORSE)


def _num_ranges(pair: RangePair) -> int:
    return max(int(record["num_ranges"]) for record in (pair.a, pair.b) if record is not None)


def _iou_column(title: str, key: str, value: Callable[[RangePair], float | None]) -> Column:
    return Column(
        title,
        key,
        lambda pair: decimals(value(pair)),
        7,
        value,
        right=True,
        min_table_width=100,
        largest_first=True,
    )


class CompareView(RunListView):
    """The ranges of two runs, matched by unit and number."""

    HELP_TEXT = (
        "The same unit and range in two runs, those whose IoU differs most first. = marks formulas "
        "that are logically equivalent. The range under the cursor is written out below. "
        "`ccx compare runs A B --per range -f csv` writes these rows into a file."
    )
    COLUMNS = (
        Column(
            "unit",
            "unit",
            lambda pair: str(pair.unit),
            5,
            lambda pair: (pair.unit, -1 if pair.cluster is None else pair.cluster),
            right=True,
        ),
        Column(
            "range",
            "cluster",
            lambda pair: range_mark(pair.cluster, _num_ranges(pair)),
            6,
            lambda pair: pair.cluster,
        ),
        _iou_column("IoU A", "iou_a", lambda pair: pair.ious[0]),
        _iou_column("IoU B", "iou_b", lambda pair: pair.ious[1]),
        Column("B - A", "difference", _difference, 8, lambda pair: pair.difference, right=True),
        Column(
            "formula in A",
            "formula_a",
            lambda pair: _show_formula(pair.a),
            12,
            lambda pair: _formula(pair.a),
            stretch=True,
        ),
        Column(
            "",
            "equal",
            lambda pair: Text({True: "=", False: "≠"}.get(pair.equal, ""), style="dim"),
            1,
            lambda pair: pair.equal,
        ),
        Column(
            "formula in B",
            "formula_b",
            lambda pair: _show_formula(pair.b),
            12,
            lambda pair: _formula(pair.b),
            stretch=True,
        ),
    )
    SORT_ONLY = (
        Column(
            "",
            "size",
            _difference,
            0,
            lambda pair: None if pair.difference is None else abs(pair.difference),
            largest_first=True,
        ),
    )
    SORT_KEYS = ("size", "unit", "iou_a", "iou_b", "difference", "formula_a", "formula_b")
    FILTERS: ClassVar = {"text": "filter: unit or part of a formula"}
    no_rows = "Neither run has a line."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "toggle_differing", "All/differing", tooltip="All formulas, or the differing"),
        Binding("a", "open('a')", "Unit in A", tooltip="Open the unit in run A"),
        Binding("b", "open('b')", "Unit in B", tooltip="Open the unit in run B"),
    ]

    def __init__(self, a: OpenRun, b: OpenRun) -> None:
        super().__init__([a, b], Sorting("size"))
        self._comparison: Comparison | None = None
        self._differing = False

    def heading(self) -> Text:
        """Both runs."""
        a, b = (run.view.name for run in self.runs)
        return Text.assemble(("A ", "bold"), a, ("\nB ", "bold"), b)

    def key_of(self, row: RangePair) -> Hashable:
        """Unit and range."""
        return row.unit, row.cluster

    def detail_widgets(self) -> Iterable[Widget]:
        """The range in either run."""
        sides = (VerticalScroll(Static("", id=f"side-{side}"), can_focus=False) for side in "ab")
        yield Horizontal(*sides, id="sides")

    def read_rows(self) -> None:
        """Compare the runs as they were last read."""
        a, b = (run.view for run in self.runs)
        self.read("compare", lambda _: compare(a, b), self._take)

    def _take(self, comparison: Comparison) -> None:
        self._comparison = comparison
        notes = comparison.notes
        self.show_notes(["The runs differ in " + "; ".join(notes) + "."] if notes else [])
        self.set_rows(comparison.pairs)

    def passing(self, rows: Sequence[RangePair]) -> list[RangePair]:
        """Return the pairs whose unit or formulas pass the filter."""
        return [
            pair
            for pair in rows
            if not (self._differing and pair.equal)
            and matches(
                self.typed["text"],
                f"{_formula(pair.a) or ''} {_formula(pair.b) or ''}",
                pair.unit,
            )
        ]

    def summary(self, shown: Sequence[RangePair]) -> Text:
        """The tally of all ranges."""
        assert self._comparison is not None
        tally = self._comparison.tally
        mean = "-" if tally.mean_difference is None else f"{tally.mean_difference:+.4f}"
        only = "".join(
            f", {count:,} only in {side}"
            for side, count in (("A", tally.only_a), ("B", tally.only_b))
            if count
        )
        return Text(
            f"{len(shown):,} shown; {tally.ranges:,} explained in both: {tally.equal:,} equal, "
            f"{tally.better:,} better in B, {tally.worse:,} worse, mean {mean}{only}",
            style="dim",
        )

    def show_details(self, row: RangePair | None) -> None:
        """Write out the range in either run."""
        for side in "ab":
            record: Record | None = getattr(row, side, None)
            text = Text.assemble((side.upper(), "bold"), "  ")
            if record is not None:
                iou, ends = decimals(iou_of(record)), range_text(record["range"])
                text.append(f"IoU {iou}   {ends}   {record['hits']:,} hits", "dim")
            text.append("\n").append_text(_show_formula(record))
            self.update(f"#side-{side}", "" if row is None else text)

    def open_row(self, row: RangePair) -> None:
        """Open the unit in A, if it is there."""
        self.action_open("a" if row.a is not None else "b")

    def action_toggle_differing(self) -> None:
        """Leave out the ranges whose formulas are equal, or show all."""
        self._differing = not self._differing
        self.show_rows()

    def action_open(self, side: str) -> None:
        """Open the unit under the cursor in one of the runs."""
        record: Record | None = getattr(self.table.row, side, None)
        if record is None:
            self.warn(f"This range is not in {side.upper()}.")
            return
        pairs: Sequence[Any] = self.table.rows
        order = dict.fromkeys(pair.unit for pair in pairs if getattr(pair, side) is not None)
        run = self.runs["ab".index(side)]
        self.post_message(OpenUnit(run, record["unit"], list(order), record["cluster"]))

    def formula_to_copy(self) -> str | None:
        """Both formulas under the cursor."""
        pair: RangePair | None = self.table.row
        formulas = () if pair is None else (_formula(pair.a), _formula(pair.b))
        return "\n".join(filter(None, formulas)) or None
