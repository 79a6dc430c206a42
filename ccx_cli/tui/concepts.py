"""The concepts that the formulas of a run name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, Static

from ccx_cli.formulas.formula import quoted
from ccx_cli.tui.asking import ConceptAsked
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.rows import CONCEPT_KEYS, ConceptRow, Sorting, concept_rows, sort_rows
from ccx_cli.tui.table import Field, Table
from ccx_cli.tui.theme import share
from ccx_cli.tui.view import View

_SORTED_BY = ("units", "ranges", "negated", "iou", "images", "name", "category")
UNKNOWN = Text("-", style="dim")


def fields(unknown: Text = UNKNOWN) -> tuple[Field, ...]:
    """List the columns; ``unknown`` stands for a number of images that is not known yet."""
    return (
        Field("concept", "name", lambda row: row.name, 14, spare=True),
        Field("category", "category", lambda row: row.category or UNKNOWN, 9),
        Field("units", "units", lambda row: f"{row.units:,}", 6, right=True),
        Field("ranges", "ranges", lambda row: f"{row.ranges:,}", 7, right=True),
        Field("negated", "negated", lambda row: f"{row.negated:,}", 8, right=True),
        Field("best IoU", "iou", lambda row: share(row.iou), 9, right=True),
        Field(
            "images",
            "images",
            lambda row: unknown if row.images is None else f"{row.images:,}",
            8,
            right=True,
        ),
    )


class ConceptsView(View):
    """The concepts that the formulas of a run name."""

    HELP_TEXT = (
        "Every concept that some formula names: units and ranges whose formula asks for it, ranges "
        "whose formula excludes it (negated), and the images that contain it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort", tooltip="Sort by the next column"),
        Binding("S", "reverse", "Turn the order round", show=False, key_display="S"),
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
        waiting = Text("...", style="dim")
        yield Table(fields(waiting), lambda row: row.number, empty="reading ...")
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
        self.read(
            "categories", lambda _: self.run.categories(), self._add_categories, refuse=self._refuse
        )

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
        self.read("images", count, self._add_images, refuse=self._refuse)

    def _refuse(self, sentence: str) -> None:
        self.query_one(Table).set_fields(fields())
        self.complain(sentence)

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
