"""The concepts that the formulas of a run name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from rich.text import Text

from ccx_cli import design
from ccx_cli.formulas.formula import quoted
from ccx_cli.records.studies import ConceptSummaryRecord
from ccx_cli.tui.lists import RunListView
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.preview import Reader
from ccx_cli.tui.table import UNKNOWN, Column, numbers, texts

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs


def columns(
    short: Mapping[str, str], images: Mapping[int, int] | None, waiting: Text = UNKNOWN
) -> tuple[Column, ...]:
    """List the columns: names as ``short`` has them, and the ``images`` by label number."""

    def name(row: ConceptSummaryRecord) -> str:
        return short.get(row.concept, row.concept)

    def count(row: ConceptSummaryRecord) -> int | None:
        return None if images is None else images.get(row.label, 0)

    def shown(number: int | None) -> Text | str:
        return waiting if number is None else design.count(number)

    return (
        Column(
            "concept",
            "name",
            name,
            14,
            lambda r: name(r).casefold(),
            stretch=True,
            found_by=lambda r: (r.concept, name(r)),
        ),
        texts("category", "category", lambda r: r.category or None, 9, gives_way=True),
        numbers("units", "units", design.count, 6),
        numbers("ranges", "ranges", design.count, 7),
        numbers("negated", "negated", design.count, 8, min_table_width=74),
        numbers("best IoU", "iou", design.iou, 9),
        numbers("images", "images", shown, 8, count),
    )


class ConceptsView(RunListView):
    """The concepts that the formulas of a run name."""

    HELP_TEXT = (
        "Every concept that some formula names: units and ranges whose formula asks for it, ranges "
        "whose formula excludes it (negated), and the images that contain it, those with most of "
        "it first. Enter lists the ranges that name it. `ccx summary RUN -o FILE.csv` writes these "
        "rows into FILE-concept.csv."
    )
    SORT_KEYS = ("units", "ranges", "negated", "iou", "images", "name", "category")
    FILTER = "concept or category, units>2 images>100"
    no_rows = "No formula names a concept."
    key_of = attrgetter("label")

    def __init__(self, run: OpenRun, open_concept: Callable[[str], None]) -> None:
        super().__init__([run], columns(run.short, None, Text("...", style="dim")))
        self.run: OpenRun = run
        self._open_concept = open_concept
        self._images: dict[int, int] | None = None

    def _heading(self) -> Text:
        return Text.assemble(("concepts of ", "dim"), (self.run.run.called, "bold"))

    def _read_rows(self) -> None:
        self._read_concepts({})
        learn = self.run.learn
        self.read("categories", lambda _: learn(), self._take_categories, self._without_images)

    def _read_concepts(self, categories: Mapping[int, str]) -> None:
        def read(_: object) -> list[ConceptSummaryRecord]:
            # Here, since numba takes long to import: see ``unit_data``.
            from ccx_cli.study.summary import ExplainedUnits, summarise_concepts

            return summarise_concepts(
                ExplainedUnits.of(self.run.shown.values()), defaultdict(str, categories)
            )

        self.read("rows", read, self.set_rows)

    def _take_categories(self, categories: dict[int, str]) -> None:
        self._read_concepts(categories)
        if self._images is None:
            self.show_status(Text("counting the images that contain each ...", style="dim"))

        def count(inputs: RunInputs) -> dict[int, int]:
            index = inputs.index
            return dict(zip(index.concepts.tolist(), index.images_with().tolist(), strict=True))

        run = self.run
        self.read(
            "images", lambda _: run.with_inputs(count), self._take_images, self._without_images
        )

    def _take_images(self, images: dict[int, int]) -> None:
        self._images = images
        self._show_columns()
        self.show_rows()

    def _without_images(self, sentence: str) -> None:
        self._show_columns()
        self.show_error(sentence)

    def _show_columns(self) -> None:
        self.columns = columns(self.run.short, self._images)
        self.table.set_columns(self.columns)

    def _text(self, row: ConceptSummaryRecord) -> str:
        return f"{row.concept} {row.category}"

    def _summary(self, shown: Sequence[ConceptSummaryRecord]) -> str:
        total = len(self.all_rows or ())
        return "" if self._images is None else f"{len(shown):,} of {total:,} concepts"

    def _show_details(self, row: ConceptSummaryRecord | None) -> None:
        if row is not None:
            asked = f"   asked for in {row.ranges:,} ranges of {row.units:,} units"
            excluded = f", excluded in {row.negated:,}" if row.negated else ""
            name = self.run.short.get(row.concept, row.concept)
            self.update("#details", Text.assemble((name, "bold"), (asked + excluded, "dim")))

    def _reader(self, row: ConceptSummaryRecord) -> Reader:
        return lambda _: self.run.glance_at_concept(row.label)

    def _open(self, row: ConceptSummaryRecord) -> None:
        self._open_concept(row.concept)

    def _formula_to_copy(self) -> str | None:
        row: ConceptSummaryRecord | None = self.table.row
        return None if row is None else quoted(row.concept)
