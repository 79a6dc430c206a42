"""Concepts of a run: those that formulas name, which units name one, which images contain it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Input, Static

from ccx_cli.search.formula import quoted
from ccx_cli.store.lines import Record
from ccx_cli.tui.asking import ConceptAsked, UnitAsked
from ccx_cli.tui.drawing import Layers, PictureList, pictures_of_concept
from ccx_cli.tui.pictures import Gallery, PictureView
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.rows import CONCEPT_KEYS, ConceptRow, RangeRow, Sorting, concept_rows, sort_rows
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import formula_text, range_mark, share
from ccx_cli.tui.view import View


def _count(value: int | None) -> Text | str:
    return Text("...", style="dim") if value is None else f"{value:,}"


FIELDS = (
    Field("concept", "name", lambda row: row.name, 14, spare=True),
    Field("category", "category", lambda row: row.category or Text("-", style="dim"), 9),
    Field("units", "units", lambda row: _count(row.units), 6, right=True),
    Field("ranges", "ranges", lambda row: _count(row.ranges), 7, right=True),
    Field("negated", "negated", lambda row: _count(row.negated), 8, right=True),
    Field("best IoU", "iou", lambda row: share(row.iou), 9, right=True),
    Field("images", "images", lambda row: _count(row.images), 8, right=True),
)


class ConceptsView(View):
    """The concepts that the formulas of a run name."""

    HELP_TEXT = (
        "Every concept that some formula names: units and ranges whose formula asks for it, ranges "
        "whose formula excludes it (negated), and the images that contain it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
    ]

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self.run = run
        self._rows: list[ConceptRow] = []
        self._category_of: dict[int, str] = {}
        self._images: dict[int, int] | None = None
        self._text = ""
        self._sorting = Sorting("units")

    def compose(self) -> ComposeResult:
        """Lay out the view."""
        yield Static(
            Text.assemble(("concepts of ", "dim"), (self.run.view.name, "bold")), id="title"
        )
        with Horizontal(id="filters"):
            yield Input(placeholder="filter: concept or category", id="text", compact=True)
        yield Table(FIELDS, lambda row: row.number, empty="reading ...")
        yield Static("", id="state")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The list."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Gather the concepts, then their categories, then the images."""
        self.query_one(Table).focus()
        self._gather()

    def _gather(self) -> None:
        records = list(self.run.view.records)
        self.read("rows", lambda _: concept_rows(records), self._take)
        self.read("categories", lambda _: self.run.categories(), self._add_categories)

    def action_read_again(self) -> None:
        """Read the run again."""
        self.read("again", lambda _: self.run.read_again(always=True), lambda _: self._gather())

    def _take(self, rows: list[ConceptRow]) -> None:
        self._rows = rows
        self._show()

    def _add_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = category_of
        self._show()
        run = self.run

        def count(_: object) -> dict[int, int]:
            index = run.index
            return dict(zip(index.concepts.tolist(), index.images_with().tolist(), strict=True))

        self.say(Text("counting the images that contain each ...", style="dim"))
        self.read("images", count, self._add_images)

    def _add_images(self, images: dict[int, int]) -> None:
        self._images = images
        self._show()

    def _known(self, row: ConceptRow) -> ConceptRow:
        """Add what was read of the data set since."""
        images = None if self._images is None else self._images.get(row.number, 0)
        return replace(row, category=self._category_of.get(row.number, ""), images=images)

    def _show(self) -> None:
        text = self._text.strip().casefold()
        known = map(self._known, self._rows)
        rows = [r for r in known if text in r.name.casefold() or text in r.category.casefold()]
        key = CONCEPT_KEYS[self._sorting.key]
        self.query_one(Table).show(
            sort_rows(rows, key, descending=self._sorting.descending),
            by=(self._sorting.key, self._sorting.descending),
            empty="No concept passes the filter." if self._rows else "No formula names a concept.",
        )
        if self._images is not None:
            self.say(Text(f"{len(rows):,} of {len(self._rows):,} concepts", style="dim"))

    @on(Input.Changed)
    def _type(self, event: Input.Changed) -> None:
        self._text = event.value
        self._show()

    @on(Input.Submitted)
    def _typed(self) -> None:
        self.query_one(Table).focus()

    @on(Table.TitleClicked)
    def _sort_by(self, message: Table.TitleClicked) -> None:
        self._sorting = self._sorting.turned(message.key)
        self._show()

    @on(Table.Chosen)
    def _open(self, message: Table.Chosen) -> None:
        self.post_message(ConceptAsked(self.run, message.row))

    def action_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#text", Input))

    def formula_to_copy(self) -> str | None:
        """The concept under the cursor."""
        row: ConceptRow | None = self.query_one(Table).row
        return None if row is None else quoted(row.name)

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The concepts in the list."""
        return f"{self.run.view.name}-concepts", [
            {
                "concept": row.name,
                "label": row.number,
                "category": row.category or None,
                "units": row.units,
                "ranges": row.ranges,
                "negated": row.negated,
                "iou": row.iou,
                "images": row.images,
            }
            for row in self.query_one(Table).rows
        ]


class ConceptView(View):
    """One concept: the ranges that name it beside the images that contain it."""

    HELP_TEXT = (
        "The ranges whose formula names the concept, the best first, and the images with most of "
        "its pixels, tinted blue. Enter opens the unit; a click enlarges an image."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "layers", "Masks"),
        Binding("i", "enlarge", "Enlarge"),
        Binding("right_square_bracket", "page(1)", "More", key_display="]"),
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
                yield Table(
                    (
                        Field("unit", "unit", lambda r: str(r["unit"]), 5, right=True),
                        Field(
                            "range",
                            "cluster",
                            lambda r: range_mark(r["cluster"], r["num_ranges"]),
                            5,
                        ),
                        Field(
                            "IoU", "iou", lambda r: share(RangeRow(r, (), "").iou), 6, right=True
                        ),
                        Field(
                            "formula",
                            "formula",
                            lambda r: formula_text(r["formula"]),
                            12,
                            spare=True,
                        ),
                    ),
                    lambda record: (record["unit"], record["cluster"]),
                )
            with Vertical(id="images-pane"):
                yield Static(Text("reading the images ...", style="dim"), id="images-title")
                yield Gallery()
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

    @on(Gallery.Opened)
    def _enlarge(self, message: Gallery.Opened) -> None:
        self.app.push_screen(PictureView(message.pictures, message.place, message.layers))

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
