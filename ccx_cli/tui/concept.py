"""One concept of a run: the ranges that name it beside the images that contain it."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from ccx_cli.store.lines import Record
from ccx_cli.tui.asking import UnitAsked
from ccx_cli.tui.drawing import Layers, PictureList, pictures_of_concept
from ccx_cli.tui.picture_view import PictureView
from ccx_cli.tui.pictures import Gallery
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.rows import ConceptRow, RangeRow
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import formula_text, range_mark, share, whole_range
from ccx_cli.tui.view import View

FIELDS = (
    Field("unit", "unit", lambda r: str(r["unit"]), 5, right=True),
    Field("range", "cluster", lambda r: range_mark(r["cluster"], r["num_ranges"]), 5),
    Field("IoU", "iou", lambda r: share(RangeRow(r, (), "").iou), 6, right=True),
    Field("formula", "formula", lambda r: formula_text(r["formula"]), 12, spare=True),
)


class ConceptView(View):
    """One concept: the ranges that name it beside the images that contain it."""

    HELP_TEXT = (
        "The ranges whose formula names the concept, the best first, and the images with most of "
        "its pixels, tinted blue. Enter opens the unit; a click enlarges an image."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "layers", "Mask", tooltip="Tint the concept, or show the images alone"),
        Binding("i", "enlarge", "Enlarge", tooltip="Show an image alone"),
        Binding("right_square_bracket", "page(1)", "More", key_display="]", tooltip="More images"),
        Binding("left_square_bracket", "page(-1)", "Images before", key_display="[", show=False),
    ]

    def __init__(self, run: OpenRun, row: ConceptRow) -> None:
        super().__init__()
        self.run, self._row = run, row

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        yield Static("", id="title")
        with Horizontal(id="panes"):
            with Vertical(id="units-pane"):
                yield Table(FIELDS, lambda record: (record["unit"], record["cluster"]))
            with Vertical(id="images-pane"):
                yield Static(Text("reading the images ...", style="dim"), id="images-title")
                yield Gallery()
        yield Static("", id="about", classes="-whole")
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The ranges."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Show the ranges, then read the images."""
        row, run = self._row, self.run
        category = f"  {row.category}" if row.category else ""
        self.query_one("#title", Static).update(
            Text.assemble(
                ("concept ", "dim"),
                (row.name, "bold"),
                (category, "dim"),
                f"   asked for in {row.ranges:,} ranges of {row.units:,} units",
                f", excluded in {row.negated:,}" if row.negated else "",
            )
        )
        self.query_one(Table).focus()
        self.query_one(Table).show(row.records)
        self.query_one(Gallery).over = Layers.FORMULA
        self.read("images", lambda _: pictures_of_concept(run, row.number), self._take)

    def _take(self, pictures: PictureList) -> None:
        self.query_one(Gallery).show(pictures)

    @on(Gallery.PageShown)
    def _say_page(self, message: Gallery.PageShown) -> None:
        if not message.total:
            return
        images = "" if self._row.images is None else f" of {self._row.images:,} images"
        self.query_one("#images-title", Static).update(
            Text.assemble(
                ("most of it  ", "bold"), (f"{message.first}-{message.last}{images}", "dim")
            )
        )

    @on(Gallery.Shown)
    def _say_trouble(self, message: Gallery.Shown) -> None:
        if message.trouble:
            self.complain(message.trouble)
        elif self.complains:
            self.say("")

    @on(Gallery.Opened)
    def _enlarge(self, message: Gallery.Opened) -> None:
        self.app.push_screen(PictureView(message.pictures, message.place, message.layers))

    @on(Table.Moved)
    def _write_out(self, message: Table.Moved) -> None:
        self.query_one("#about", Static).update(whole_range(message.row))

    @on(Table.Chosen)
    def _open(self, message: Table.Chosen) -> None:
        order = list(dict.fromkeys(record["unit"] for record in self._row.records))
        record: Record = message.row
        self.post_message(UnitAsked(self.run, record["unit"], order, record["cluster"]))

    def action_layers(self) -> None:
        """Tint the concept, or show the images as they are."""
        gallery = self.query_one(Gallery)
        plain = gallery.over is Layers.PLAIN
        gallery.draw_over(Layers.FORMULA if plain else Layers.PLAIN)

    def action_page(self, pages: int) -> None:
        """Show the next images, or, for -1, those before."""
        self.query_one(Gallery).turn(pages)

    def action_enlarge(self) -> None:
        """Show an image alone."""
        self.query_one(Gallery).open()

    def formula_to_copy(self) -> str | None:
        """The formula under the cursor."""
        record: Record | None = self.query_one(Table).row
        return None if record is None else record["formula"]

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The ranges that name the concept."""
        keys = ("unit", "cluster", "range", "hits", "formula", "iou")
        return f"{self.run.view.name}-{self._row.name}", [
            {key: record[key] for key in keys} for record in self._row.records
        ]
