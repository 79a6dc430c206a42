"""One unit: its ranges, histogram, formulas, metrics and images, and a box to try a formula."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Footer, Input, Static

from ccx_cli.printable import printable
from ccx_cli.store.lines import Record
from ccx_cli.tui.drawing import CHOICES, PictureList, legend, pictures_of_range
from ccx_cli.tui.formula_box import FormulaBox
from ccx_cli.tui.histogram import Histogram
from ccx_cli.tui.looking import Trial, UnitLook
from ccx_cli.tui.pictures import Gallery
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.table import Table
from ccx_cli.tui.terminal_graphics import has_graphics
from ccx_cli.tui.unit_ranges import range_fields, range_rows
from ccx_cli.tui.unit_text import MEANINGS, RangeDescription
from ccx_cli.tui.view import View

_PAUSE = 0.1
_TABS = {"range": "Range", "images": "Images"}


class UnitView(View):
    """One unit of a run."""

    HELP_TEXT = (
        "The unit's ranges of activation, from the lowest up, each with the formula that covers "
        "its pixels best. Below, for the range under the cursor: the histogram of the "
        "activations, the formula as found and simplified, its metrics, and images, with the "
        "pixels in range bright or outlined and those of the formula tinted. Type a formula to "
        "see its IoU with every range; the right arrow takes the name that is offered. Enter or "
        "a click enlarges an image.\n\n" + "\n".join(f"{name}: {what}" for name, what in MEANINGS)
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "turn(1)", "Next", tooltip="Next unit of the list"),
        Binding("p", "turn(-1)", "Unit before", show=False),
        Binding("f", "formula", "Formula", tooltip="Try a formula"),
        Binding("i", "tab", "Images", tooltip="The images in place of the range, or back"),
        Binding("w", "choice", "Which", tooltip="Other images: sample, top, misses, false alarms"),
        Binding("m", "layers", "Masks", tooltip="Draw both masks, one, or none over the images"),
        Binding("right_square_bracket", "page(1)", "More", key_display="]", tooltip="More images"),
        Binding("left_square_bracket", "page(-1)", "Images before", key_display="[", show=False),
        Binding("enter", "enlarge", "Show an image alone", show=False),
    ]

    def __init__(self, run: OpenRun, unit: int, order: list[int], cluster: int | None) -> None:
        super().__init__()
        self.run = run
        self._unit, self._order, self._cluster = unit, order, cluster
        self._records: list[Record] = []
        self._look: UnitLook | None = None
        self._trial: Trial | None = None
        self._choice = next(iter(CHOICES))
        self._reading = ""
        self._shown = "range"

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        yield Static("", id="title")
        yield Table(range_fields(None, None), lambda record: record["cluster"], name="ranges")
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
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The ranges."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Show the unit."""
        self.query_one(Table).focus()
        self._show_tab("range")
        self._show_unit()
        self.query_one(FormulaBox).suggest()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what would change nothing in sight."""
        narrow = self.has_class("-narrow")
        if action == "tab":
            return narrow
        if action in {"layers", "page"}:
            return not narrow or self._shown == "images"
        return True

    def on_resize(self) -> None:
        """Offer the keys that do something at this width."""
        self.refresh_bindings()

    def _show_unit(self) -> None:
        """Show what the lines say, then read the rest."""
        self._records = self.run.view.units.get(self._unit, [])
        if self._cluster is None:
            best = max(self._records, key=lambda record: float(record["iou"]), default=None)
            self._cluster = None if best is None else best["cluster"]
        self._look = None
        self._say_title()
        table = self.query_one(Table)
        table.set_fields(range_fields(None, self._trial))
        table.show(
            [record for record in self._records if record["range"] is not None],
            keep=self._cluster,
            empty="This unit never fires: it has no range.",
        )
        table.styles.height = min(max(len(table.rows), 1), 7) + 1
        self.query_one(Histogram).show(None, (), "reading the activations ...")
        self._reading = "reading the activations ..."
        self.query_one(Gallery).show(None)
        self._say_of_images("reading the images ...")
        box = self.query_one(FormulaBox)
        box.ask_about(lambda: self._look)
        box.give_example(next((r["formula"] for r in self._records if r["formula"]), None))
        self._describe()
        unit = self._unit
        self.set_timer(_PAUSE, lambda: self._read_unit(unit))

    def _say_title(self) -> None:
        about = self.run.view.about
        place = self._order.index(self._unit) + 1
        self.query_one("#title", Static).update(
            Text.assemble(
                ("unit ", "dim"),
                (str(self._unit), "bold"),
                f"  {printable(str(about.get('layer', '?')))}",
                (f"  {place:,} of {len(self._order):,} in the list   {self.run.view.name}", "dim"),
            )
        )

    def _read_unit(self, unit: int) -> None:
        if unit != self._unit:
            return
        self.read(
            "unit", lambda wanted: self.run.look(unit, wanted), self._take, refuse=self._refuse
        )

    def _take(self, look: UnitLook | None) -> None:
        if look is None or look.images.unit != self._unit:
            return
        self._look = look
        self._reading = ""
        self.query_one(Histogram).show(look.histogram, look.images.records)
        self.query_one(FormulaBox).ask_about(lambda: self._look)
        if not look.images.records:
            self._say_of_images("no images: the unit never fires")
        self._choose_range(self.query_one(Table).row)
        self.say(self._note())

    def _say_of_images(self, text: str) -> None:
        self.query_one("#images-title", Static).update(Text(text, style="dim"))

    def _note(self) -> Text:
        """What is to be said of the run while nothing is wrong."""
        return Text("".join(self.run.view.notes[:1]), style="dim")

    def _refuse(self, sentence: str) -> None:
        self._reading = ""
        self.query_one(Histogram).show(None, (), "no activations to show")
        self._say_of_images("no images to show")
        self._describe()
        self.complain(sentence)

    @on(Table.Moved)
    def _move(self, message: Table.Moved) -> None:
        self._choose_range(message.row)

    def _choose_range(self, record: Record | None) -> None:
        if record is None:
            return
        self._cluster = record["cluster"]
        self.query_one(Histogram).choose(self._cluster)
        self._describe()
        self._choose_pictures()

    def _place(self) -> int | None:
        """Return the place of the chosen range among those that were counted."""
        if self._look is None:
            return None
        return self._look.place_of(self._cluster)

    def _describe(self) -> None:
        record = self.query_one(Table).row
        description = self.query_one("#description", Static)
        if record is None:
            description.update("")
            return
        place = self._place()
        known = self._look is not None and place is not None
        description.update(
            RangeDescription(
                record,
                self._look.shorter[place] if known else None,  # type: ignore[union-attr,index]
                self._look.metrics[place] if known else None,  # type: ignore[union-attr,index]
                self._reading,
            )
        )

    def _choose_pictures(self) -> None:
        look, place, choice, run = self._look, self._place(), self._choice, self.run
        if look is None or place is None:
            return
        self.read(
            "pictures",
            lambda _: pictures_of_range(run, look, place, choice),
            self._show_pictures,
        )

    def _show_pictures(self, pictures: PictureList) -> None:
        self.query_one(Gallery).show(pictures)

    @on(Gallery.PageShown)
    def _say_page(self, message: Gallery.PageShown) -> None:
        if self._look is None or not self._look.images.records:
            return
        gallery = self.query_one(Gallery)
        which = f"{message.first}-{message.last} of {message.total}" if message.total else "none"
        self.query_one("#images-title", Static).update(
            Text.assemble(
                (f"range {self._cluster}: ", "dim"),
                (CHOICES[self._choice], "bold"),
                (f"  {which}  ", "dim"),
                legend(gallery.over, has_graphics()),
            )
        )

    @on(Gallery.Shown)
    def _say_trouble(self, message: Gallery.Shown) -> None:
        if message.trouble:
            self.complain(message.trouble)
        elif self.complains:
            self.say(self._note())

    @on(Gallery.Opened)
    def _enlarge(self, message: Gallery.Opened) -> None:
        from ccx_cli.tui.picture_view import PictureView

        self.app.push_screen(PictureView(message.pictures, message.place, message.layers))

    @on(Table.Chosen)
    def _choose(self) -> None:
        self.action_enlarge()

    @on(FormulaBox.Tried)
    def _try(self, message: FormulaBox.Tried) -> None:
        self._trial = message.trial
        self.query_one(Table).set_fields(range_fields(self._look, self._trial))

    def _show_tab(self, name: str) -> None:
        self._shown = name
        tabs = Text(" ")
        for key, title in _TABS.items():
            style = "bold reverse" if key == name else "dim"
            tabs.append_text(Text(f" {title} ", style=f"{style}")).append(" ")
        tabs.append("  i changes", "dim")
        self.query_one("#tabs", Static).update(tabs)
        self.set_class(name == "images", "-images")
        self.refresh_bindings()

    def action_tab(self) -> None:
        """Show the images where the range was, or the other way round."""
        self._show_tab("images" if self._shown == "range" else "range")

    @on(events.Click, "#tabs")
    def _click_tab(self) -> None:
        self.action_tab()

    def action_turn(self, units: int) -> None:
        """Show the next unit of the list, or, for -1, the one before."""
        place = (self._order.index(self._unit) + units) % len(self._order)
        self._unit, self._cluster = self._order[place], None
        self._show_unit()

    def action_formula(self) -> None:
        """Go to the box for a formula."""
        self.set_focus(self.query_one("#formula", Input))

    def action_choice(self) -> None:
        """Show other images of the range."""
        choices = list(CHOICES)
        self._choice = choices[(choices.index(self._choice) + 1) % len(choices)]
        self._show_tab("images")
        self._choose_pictures()

    def action_layers(self) -> None:
        """Draw something else over the images."""
        gallery = self.query_one(Gallery)
        gallery.draw_over(gallery.over.following)

    def action_page(self, pages: int) -> None:
        """Show the next images, or, for -1, those before."""
        self.query_one(Gallery).turn(pages)

    def action_enlarge(self) -> None:
        """Show an image alone."""
        self.query_one(Gallery).open()

    def action_read_again(self) -> None:
        """Read the run and the unit again."""
        self.read("again", lambda _: self.run.read_again(always=True), lambda _: self._show_unit())

    def formula_to_copy(self) -> str | None:
        """The formula that was typed, or that of the range under the cursor."""
        if self._trial is not None:
            return self._trial.text
        record: Record | None = self.query_one(Table).row
        return None if record is None else record["formula"]

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The ranges with their metrics, and what was typed."""
        rows = range_rows(self.query_one(Table).rows, self._look, self._trial)
        return f"{self.run.view.name}-unit-{self._unit}", rows
