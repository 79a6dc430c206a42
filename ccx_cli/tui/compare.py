"""Two runs side by side: every range's formula in each, and what became of the IoU."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Footer, Input, Static

from ccx_cli.store.lines import Record
from ccx_cli.study.run_comparison import RangePair
from ccx_cli.tui.asking import UnitAsked
from ccx_cli.tui.comparing import Comparison, compare, pair_rows
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.rows import Sorting
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import BETTER, WORSE, ends, formula_text, range_mark, share
from ccx_cli.tui.view import View


def _difference(pair: RangePair) -> Text:
    if pair.difference is None:
        return Text("-", style="dim")
    if not pair.difference:
        return Text(share(0.0), style="dim")
    style = BETTER if pair.difference > 0 else WORSE if pair.difference < 0 else "dim"
    return Text(f"{pair.difference:+.4f}", style)


def _ranges(pair: RangePair) -> int:
    return max(int(record["num_ranges"]) for record in (pair.a, pair.b) if record is not None)


def _same(pair: RangePair) -> Text:
    return Text("=" if pair.equal else "≠" if pair.equal is False else "", style="dim")


def _formula(record: Record | None) -> Text:
    if record is None:
        return Text("not in this run", style="dim italic")
    nothing = "never fires" if record["range"] is None else "no concept meets it"
    return formula_text(record["formula"], nothing)


FIELDS = (
    Field("unit", "unit", lambda pair: str(pair.unit), 5, right=True),
    Field("range", "cluster", lambda pair: range_mark(pair.cluster, _ranges(pair)), 6),
    Field("IoU A", "iou_a", lambda pair: share(pair.ious[0]), 7, right=True, least=100),
    Field("IoU B", "iou_b", lambda pair: share(pair.ious[1]), 7, right=True, least=100),
    Field("B - A", "difference", _difference, 8, right=True),
    Field("formula in A", "formula_a", lambda pair: _formula(pair.a), 12, spare=True),
    Field("", "equal", _same, 1),
    Field("formula in B", "formula_b", lambda pair: _formula(pair.b), 12, spare=True),
)


_SORTED_BY = ("size", "unit", "iou_a", "iou_b", "formula_a", "formula_b")


class CompareView(View):
    """The ranges of two runs, matched by unit and number."""

    HELP_TEXT = (
        "The same unit and range in two runs, those whose IoU differs most first. = marks formulas "
        "that are logically equivalent. The range under the cursor is written out below."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("d", "toggle_differing", "All/differing", tooltip="All formulas, or the differing"),
        Binding("a", "open('a')", "Unit in A", tooltip="Open the unit in run A"),
        Binding("b", "open('b')", "Unit in B", tooltip="Open the unit in run B"),
        Binding("s", "sort", "Sort by the next column", show=False),
        Binding("S", "reverse", "Turn the order round", show=False, key_display="S"),
    ]

    def __init__(self, a: OpenRun, b: OpenRun) -> None:
        super().__init__()
        self._a, self._b = a, b
        self._comparison: Comparison | None = None
        self._text = ""
        self._differing = False
        self._sorting = Sorting("size")

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        yield Static(
            Text.assemble(("A ", "bold"), self._a.view.name, ("\nB ", "bold"), self._b.view.name),
            id="title",
            classes="-two",
        )
        with Horizontal(id="filters"):
            yield Input(placeholder="filter: unit or part of a formula", id="text", compact=True)
        yield Table(FIELDS, lambda pair: (pair.unit, pair.cluster), empty="comparing ...")
        with Horizontal(id="sides"):
            for side in "ab":
                with VerticalScroll(can_focus=False):
                    yield Static("", id=f"side-{side}")
        yield Static("", id="notes")
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The list."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Compare."""
        self.query_one(Table).focus()
        self._compare()

    def _compare(self) -> None:
        a, b = self._a.view, self._b.view
        self.read("compare", lambda _: compare(a, b), self._take)

    def action_read_again(self) -> None:
        """Read both runs again."""

        def read(_: object) -> None:
            self._a.read_again(always=True)
            self._b.read_again(always=True)

        self.read("again", read, lambda _: self._compare())

    def _take(self, comparison: Comparison) -> None:
        self._comparison = comparison
        notes = self.query_one("#notes", Static)
        notes.update(Text("The runs differ in " + "; ".join(comparison.notes) + "."))
        notes.display = bool(comparison.notes)
        self._show()

    def _show(self) -> None:
        if self._comparison is None:
            return
        pairs = self._comparison.select(self._text, self._sorting, differing=self._differing)
        self.query_one(Table).show(
            pairs,
            by=(self._sorting.key, self._sorting.descending),
            empty="No range passes the filter.",
        )
        if not pairs:
            for side in "ab":
                self.query_one(f"#side-{side}", Static).update("")
        told = self._comparison.tally
        mean = "-" if told.mean_difference is None else f"{told.mean_difference:+.4f}"
        only = "".join(
            f", {count:,} only in {side}"
            for side, count in (("A", told.only_a), ("B", told.only_b))
            if count
        )
        self.say(
            Text(
                f"{len(pairs):,} shown; {told.ranges:,} explained in both: {told.equal:,} equal, "
                f"{told.better:,} better in B, {told.worse:,} worse, mean {mean}{only}",
                style="dim",
            )
        )

    @on(Table.Moved)
    def _write_out(self, message: Table.Moved) -> None:
        pair: RangePair = message.row
        for side, record in (("a", pair.a), ("b", pair.b)):
            text = Text.assemble((side.upper(), "bold"), "  ")
            if record is not None:
                iou = None if record["formula"] is None else float(record["iou"])
                text.append(
                    f"IoU {share(iou)}   {ends(record['range'])}   {record['hits']:,} pixels", "dim"
                )
            text.append("\n").append_text(_formula(record))
            self.query_one(f"#side-{side}", Static).update(text)

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        self._text = event.value
        self._show()

    @on(Input.Submitted)
    def _typed(self) -> None:
        self.query_one(Table).focus()

    @on(Table.TitleClicked)
    def _sort_by(self, message: Table.TitleClicked) -> None:
        key = "size" if message.key == "difference" else message.key
        if key == "size" == self._sorting.key:
            key = "difference"
        self._sorting = self._sorting.turned(key)
        self._show()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._sorting = self._sorting.by_next(_SORTED_BY)
        self._show()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._sorting = self._sorting.turned(self._sorting.key)
        self._show()

    def action_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#text", Input))

    def action_toggle_differing(self) -> None:
        """Leave out the ranges whose formulas are equal, or show all."""
        self._differing = not self._differing
        self._show()

    @on(Table.Chosen)
    def _choose(self, message: Table.Chosen) -> None:
        self.action_open("a" if message.row.a is not None else "b")

    def action_open(self, side: str) -> None:
        """Show the unit under the cursor in one of the runs."""
        pair: RangePair | None = self.query_one(Table).row
        record = None if pair is None else getattr(pair, side)
        if record is None:
            self.notify(f"This range is not in {side.upper()}.", severity="warning", markup=False)
            return
        run = self._a if side == "a" else self._b
        pairs: list[RangePair] = list(self.query_one(Table).rows)
        order = [each.unit for each in pairs if getattr(each, side) is not None]
        self.post_message(
            UnitAsked(run, record["unit"], list(dict.fromkeys(order)), record["cluster"])
        )

    def formula_to_copy(self) -> str | None:
        """Both formulas under the cursor."""
        pair: RangePair | None = self.query_one(Table).row
        if pair is None:
            return None
        found = [r["formula"] for r in (pair.a, pair.b) if r is not None and r["formula"]]
        return "\n".join(found) or None

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The ranges in the list."""
        name = f"{self._a.view.name}-against-{self._b.view.name}"
        return name, pair_rows(self.query_one(Table).rows)
