"""The concepts that the formulas of a run name, and one of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from ccx_cli.formulas.formula import (
    concepts_of,
    from_json,
    names_in,
    negated_concepts,
    positive_concepts,
    quoted,
)
from ccx_cli.store.lines import Record
from ccx_cli.tui.drawing import Overlay, PictureList
from ccx_cli.tui.gallery import Gallery, GalleryView
from ccx_cli.tui.lists import RunListView, Sorting
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.record_text import (
    FORMULA,
    IOU,
    RANGE,
    UNIT,
    UNKNOWN,
    decimals,
    record_line,
)
from ccx_cli.tui.table import Column, Table
from ccx_cli.tui.view import OpenConcept, OpenUnit


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """One concept as the formulas of a run name it.

    Attributes
    ----------
    number, name
        Its label.
    category
        Its own category, ``""`` where that is unknown.
    units, ranges
        Units and ranges whose formula asks for it.
    negated
        Ranges whose formula excludes it.
    iou
        Best IoU of the formulas that ask for it; ``None`` if none does.
    records
        The lines that name it, best IoU first.
    images
        Images that contain it, ``None`` until the concept index is read.
    """

    number: int
    name: str
    category: str
    units: int
    ranges: int
    negated: int
    iou: float | None
    records: tuple[Record, ...]
    images: int | None = None


def concept_rows(records: Iterable[Record]) -> list[ConceptRow]:
    """Gather the concepts that formulas name: of most units first."""
    naming: dict[int, list[tuple[Record, bool]]] = {}
    names: dict[int, str] = {}
    for record in records:
        if record["labels"] is None:
            continue
        formula = from_json(record["labels"])
        names.update(zip(concepts_of(formula), names_in(record["formula"]), strict=True))
        positive = set(positive_concepts(formula))
        for label in positive | set(negated_concepts(formula)):
            naming.setdefault(label, []).append((record, label in positive))
    rows = []
    for label, found in naming.items():
        asking = [record for record, is_positive in found if is_positive]
        rows.append(
            ConceptRow(
                label,
                names[label],
                "",
                len({record["unit"] for record in asking}),
                len(asking),
                len(found) - len(asking),
                max((float(record["iou"]) for record in asking), default=None),
                tuple(sorted((record for record, _ in found), key=lambda r: -float(r["iou"]))),
            )
        )
    return sorted(rows, key=lambda row: (-row.units, -row.ranges, row.name))


def _count(key: str, width: int, waiting: Text = UNKNOWN) -> Column:
    def value(row: ConceptRow) -> int | None:
        count: int | None = getattr(row, key)
        return count

    def show(row: ConceptRow) -> Text | str:
        count = value(row)
        return waiting if count is None else f"{count:,}"

    return Column(key, key, show, width, value, right=True, largest_first=True)


def _columns(waiting: Text = UNKNOWN) -> tuple[Column, ...]:
    """List the columns; ``waiting`` stands for a number of images that is not known yet."""
    return (
        Column("concept", "name", lambda r: r.name, 14, lambda r: r.name.casefold(), stretch=True),
        Column(
            "category", "category", lambda r: r.category or UNKNOWN, 9, lambda r: r.category or None
        ),
        _count("units", 6),
        _count("ranges", 7),
        _count("negated", 8),
        replace(IOU, title="best IoU", show=lambda r: decimals(r.iou), width=9, value=_iou),
        _count("images", 8, waiting),
    )


def _iou(row: ConceptRow) -> float | None:
    return row.iou


class ConceptsView(RunListView):
    """The concepts that the formulas of a run name."""

    HELP_TEXT = (
        "Every concept that some formula names: units and ranges whose formula asks for it, ranges "
        "whose formula excludes it (negated), and the images that contain it. "
        "`ccx summary RUN -f csv` writes these rows into a file."
    )
    COLUMNS = _columns(Text("...", style="dim"))
    SORT_KEYS = ("units", "ranges", "negated", "iou", "images", "name", "category")
    FILTERS: ClassVar = {"text": "filter: concept or category"}
    no_rows = "No formula names a concept."

    def __init__(self, run: OpenRun) -> None:
        super().__init__([run], Sorting("units"))
        self.run = run
        self._category_of: dict[int, str] = {}
        self._images: dict[int, int] | None = None

    def heading(self) -> Text:
        """The run."""
        return Text.assemble(("concepts of ", "dim"), (self.run.view.name, "bold"))

    def key_of(self, row: ConceptRow) -> Hashable:
        """Its label."""
        return row.number

    def read_rows(self) -> None:
        """Gather the concepts, then their categories, then the images."""
        records = list(self.run.view.records)
        self.read("rows", lambda _: concept_rows(records), self.set_rows)
        if self._images is None:
            self.read(
                "categories",
                lambda _: self.run.categories(),
                self._take_categories,
                show_error=self._without_images,
            )

    def _take_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = category_of
        self.show_rows()
        self.show_status(Text("counting the images that contain each ...", style="dim"))
        self.read(
            "images",
            lambda _: self.run.images_with_concepts(),
            self._take_images,
            show_error=self._without_images,
        )

    def _take_images(self, images: dict[int, int]) -> None:
        self._images = images
        self.show_rows()

    def _without_images(self, sentence: str) -> None:
        self.table.set_columns(_columns())
        self.show_error(sentence)

    def passing(self, rows: Sequence[ConceptRow]) -> list[ConceptRow]:
        """Return the rows that pass the filter, with what was read of the dataset since."""
        typed = self.typed["text"].strip().casefold()
        known = [
            replace(
                row,
                category=self._category_of.get(row.number, ""),
                images=None if self._images is None else self._images.get(row.number, 0),
            )
            for row in rows
        ]
        return [r for r in known if typed in r.name.casefold() or typed in r.category.casefold()]

    def summary(self, shown: Sequence[ConceptRow]) -> Text | None:
        """How many of the concepts are shown."""
        if self._images is None:
            return None
        return Text(f"{len(shown):,} of {len(self.all_rows or ()):,} concepts", style="dim")

    def open_row(self, row: ConceptRow) -> None:
        """Open the concept."""
        self.post_message(OpenConcept(self.run, row))

    def formula_to_copy(self) -> str | None:
        """The concept under the cursor."""
        row: ConceptRow | None = self.table.row
        return None if row is None else quoted(row.name)


class ConceptView(GalleryView):
    """One concept: the ranges that name it beside the images that contain it."""

    HELP_TEXT = (
        "The ranges whose formula names the concept, the best first, and the images with most of "
        "its pixels, tinted. Enter opens the unit; a click enlarges an image. "
        "`ccx concepts --images CONCEPT -f csv` writes the images into a file."
    )
    COLUMNS = (UNIT, replace(RANGE, width=5), IOU, FORMULA)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "masks", "Mask", tooltip="Tint the concept, or show the images alone"),
        Binding("i", "enlarge", "Enlarge", tooltip="Show an image alone"),
    ]

    def __init__(self, run: OpenRun, row: ConceptRow) -> None:
        super().__init__()
        self.run, self._row = run, row

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static("", id="title")
        with Horizontal(id="panes"):
            with Vertical(id="units-pane"):
                yield Table(self.COLUMNS, lambda record: (record["unit"], record["cluster"]))
            with Vertical(id="images-pane"):
                yield Static(Text("reading the images ...", style="dim"), id="images-title")
                yield Gallery()
        yield Static("", id="details")
        yield Static("", id="status")
        yield Footer()

    @property
    def main_widget(self) -> Table:
        """The ranges."""
        return self.query_one(Table)

    def on_mount(self) -> None:
        """Show the ranges, then read the images."""
        row, run = self._row, self.run
        self.update(
            "#title",
            Text.assemble(
                ("concept ", "dim"),
                (row.name, "bold"),
                (f"  {row.category}" if row.category else "", "dim"),
                f"   asked for in {row.ranges:,} ranges of {row.units:,} units",
                f", excluded in {row.negated:,}" if row.negated else "",
            ),
        )
        self.main_widget.focus()
        self.main_widget.show(row.records)
        self.gallery.overlay = Overlay.FORMULA
        show: Callable[[PictureList], None] = self.gallery.show
        self.read("images", lambda _: run.pictures_of_concept(row.number), show)

    @on(Gallery.PageShown)
    def _show_page(self, message: Gallery.PageShown) -> None:
        if not message.total:
            return
        images = "" if self._row.images is None else f" of {self._row.images:,} images"
        self.update(
            "#images-title",
            Text.assemble(
                ("most of it  ", "bold"), (f"{message.first}-{message.last}{images}", "dim")
            ),
        )

    @on(Table.Moved)
    def _show_details(self, message: Table.Moved) -> None:
        self.update("#details", record_line(message.row))

    @on(Table.Opened)
    def _open(self, message: Table.Opened) -> None:
        order = list(dict.fromkeys(record["unit"] for record in self._row.records))
        record: Record = message.row
        self.post_message(OpenUnit(self.run, record["unit"], order, record["cluster"]))

    def action_masks(self) -> None:
        """Tint the concept, or show the images as they are."""
        bare = self.gallery.overlay is Overlay.NONE
        self.gallery.set_overlay(Overlay.FORMULA if bare else Overlay.NONE)

    def formula_to_copy(self) -> str | None:
        """The formula under the cursor."""
        record: Record | None = self.main_widget.row
        return None if record is None else record["formula"]
