"""The concepts that the formulas of a run name, and one of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from ccx_cli.formulas.formula import negated_concepts, positive_concepts, quoted
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.tui.gallery import Gallery, GalleryView
from ccx_cli.tui.lists import RunListView, matches
from ccx_cli.tui.open_run import OpenRun, label_categories
from ccx_cli.tui.pictures import Overlay
from ccx_cli.tui.record_text import (
    FORMULA,
    IOU,
    RANGE,
    UNIT,
    UNKNOWN,
    decimals,
    record_line,
    unit_and_range,
)
from ccx_cli.tui.table import Column, Table
from ccx_cli.tui.unit import UnitView

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """One concept as the formulas of a run name it.

    ``units`` and ``ranges`` count formulas that ask for it, ``negated`` ranges whose formula
    excludes it; ``iou`` is the best of the former, and ``records`` are the lines that name it,
    best IoU first. ``category`` is ``""`` and ``images`` ``None`` until they are known.
    """

    number: int
    name: str
    units: int
    ranges: int
    negated: int
    iou: float | None
    records: tuple[ExplanationRecord, ...]
    category: str = ""
    images: int | None = None


def concept_rows(records: Iterable[ExplanationRecord]) -> list[ConceptRow]:
    """Gather the concepts that formulas name: of most units first."""
    naming: dict[int, list[tuple[ExplanationRecord, bool]]] = {}
    names: dict[int, str] = {}
    for record in records:
        if record.tree is not None:
            names |= record.names
            positive = set(positive_concepts(record.tree))
            for label in positive | set(negated_concepts(record.tree)):
                naming.setdefault(label, []).append((record, label in positive))
    rows = []
    for label, found in naming.items():
        asking = [record for record, is_positive in found if is_positive]
        rows.append(
            ConceptRow(
                label,
                names[label],
                len({record.unit for record in asking}),
                len(asking),
                len(found) - len(asking),
                max((record.iou for record in asking), default=None),
                tuple(sorted((record for record, _ in found), key=lambda record: -record.iou)),
            )
        )
    return sorted(rows, key=lambda row: (-row.units, -row.ranges, row.name))


def _count(key: str, width: int, waiting: Text = UNKNOWN) -> Column:
    def show(row: ConceptRow) -> Text | str:
        count = getattr(row, key)
        return waiting if count is None else f"{count:,}"

    return Column(key, key, show, width, attrgetter(key), right=True, largest_first=True)


def columns(waiting: Text = UNKNOWN) -> tuple[Column, ...]:
    """List the columns; ``waiting`` stands for a number of images that is not known yet."""
    return (
        Column("concept", "name", lambda r: r.name, 14, lambda r: r.name.casefold(), stretch=True),
        Column(
            "category", "category", lambda r: r.category or UNKNOWN, 9, lambda r: r.category or None
        ),
        _count("units", 6),
        _count("ranges", 7),
        _count("negated", 8),
        Column(
            "best IoU",
            "iou",
            lambda r: decimals(r.iou),
            9,
            lambda r: r.iou,
            right=True,
            largest_first=True,
        ),
        _count("images", 8, waiting),
    )


def images_with_concepts(inputs: RunInputs) -> dict[int, int]:
    """Count the images with each concept, by label number."""
    index = inputs.index
    return dict(zip(index.concepts.tolist(), index.images_with().tolist(), strict=True))


class ConceptsView(RunListView):
    """The concepts that the formulas of a run name."""

    HELP_TEXT = (
        "Every concept that some formula names: units and ranges whose formula asks for it, ranges "
        "whose formula excludes it (negated), and the images that contain it. "
        "`ccx summary RUN -f csv` writes these rows into a file."
    )
    SORT_KEYS = ("units", "ranges", "negated", "iou", "images", "name", "category")
    FILTERS: ClassVar = {"text": "filter: concept or category"}
    no_rows = "No formula names a concept."

    def __init__(self, run: OpenRun) -> None:
        super().__init__([run], columns(Text("...", style="dim")))
        self.run = run
        self._category_of: dict[int, str] = {}
        self._images: dict[int, int] | None = None

    def _heading(self) -> Text:
        return Text.assemble(("concepts of ", "dim"), (self.run.run.name, "bold"))

    def _key_of(self, row: ConceptRow) -> Hashable:
        return row.number

    def _read_rows(self) -> None:
        records = list(self.run.run.records)
        self.read("rows", lambda _: concept_rows(records), self.set_rows)
        self.read(
            "categories",
            lambda _: self.run.with_inputs(label_categories),
            self._take_categories,
            show_error=self._without_images,
        )

    def _take_categories(self, category_of: dict[int, str]) -> None:
        self._category_of = category_of
        self.show_rows()
        if self._images is None:
            self.show_status(Text("counting the images that contain each ...", style="dim"))
        self.read(
            "images",
            lambda _: self.run.with_inputs(images_with_concepts),
            self._take_images,
            show_error=self._without_images,
        )

    def _take_images(self, images: dict[int, int]) -> None:
        self._images = images
        self.show_rows()

    def _without_images(self, sentence: str) -> None:
        self.columns = columns()
        self.table.set_columns(self.columns)
        self.show_error(sentence)

    def _passing(self, rows: Sequence[ConceptRow]) -> list[ConceptRow]:
        images = self._images
        known = [
            replace(
                row,
                category=self._category_of.get(row.number, ""),
                images=None if images is None else images.get(row.number, 0),
            )
            for row in rows
        ]
        return [row for row in known if matches(self.typed["text"], f"{row.name} {row.category}")]

    def _summary(self, shown: Sequence[ConceptRow]) -> str:
        total = len(self.all_rows or ())
        return "" if self._images is None else f"{len(shown):,} of {total:,} concepts"

    def _open(self, row: ConceptRow) -> None:
        self.app.push_screen(ConceptView(self.run, row))

    def _formula_to_copy(self) -> str | None:
        row: ConceptRow | None = self.table.row
        return None if row is None else quoted(row.name)


CONCEPT_COLUMNS = (UNIT, replace(RANGE, width=5), IOU, FORMULA)


class ConceptView(GalleryView):
    """One concept: the ranges that name it beside the images that contain it."""

    HELP_TEXT = (
        "The ranges whose formula names the concept, the best first, and the images with most of "
        "its pixels, tinted. Enter opens the unit; a click enlarges an image. "
        "`ccx concepts --images CONCEPT -f csv` writes the images into a file."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "masks", "Mask", tooltip="Tint the concept, or show the images alone"),
        Binding("i", "enlarge", "Enlarge", tooltip="Show an image alone"),
    ]

    def __init__(self, run: OpenRun, row: ConceptRow) -> None:
        super().__init__()
        self.run, self._row = run, row

    def compose(self) -> ComposeResult:
        yield Static("", id="title")
        with Horizontal(id="panes"):
            with Vertical(id="units-pane"):
                yield Table(CONCEPT_COLUMNS, unit_and_range)
            with Vertical(id="images-pane"):
                yield Static(Text("reading the images ...", style="dim"), id="images-title")
                yield Gallery()
        yield Static("", id="details")
        yield Static("", id="status")
        yield Footer()

    def on_mount(self) -> None:
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
        self.table.show(row.records)
        self.gallery.overlay = Overlay.FORMULA
        self.read("images", lambda _: run.pictures_of_concept(row.number), self.gallery.show)

    def _show_page(self, page: Gallery.PageShown) -> None:
        if not page.total:
            return
        images = "" if self._row.images is None else f" of {self._row.images:,} images"
        self.update(
            "#images-title",
            Text.assemble(("most of it  ", "bold"), (f"{page.first}-{page.last}{images}", "dim")),
        )

    @on(Table.Moved)
    def _show_details(self, message: Table.Moved) -> None:
        self.update("#details", record_line(message.row))

    @on(Table.Opened)
    def _open(self, message: Table.Opened) -> None:
        order = list(dict.fromkeys(record.unit for record in self._row.records))
        record: ExplanationRecord = message.row
        self.app.push_screen(UnitView(self.run, record.unit, order, record.cluster))

    def action_masks(self) -> None:
        bare = self.gallery.overlay is Overlay.NONE
        self.gallery.set_overlay(Overlay.FORMULA if bare else Overlay.NONE)
