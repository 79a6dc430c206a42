"""How an explanation reads: as cells of a table, on one line, and in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType
from rich.console import Group
from rich.table import Column as TableColumn
from rich.table import Table
from rich.text import Text

from ccx_cli import design
from ccx_cli.formulas.formula import quoted
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.stability import MEASURED
from ccx_cli.runs.findings import kept_concepts, short_text, sort_key
from ccx_cli.tui.ink import ink
from ccx_cli.tui.table import UNKNOWN, Column, numbers, texts

if TYPE_CHECKING:
    from ccx_cli.study.run_comparison import RangePair
    from ccx_cli.tui.open_run import OpenRun

_OPERATORS = re.compile(r"\b(AND NOT|AND|OR|NOT)\b|[()]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def iou_of(record: ExplanationRecord | None) -> float | None:
    """IoU of a record's formula, ``None`` without one."""
    return None if record is None or record.formula is None else record.iou


def gap_of(record: ExplanationRecord) -> float | None:
    """How much higher another formula could score at most, ``None`` where that is unknown."""
    if record.bound is UNSET or record.score is UNSET:
        return None
    return max(record.bound - record.score, 0.0)


def bound_text(record: ExplanationRecord) -> Text:
    """Say whether a formula is proven, or how much higher another could score."""
    if record.formula is None:
        return UNKNOWN
    if record.proven is True:
        return Text("proven", style="dim")
    gap = gap_of(record)
    return UNKNOWN if gap is None else Text(design.difference(gap, 3), style=ink.doubt)


def range_mark(cluster: int | None, num_ranges: int) -> Text:
    """Write a range's number after a mark in its color."""
    if cluster is None:
        return UNKNOWN
    return Text.assemble(("■ ", ink.range(cluster, num_ranges)), str(cluster))


def formula_text(
    formula: str | None,
    otherwise: str = design.NO_FORMULA,
    dimmed: Collection[str] = (),
) -> Text:
    """Write a formula with its operators dimmed, and the names that are to be ``dimmed``."""
    if formula is None:
        return Text(otherwise, style="dim italic")
    text = Text(formula)
    quotes = [match.span() for match in _QUOTED.finditer(formula)]
    for match in _OPERATORS.finditer(formula):
        if not any(start <= match.start() < stop for start, stop in quotes):
            text.stylize("dim", *match.span())
    for name in dimmed:
        for match in re.finditer(rf"(?<![\w-]){re.escape(quoted(name))}(?![\w-])", formula):
            text.stylize("dim", *match.span())
    return text


def record_formula(record: ExplanationRecord, run: OpenRun) -> Text:
    """Write a record's formula as people read it, or why it has none."""
    if record.formula is None:
        return formula_text(None, record.why_none)
    kept = kept_concepts(run.stored_one(record)) if run.as_stored else record.names
    faint = [run.short.get(name, name) for n, name in record.names.items() if n not in kept]
    return formula_text(short_text(record.formula, run.short), dimmed=faint)


def record_line(record: ExplanationRecord, run: OpenRun) -> Text:
    """Write out a range and its formula, which a table cuts short."""
    if record.range is None:
        return Text(f"unit {record.unit} never fires", style="dim")
    return Text.assemble(
        (f"unit {record.unit}  ", "dim"),
        range_mark(record.cluster, record.num_ranges),
        (f"  {design.ends(record.range)}   ", "dim"),
        record_formula(record, run),
    )


def findings(records: Sequence[ExplanationRecord], run: OpenRun) -> Table:
    """List units by their best range: how far its formula is from chance, and what it is."""
    table = Table.grid("unit", design.TITLES["mcc"], "most surprising", padding=(0, 2, 0, 0))
    table.show_header, table.header_style = True, "dim"
    for column in table.columns:
        column.no_wrap = True
    for record in records:
        mcc = design.mcc(known(record.mcc))
        table.add_row(str(record.unit), mcc, record_formula(record, run))
    return table


def best_of_units(records: Iterable[ExplanationRecord]) -> list[ExplanationRecord]:
    """Return of every unit the record of highest MCC, or IoU where no MCC is known."""
    best: dict[int, tuple[Any, int, ExplanationRecord]] = {}
    surprise = sort_key("mcc")
    for position, record in enumerate(records):
        worth = surprise(record), -(iou_of(record) or -1.0)
        if record.unit not in best or worth < best[record.unit][0]:
            best[record.unit] = worth, position, record
    return [record for _, _, record in sorted(best.values(), key=itemgetter(0, 1))]


def unit_and_range(row: ExplanationRecord | RangePair) -> tuple[int, int]:
    """Key of a record, by which it is sorted by unit."""
    return row.unit, -1 if row.cluster is None else row.cluster


def known(value: float | UnsetType | None) -> float | None:
    """Return a measure, ``None`` where a record of an older version lacks it."""
    return None if value is UNSET else value


def measure(
    key: str, written: Callable[[float | None], str], width: int = 6, **more: Any
) -> Column:
    """Make the column of a measure of records, by its key."""

    def value(record: ExplanationRecord) -> float | None:
        return None if record.formula is None else known(getattr(record, key))

    return numbers(design.TITLES[key], key, written, width, value, **more)


UNIT = Column(
    "unit", "unit", lambda r: str(r.unit), 5, unit_and_range, right=True, found_by=lambda r: r.unit
)
_range = numbers("range", "cluster", str, 5, right=False, largest_first=False, gives_way=True)
RANGE = replace(_range, show=lambda r: range_mark(r.cluster, r.num_ranges))
MCC = measure("mcc", design.mcc)
IOU = measure("iou", design.iou)
LIFT = measure("lift", design.lift, min_table_width=90)
HITS = numbers("hits", "hits", design.count, 11, min_table_width=104)
ENDS = Column("activation", "range", lambda r: design.ends(r.range), 18, min_table_width=80)
BOUND = replace(numbers("bound", "gap", str, 6, gap_of, gives_way=True), show=bound_text)


def formula_column(run: OpenRun, width: int = 14) -> Column:
    """Make the column of the formulas as people read them."""
    column = texts("formula", "formula", lambda record: record.formula, width, stretch=True)
    return replace(
        column,
        show=lambda record: record_formula(record, run),
        found_by=lambda record: spellings(record.formula or "", run),
    )


def spellings(text: str, run: OpenRun) -> tuple[str, str]:
    """Return a formula or a name as it is stored and as people read it."""
    return text, short_text(text, run.short)


def describe_range(
    record: ExplanationRecord,
    run: OpenRun,
    metrics: Mapping[str, float | None] | None,
    waiting: str,
    *,
    with_meanings: bool,
) -> Group:
    """Describe one range in full, its formula as people read it.

    ``waiting`` is what to say until the metrics are known, ``with_meanings`` whether there is space
    to say what they are.
    """
    stored = run.stored_one(record)
    table = Table.grid(TableColumn(style="dim", no_wrap=True), "", padding=(0, 2, 0, 0))
    if record.formula is not None:
        name, score = "IoU", known(record.iou)
        if record.objective is not UNSET:
            table.add_row("IoU", design.iou(record.iou))
            name, score = record.objective, known(record.score)
        table.add_row(name, Text.assemble((design.iou(score), "bold"), _proof(record)))
        if not record.by_length:
            table.add_row("as found", record_formula(record, run))
        shorter = record.by_length or ()
        scored: list[tuple[str, Any]] = [
            *((f"{one.length} concept{'s' * (one.length != 1)}", one) for one in shorter),
            *(("tied", one) for one in record.tied or ()),
            *(("near", one) for one in record.near or ()),
        ]
        for name, one in scored:
            formula = formula_text(short_text(one.formula, run.short))
            proof = Text()
            if stored.formula != record.formula and getattr(one, "length", 0) == stored.length:
                name, proof = "stored", _proof(stored)
            table.add_row(name, Text.assemble(design.iou(one.iou), "  ", formula, proof))
    measured = Table.grid(
        TableColumn(style="dim", no_wrap=True),
        TableColumn(justify="right"),
        TableColumn(style="dim"),
        padding=(0, 2, 0, 0),
    )
    if metrics is None:
        measured.add_row(Text(waiting, "italic"))
    for metric in MEASURED:
        if metrics is not None and metric.key in metrics and metric.key != "iou":
            written = design.measure(metric.key, metrics[metric.key])
            meaning = [metric.description] if with_meanings else []
            measured.add_row(metric.title, written, *meaning)
    return Group(table, measured)


def _proof(record: ExplanationRecord) -> Text:
    """Say by which search a formula was found, and whether it is proven."""
    text = Text()
    if record.proven is True:
        text.append("   proven", ink.good)
    elif record.bound is not UNSET:
        text.append(f"   not proven: bound {design.iou(record.bound)}", ink.doubt)
    if record.search != "optimal":
        text.append(f"   {record.search} search", "dim")
    return text
