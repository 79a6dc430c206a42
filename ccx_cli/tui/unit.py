"""One unit: its ranges, histogram, formulas, metrics and images, and a box to try a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Static

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import ALL_METRICS
from ccx_cli.tui.formula_box import FormulaBox
from ccx_cli.tui.gallery import Gallery, GalleryView
from ccx_cli.tui.histogram import Histogram
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.pictures import legend
from ccx_cli.tui.record_text import (
    BETTER,
    BOUND,
    ENDS,
    FORMULA,
    HITS,
    IOU,
    RANGE,
    UNKNOWN,
    WORSE,
    decimals,
    describe_range,
    iou_of,
)
from ccx_cli.tui.table import Column, Table

if TYPE_CHECKING:
    from ccx_cli.tui.unit_data import Trial, UnitData

_DELAY = 0.1
_TABS = {"range": "Range", "images": "Images"}
# The values of ``study.unit_images.Show``, in the order in which w goes through them.
SHOW = {
    "sample": "sample above the IoU",
    "top": "most active",
    "misses": "hits without the formula",
    "false-alarms": "formula without hits",
}


def columns(trial: Trial | None) -> list[Column]:
    """List the columns; one more for a typed formula."""
    found = [replace(RANGE, width=5), ENDS, HITS, IOU, BOUND, replace(FORMULA, width=14)]
    if trial is not None:
        found.insert(-1, Column("yours", "yours", _trial_column(trial), 14, right=True))
    return found


def _trial_column(trial: Trial) -> Callable[[ExplanationRecord], Text]:
    """Write the IoU of a typed formula, and how it compares."""

    def show(record: ExplanationRecord) -> Text:
        typed, found = trial.ious.get(record.cluster), iou_of(record)
        if typed is None:
            return UNKNOWN
        text = Text(decimals(typed))
        if found is not None:
            difference = typed - found
            style = BETTER if difference > 5e-5 else "dim" if difference > -5e-5 else WORSE
            text.append(f" {difference:+.4f}", style)
        return text

    return show


class UnitView(GalleryView):
    """One unit of a run."""

    HELP_TEXT = (
        "The unit's activation ranges, from the lowest up, each with the formula that best "
        "matches its hits of those searched. Below, for the range under the cursor: the histogram "
        "of the activations, the formula as found and simplified, its metrics, and images, with "
        "the hits bright or "
        "outlined and the formula's pixels tinted. Type a formula to see its IoU with every "
        "range; the right arrow accepts the name that is offered. Enter or a click enlarges an "
        "image. `ccx metrics RUN --units N -f csv` writes the metrics into a file, "
        "`ccx score FORMULA` scores a formula on all units.\n\n"
        + "\n".join(f"{metric.title}: {metric.description}" for metric in ALL_METRICS)
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", tooltip="Next unit of the list"),
        Binding("p", "turn(-1)", "Previous unit", show=False),
        Binding("f", "formula", "Formula", tooltip="Try a formula"),
        Binding("i", "tab", "Images", tooltip="The images in place of the range, or back"),
        Binding("w", "show", "Which", tooltip="Other images: sample, top, misses, false alarms"),
        Binding("m", "masks", "Masks", tooltip="Draw both masks, one, or none over the images"),
        Binding("enter", "enlarge", "Show an image alone", show=False),
    ]

    def __init__(self, run: OpenRun, unit: int, order: list[int], cluster: int | None) -> None:
        super().__init__()
        self.run = run
        self._unit, self._order, self._cluster = unit, order, cluster
        self._records: list[ExplanationRecord] = []
        self._data: UnitData | None = None
        self._trial: Trial | None = None
        self._show = next(iter(SHOW))
        self._waiting = ""
        self._tab = "range"

    def compose(self) -> ComposeResult:
        yield Static("", id="title")
        yield Table(columns(None), lambda record: record.cluster, id="ranges")
        yield Static("", id="tabs")
        with Horizontal(id="panes"):
            with Vertical(id="range-pane"):
                yield Histogram()
                with VerticalScroll(id="about-range", can_focus=True):
                    yield Static("", id="description")
            with Vertical(id="images-pane"):
                yield Static("", id="images-title")
                yield Gallery()
        yield FormulaBox(self.run)
        yield Static("", id="status")
        yield Footer()

    @property
    def formula_box(self) -> FormulaBox:
        """Where a formula is typed."""
        return self.query_one(FormulaBox)

    @property
    def histogram(self) -> Histogram:
        """The activations."""
        return self.query_one(Histogram)

    def on_mount(self) -> None:
        self._show_tab("range")
        self._show_unit()
        self.formula_box.read_names()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what would change nothing visible."""
        narrow = self.has_class("-narrow")
        if action == "tab":
            return narrow
        if action in {"masks", "page"}:
            return not narrow or self._tab == "images"
        return True

    def on_resize(self) -> None:
        self.refresh_bindings()
        self._describe()

    def _show_unit(self) -> None:
        """Show what the lines say, then read the rest."""
        self._records = self.run.run.units.get(self._unit, [])
        if self._cluster is None:
            best = max(self._records, key=lambda record: record.iou, default=None)
            self._cluster = None if best is None else best.cluster
        self._data = None
        self._show_title()
        table = self.table
        table.set_columns(columns(None))
        table.show(
            [record for record in self._records if record.range is not None],
            select=self._cluster,
            empty="This unit never fires: it has no range.",
        )
        table.styles.height = min(max(len(table.rows), 1), 7) + 1
        self._waiting = "reading the activations ..."
        self.histogram.show(None, (), self._waiting)
        self.gallery.show(None)
        self._show_images_title("reading the images ...")
        self.formula_box.set_unit(None)
        self.formula_box.show_example(
            next((record.formula for record in self._records if record.formula), None)
        )
        self._describe()
        unit = self._unit
        self.set_timer(_DELAY, lambda: self._read_unit(unit))

    def _show_title(self) -> None:
        layer = self.run.run.about.layer or "?"
        position = self._order.index(self._unit) + 1
        self.update(
            "#title",
            Text.assemble(
                ("unit ", "dim"),
                (str(self._unit), "bold"),
                f"  {layer}",
                (f"  {position:,} of {len(self._order):,} in the list   ", "dim"),
                (self.run.run.name, "dim"),
            ),
        )

    def _read_unit(self, unit: int) -> None:
        if unit == self._unit:
            self.read(
                "unit",
                lambda is_wanted: self.run.read_unit(unit, is_wanted),
                self._take,
                show_error=self._without_data,
            )

    def _take(self, data: UnitData | None) -> None:
        if data is None or data.images.unit != self._unit:
            return
        self._data = data
        self._waiting = ""
        self.histogram.show(data.histogram, data.images.records)
        self.formula_box.set_unit(data)
        if not data.images.records:
            self._show_images_title("no images: the unit never fires")
        self._select_range(self.table.row)
        self.show_status(self._usual_status())

    def _without_data(self, sentence: str) -> None:
        self._waiting = ""
        self.histogram.show(None, (), "no activations to show")
        self._show_images_title("no images to show")
        self._describe()
        self.show_error(sentence)

    def _show_images_title(self, text: str) -> None:
        self.update("#images-title", Text(text, style="dim"))

    def _usual_status(self) -> Text:
        return Text("".join(self.run.run.notes[:1]), style="dim")

    @on(Table.Moved)
    def _move(self, message: Table.Moved) -> None:
        self._select_range(message.row)

    def _select_range(self, record: ExplanationRecord | None) -> None:
        if record is None:
            return
        self._cluster = record.cluster
        self.histogram.select(self._cluster)
        self._describe()
        self._choose_pictures()

    def _describe(self) -> None:
        record: ExplanationRecord | None = self.table.row
        if record is None:
            self.update("#description", "")
            return
        cluster, data = record.cluster, self._data
        shorter = None if data is None else data.shorter.get(cluster)
        metrics = None if data is None else data.metrics.get(cluster)
        narrow = self.has_class("-narrow")  # there, the description is as wide as the screen
        description = describe_range(record, shorter, metrics, self._waiting, with_meanings=narrow)
        self.query_one("#description", Static).update(description)

    def _choose_pictures(self) -> None:
        data, cluster, show = self._data, self._cluster, self._show
        if data is not None and cluster is not None and cluster in data.metrics:
            self.read("pictures", lambda _: data.pictures(cluster, show), self.gallery.show)

    def _show_page(self, page: Gallery.PageShown) -> None:
        if self._data is None or not self._data.images.records:
            return
        which = f"{page.first}-{page.last} of {page.total}" if page.total else "none"
        self.update(
            "#images-title",
            Text.assemble(
                (f"range {self._cluster}: ", "dim"),
                (SHOW[self._show], "bold"),
                (f"  {which}  ", "dim"),
                legend(self.gallery.overlay),
            ),
        )

    @on(Table.Opened)
    def _open(self) -> None:
        self.action_enlarge()

    @on(FormulaBox.Tried)
    def _show_trial(self, message: FormulaBox.Tried) -> None:
        self._trial = message.trial
        self.table.set_columns(columns(self._trial))

    def _show_tab(self, name: str) -> None:
        self._tab = name
        tabs = Text(" ")
        for key, title in _TABS.items():
            tabs.append(f" {title} ", "bold reverse" if key == name else "dim").append(" ")
        self.update("#tabs", tabs.append("  i changes", "dim"))
        self.set_class(name == "images", "-images")
        self.refresh_bindings()

    @on(events.Click, "#tabs")
    def action_tab(self) -> None:
        self._show_tab("images" if self._tab == "range" else "range")

    def action_turn(self, units: int) -> None:
        position = (self._order.index(self._unit) + units) % len(self._order)
        self._unit, self._cluster = self._order[position], None
        self._show_unit()

    def action_formula(self) -> None:
        self.set_focus(self.formula_box.box)

    def action_show(self) -> None:
        every = list(SHOW)
        self._show = every[(every.index(self._show) + 1) % len(every)]
        self._show_tab("images")
        self._choose_pictures()

    def action_masks(self) -> None:
        self.gallery.set_overlay(self.gallery.overlay.following)

    def action_read_again(self) -> None:
        self.read("again", lambda _: self.run.read_again(always=True), lambda _: self._show_unit())

    def _formula_to_copy(self) -> str | None:
        return super()._formula_to_copy() if self._trial is None else self._trial.text
