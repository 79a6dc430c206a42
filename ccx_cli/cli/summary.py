"""``ccx summary``: a run's units, concepts and categories at a glance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import SummaryOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.options import Sort
from ccx_cli.cli.output import (
    FORMULA,
    IOU,
    LIFT,
    MCC,
    RANGE,
    UNIT,
    Column,
    Record,
    Section,
    numbers,
    write_sections,
)
from ccx_cli.cli.reading import Place, common_untrained, place_of, tolerance_of
from ccx_cli.cli.stored import open_asked
from ccx_cli.design import MISSING, share
from ccx_cli.records.columns import NONE
from ccx_cli.records.explanation import TOLERANCE, ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.records.header import model_name
from ccx_cli.records.studies import UnitSummaryRecord
from ccx_cli.runs.chance import kept_chance
from ccx_cli.runs.findings import simplified, unit_sentence
from ccx_cli.runs.run import Run
from ccx_cli.study.categories import dominant_category
from ccx_cli.study.specialisation import untrained_defaults
from ccx_cli.study.summary import (
    ExplainedUnits,
    UnitCounts,
    count_units,
    summarise_categories,
    summarise_concepts,
    summarise_units,
)

SENTENCES = 12
MOST_SHOWN, SHOWN = 1000, 100
LEADING = ("cluster", "formula", "iou", "lift", "mcc", "hits", "length")


def _explained(record: Record) -> str:
    return f"{record['explained']} of {record['ranges']}" if record["ranges"] else MISSING


def _listed(record: Record) -> str:
    found = record["concepts"]
    return f"{len(found)}: {', '.join(found)}" if found else MISSING


def _common(record: Record) -> str:
    return "common" if record["common"] else ""


UNITS = (
    UNIT,
    RANGE,
    FORMULA,
    MCC,
    LIFT,
    IOU,
    Column("category", "category"),
    Column("ranges", "explained", right=True, show=_explained, spare=True),
    Column("polysemy", "polysemy", right=True, spare=True),
    Column("concepts", "concepts", show=_listed, spare=True),
)
COMMON = Column("untrained", "common", style="dim", show=_common)
OTHERS = (
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
            Column("units", "units", right=True),
            Column("share", "share", right=True, show=lambda row: share(row["share"])),
            Column("distinct formulas", "formulas", right=True),
        ),
    ),
)


def summary(options: SummaryOptions) -> None:
    """Summarize a stored run: units, concepts, categories."""
    with answering(options.out, options.messages, kinds=[section.kind for section in OTHERS]) as (
        progress,
        writer,
    ):
        asked = open_asked(options, progress)
        opened, tolerance = asked.opened, tolerance_of(options.reading)
        run = opened.with_units(asked.records).against_chance().run

        def read(unit: int) -> list[ExplanationRecord]:
            records = run.units[unit]
            return [simplified(each, tolerance) for each in records] if is_table else records

        is_table = writer.is_table
        columns = run.columns if is_table and tolerance == TOLERANCE else None
        every: dict[int, list[ExplanationRecord]] = {}
        if columns is None:
            every = {unit: read(unit) for unit in run.units}
            told = ExplainedUnits.of(chain.from_iterable(every.values()))
        else:
            told = ExplainedUnits(*columns)
        index = opened.index
        category_of = {label.number: label.category for label in index.labels}
        counts, order = count_units(told), list(run.units)
        if is_table:
            order = [order[place] for place in _places(told, counts.lead, options.reading.sort)]
        most = SHOWN if is_table and len(order) > MOST_SHOWN else None
        shown = {unit: every.get(unit) or read(unit) for unit in order[:most]}
        found: list[UnitSummaryRecord] = []
        title = "Summary" if len(shown) == len(order) else "Units shown"
        with progress.task(title, len(shown), unit="units") as task:
            for one in summarise_units(shown, index, category_of):
                found.append(one)
                task.advance()
        concepts = summarise_concepts(told, category_of)
        categories = summarise_categories(
            told, opened.dataset.categories, category_of, options.threshold
        )
        if writer.is_table:
            writer.shorten(opened.dataset.labels)
            names = writer.names
            defaults = untrained_defaults(opened.run, opened.roots.results)
            common = set()
            if defaults is not None:
                common = common_untrained(
                    chain.from_iterable(run.units[unit] for unit in shown), defaults
                )
            rows = [_row(one, shown[one.unit], names, common, category_of) for one in found]
            if len(order) > len(shown):
                progress.note(
                    f"The table has the first {len(shown):,} of {len(order):,} units, and "
                    "--format csv all of them."
                )
            first = order[:SENTENCES]
            about = opened.run.about
            network = model_name(about.model or "?")
            network += f" ({about.weights_kind})" if about.weights_kind else ""
            ranges = int(counts.explained.sum())
            marked = f", images marked {about.split}" if about.split else ""
            of = f"of {about.units:,} " if about.units is not None else ""
            writer.sentences(
                f"{about.layer_text} of {network} on {about.subset}{marked}: {len(order):,} {of}"
                f"{'unit' if (about.units or len(order)) == 1 else 'units'}, {ranges:,} ranges "
                "explained.",
                *_findings(counts, opened.run),
                "",
                "What the units respond to"
                if len(first) == len(order)
                else f"What the first {SENTENCES} of {len(order):,} units respond to",
                *(unit_sentence(unit, run.units[unit], tolerance, names) for unit in first),
                "",
            )
            units = (*UNITS, COMMON) if any(row["common"] for row in rows) else UNITS
            sections = (Section("unit", "Units", units), *OTHERS)
            concepts = [replace(one, concept=names[one.concept]) for one in concepts]
            write_sections(writer, sections, [*rows, *concepts, *categories])
        else:
            sections = (Section("unit", "", UNITS), *OTHERS)
            write_sections(writer, sections, [*found, *concepts, *categories])
            for finding in _findings(counts, opened.run):
                progress.note(finding)
        if opened.run.about.annotation is not None:
            progress.note(opened.run.about.annotation.sentence)
        progress.note(f"Next: {next_command('tui', opened.run.directory)}")


def _places(told: ExplainedUnits, lead: NDArray[np.int64], sort: Sort) -> list[int]:
    """Sort units by their leading explanation, those without one last; return their places."""
    if sort == "unit":
        return list(range(len(told)))
    values = np.full(len(told), np.nan)
    values[lead != NONE] = told[sort][lead[lead != NONE]]
    found: list[int] = np.argsort(values if sort == "length" else -values, kind="stable").tolist()
    return found


def _findings(counts: UnitCounts, run: Run) -> Iterator[str]:
    """Say in a sentence each what is found of all units together, and by chance in the run."""
    explained, unbeaten = int(counts.explained.sum()), int(counts.unbeaten.sum())
    if unbeaten:
        yield (
            f"{unbeaten:,} of {explained:,} formulas do not beat the baseline: their IoU is at "
            "most that of a formula that all labeled pixels satisfy."
        )
    dead = int((counts.ranges == 0).sum())
    if dead:
        yield f"{dead:,} of {len(counts.ranges):,} units have no range: they never fire."
    chance = kept_chance(run)
    if chance is not None:
        yield chance.sentence


def _row(
    unit: UnitSummaryRecord,
    records: Sequence[ExplanationRecord],
    names: Mapping[str, str],
    common: Collection[Place],
    category_of: Mapping[int, str],
) -> Record:
    """Return a unit's row: with its leading explanation of ``records``, and that one's category."""
    row = to_json(unit) | {"concepts": [names[name] for name in unit.concepts], "common": False}
    lead = next((each for each in records if each.cluster == unit.lead_cluster), None)
    if unit.lead_cluster is None or lead is None:
        return row | dict.fromkeys((*LEADING, "category"))
    row |= {key: getattr(lead, key) for key in LEADING}
    row["category"] = dominant_category([lead.tree] if lead.tree else [], category_of)
    row["common"] = place_of(lead) in common
    return row
