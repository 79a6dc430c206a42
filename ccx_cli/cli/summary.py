"""``ccx summary``: a run's units, concepts and categories at a glance."""

from __future__ import annotations

from ccx_cli.cli.commands.study import SummaryOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import IOU, RANGE, UNIT, Column, Record, Section, numbers, write_sections
from ccx_cli.cli.stored import open_asked
from ccx_cli.study.summary import summarise_categories, summarise_concepts, summarise_units


def _explained(record: Record) -> str:
    return f"{record['explained']} of {record['ranges']}" if record["ranges"] else "-"


def _concepts(record: Record) -> str:
    return (
        f"{len(record['concepts'])}: {', '.join(record['concepts'])}" if record["concepts"] else "-"
    )


SECTIONS = (
    Section(
        "unit",
        "Units",
        (
            UNIT,
            Column("ranges", "explained", right=True, show=_explained),
            Column("category", "category"),
            Column("polysemy", "polysemy", right=True),
            Column("best formula", "formula", style="bold"),
            RANGE,
            IOU,
            Column("baseline", "baseline", right=True),
            Column("concepts", "concepts", show=_concepts, spare=True),
        ),
    ),
    Section(
        "concept",
        "Concepts",
        (
            Column("concept", "concept", style="bold"),
            Column("category", "category"),
            *numbers("units", "ranges", "negated"),
            Column("best IoU", "iou", right=True),
        ),
    ),
    Section(
        "category",
        "Units above the threshold",
        (
            Column("category", "category"),
            Column("threshold", "threshold", right=True, decimals=2),
            *numbers("units", "share"),
            Column("distinct formulas", "formulas", right=True),
        ),
    ),
)


def summary(options: SummaryOptions) -> None:
    """Summarize a stored run: units, concepts, categories."""
    with answering(options.out, options.messages) as (progress, writer):
        asked = open_asked(options.piped, options.units, options.run, options.places, progress)
        opened, stored = asked.opened, asked.records
        index = opened.index
        category_of = {label.number: label.category for label in index.labels}
        height, width = index.mask_shape
        split = opened.run.about.split
        rows = [row for row in opened.dataset.rows if split in (None, row.split)]
        searched = len(rows) * height * width
        found = []
        with progress.task("Summary", len(stored), unit="units") as task:
            for one in summarise_units(stored, index, category_of, searched):
                found.append(one)
                task.advance()
        records = [
            *found,
            *summarise_concepts(stored, category_of),
            *summarise_categories(
                stored, opened.dataset.categories, category_of, options.threshold
            ),
        ]
        write_sections(writer, SECTIONS, records)
        if options.piped.run_name is None:
            progress.note(f"The last run: {opened.run.directory.name}.")
        explained, unbeaten = (
            sum(getattr(one, key) for one in found) for key in ("explained", "unbeaten")
        )
        if unbeaten:
            progress.note(
                f"{unbeaten:,} of {explained:,} formulas do not beat the baseline: their IoU is at "
                "most that of a formula that all labeled pixels satisfy."
            )
        dead = sum(one.ranges == 0 for one in found)
        if dead:
            progress.note(f"{dead:,} of {len(found):,} units have no range: they never fire.")
