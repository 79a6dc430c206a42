"""One unit: its ranges, histogram, formulas, metrics and images, and a box to try a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Static

from ccx_cli import design
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.stability import MEASURED
from ccx_cli.runs.findings import short_text
from ccx_cli.tui.formula_box import FormulaBox
from ccx_cli.tui.gallery import Gallery, GalleryView
from ccx_cli.tui.histogram import Histogram
from ccx_cli.tui.ink import ink
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.pictures import SHOW, following
from ccx_cli.tui.record_text import (
    BOUND,
    ENDS,
    HITS,
    IOU,
    MCC,
    RANGE,
    best_of_units,
    describe_range,
    formula_column,
    iou_of,
)
from ccx_cli.tui.table import UNKNOWN, Column, Table
from ccx_cli.tui.view import LOW

if TYPE_CHECKING:
    from ccx_cli.tui.unit_data import Trial, UnitData

_DELAY = 0.1


def columns(run: OpenRun, trial: Trial | None) -> list[Column]:
    """List the columns; one more for a typed formula, which compares its IoU with the one shown."""
    found = [replace(RANGE, gives_way=False), ENDS, HITS, MCC, IOU, BOUND]

    def show(record: ExplanationRecord) -> Text:
        typed = None if trial is None else trial.ious.get(record.cluster)
        shown = iou_of(record)
        if typed is None:
            return UNKNOWN
        text = Text(design.iou(typed))
        if shown is not None:
            difference = typed - shown
            style = ink.good if difference > 5e-5 else "dim" if difference > -5e-5 else ink.bad
            text.append(f" {design.difference(difference)}", style)
        return text

    if trial is not None:
        found.append(Column("yours", "yours", show, 14, right=True))
    return [*found, formula_column(run, 12)]


class UnitView(GalleryView):
    """One unit of a run."""

    HELP_TEXT = (
        "The unit's activation ranges, from the lowest up, each with its formula. Below, for the "
        "range under the cursor: the histogram of the activations, the best formula of each "
        "length, the metrics, and images: hits in true color, the rest dimmed, a line around the "
        "formula's pixels. Formulas are the shortest of those within 1% of the best; v shows the "
        "best, with what adds less dimmed. Type a formula to see its IoU with every range, and "
        "where it holds; the right arrow accepts the name that is offered. "
        "`ccx metrics RUN --units N -f csv` writes the metrics into a file, "
        "`ccx score FORMULA` scores a formula on all units.\n\n"
        + "\n".join(f"{metric.title}: {metric.description}" for metric in MEASURED)
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", tooltip="Next unit of the list"),
        Binding("p", "turn(-1)", "Previous unit", show=False),
        Binding("f", "formula", "Formula", tooltip="Try a formula"),
        Binding("w", "show", "Which", tooltip="Which images are shown"),
        Binding("m", "masks", "Masks", tooltip="What is drawn over them"),
        Binding("v", "stored", "Stored or simplest formulas", show=False),
        Binding("enter", "enlarge", "Enlarge an image", show=False),
    ]

    def __init__(self, run: OpenRun, unit: int, order: list[int], cluster: int | None) -> None:
        super().__init__()
        self.run: OpenRun = run
        self._unit, self._order, self._cluster = unit, order, cluster
        self._data: UnitData | None = None
        self._trial: Trial | None = None
        self._show = next(iter(SHOW))
        self._waiting = ""

    def compose(self) -> ComposeResult:
        yield Static("", id="title")
        yield Static("", id="sentence")
        yield Table(
            columns(self.run, None),
            attrgetter("cluster"),
            self._select_range,
            lambda _: self.action_enlarge(),
        )
        with Horizontal(id="panes"):
            with Vertical(id="range-pane"):
                yield Histogram()
                with VerticalScroll(id="about-range", can_focus=True):
                    yield Static("", id="description")
            yield Gallery()
        yield FormulaBox(self.run, self._show_trial)
        yield Static("", id="status")
        yield Footer()

    @property
    def formula_box(self) -> FormulaBox:
        return self.query_one(FormulaBox)

    @property
    def histogram(self) -> Histogram:
        return self.query_one(Histogram)

    def on_mount(self) -> None:
        self._show_unit()
        self.formula_box.read_names()

    def on_resize(self) -> None:
        super().on_resize()
        self._show_title()
        self._describe()

    def redraw(self) -> None:
        self._show_lines()
        self.histogram.refresh()

    def _show_unit(self) -> None:
        """Show what the lines say, then read the rest."""
        self._data = None
        if self._cluster is None:
            best = best_of_units(self.run.records_of(self._unit))
            self._cluster = best[0].cluster if best else None
        self._waiting = "reading the activations ..."
        self._show_lines()
        self.histogram.show(None, (), self._waiting)
        self.gallery.show(None, "reading the images ...")
        self.formula_box.set_unit(None)
        records = self.run.records_of(self._unit)
        example = next((one.formula for one in records if one.formula), None)
        self.formula_box.show_example(example and short_text(example, self.run.short))
        unit = self._unit
        self.set_timer(_DELAY, lambda: self._read_unit(unit))

    def _show_lines(self) -> None:
        self._show_title()
        table, records = self.table, self.run.records_of(self._unit)
        table.set_columns(columns(self.run, self._trial))
        table.show(
            [record for record in records if record.range is not None],
            select=self._cluster,
            empty="This unit never fires: it has no range.",
        )
        table.styles.height = min(max(len(table.rows), 1), 7) + 1
        self._describe()

    def _show_title(self) -> None:
        run, unit = self.run, self._unit
        position = self._order.index(unit) + 1 if unit in self._order else 0
        self.update(
            "#title",
            Text.assemble(
                ("unit ", "dim"),
                (str(unit), "bold"),
                f"  {run.run.about.layer_text or '?'}",
                (f"  {position:,} of {len(self._order):,} in the list   ", "dim"),
                (run.run.called, "dim"),
            ),
        )
        sentence = run.sentence_on(unit)
        if self.app.size.height < LOW:
            sentence = f"{sentence.rstrip('.').partition(';')[0]}."
        self.update("#sentence", Text(sentence))

    def _read_unit(self, unit: int) -> None:
        run = self.run
        if unit == self._unit:
            read = partial(run.read_unit, unit)
            self.read("unit", read, self._take, self._without_data)

    def _take(self, data: UnitData | None) -> None:
        if data is None or data.images.unit != self._unit:
            return
        self._data = data
        self._waiting = ""
        self.histogram.show(data.histogram, data.images.records)
        self.formula_box.set_unit(data)
        if not data.images.records:
            self.gallery.say("no images: the unit never fires")
        self._show_lines()  # what was learned of old lines meanwhile
        self._select_range(self.table.row)
        self.show_status(Text("".join(self.run.run.notes[:1]), style="dim"))
        self.read("ahead", self._read_neighbors, lambda _: None, lambda _: None)

    def _read_neighbors(self, is_wanted: Callable[[], bool]) -> None:
        """Read the next unit of the list and the one before, and draw their images."""
        position = self._order.index(self._unit)
        for step in (1, -1):
            unit = self._order[(position + step) % len(self._order)]
            best = best_of_units(self.run.records_of(unit))
            glance = self.run.glance_at(best[0], is_wanted) if best else None
            if glance is not None and glance.pictures is not None:
                self.gallery.drawn(glance.pictures, 0, is_wanted)

    def _without_data(self, sentence: str) -> None:
        self._waiting = ""
        self.histogram.show(None, (), "no activations to show")
        self.gallery.say("no images to show")
        self._describe()
        self.show_error(sentence)

    def _select_range(self, record: ExplanationRecord | None) -> None:
        if record is None:
            return
        self._cluster = record.cluster
        self.histogram.select(self._cluster)
        self._describe()
        self._choose_pictures()

    def _describe(self) -> None:
        shown: ExplanationRecord | None = self.table.row
        if shown is None:
            self.update("#description", "")
            return
        cluster, data = shown.cluster, self._data
        metrics = None if data is None else data.metrics.get(cluster)
        narrow = self.has_class("-narrow")  # there, the description is as wide as the screen
        description = describe_range(shown, self.run, metrics, self._waiting, with_meanings=narrow)
        self.query_one("#description", Static).update(description)

    def _choose_pictures(self) -> None:
        data, cluster, show, row = self._data, self._cluster, self._show, self.table.row
        if data is not None and cluster in data.metrics:
            formula = row.tree if self._trial is None else self._trial.formula
            self.read(
                "pictures", lambda _: data.pictures(cluster, show, formula), self.gallery.show
            )

    def _show_trial(self, trial: Trial | None) -> None:
        if trial != self._trial:
            self._trial = trial
            self.table.set_columns(columns(self.run, self._trial))
            self._choose_pictures()

    def action_turn(self, units: int) -> None:
        position = (self._order.index(self._unit) + units) % len(self._order)
        self._unit, self._cluster = self._order[position], None
        self._show_unit()

    def action_formula(self) -> None:
        self.set_focus(self.formula_box.box)

    def action_show(self) -> None:
        self._show = following(self._show, SHOW)
        if not self.has_class("-images"):
            self.action_tab()
        self._choose_pictures()

    def action_stored(self) -> None:
        self.run.as_stored = not self.run.as_stored
        self._show_unit()

    def action_read_again(self) -> None:
        self.read("again", lambda _: self.run.read_again(always=True), lambda _: self._show_unit())

    def _formula_to_copy(self) -> str | None:
        return super()._formula_to_copy() if self._trial is None else self._trial.text
