"""How an explanation reads: as cells of a table, on one line, and in full."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import UNSET
from rich.table import Table
from rich.text import Text

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import ALL_METRICS
from ccx_cli.study.run_comparison import RangePair
from ccx_cli.tui.table import Column

UNKNOWN = Text("-", style="dim")
BETTER, WORSE, DOUBT = "#5cb343", "#e5534b", "#e0952f"
# From cold to hot, distinct on dark and on light ground.
_RANGES = ("#4c8dff", "#12a594", "#5cb343", "#e0952f", "#e5534b", "#b768d6")
_OPERATORS = re.compile(r"\b(AND NOT|AND|OR|NOT)\b|[()]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def range_color(cluster: int, num_ranges: int) -> str:
    """Color of a range by its number, the lowest cold and the highest hot."""
    if num_ranges <= 1:
        return _RANGES[4]
    if num_ranges <= 5:
        return _RANGES[round(cluster * 4 / (num_ranges - 1))]
    return _RANGES[cluster % len(_RANGES)]


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
    return Text("?", style="dim") if gap is None else Text(f"+{gap:.3f}", style=DOUBT)


def decimals(value: float | None, digits: int = 4) -> str:
    """Write an IoU or a share, ``-`` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def short_number(value: float) -> str:
    """Write an activation to three digits, large ones to their last whole one."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def range_text(ends: Sequence[float | None] | None) -> str:
    """Write a range, its open ends as infinite."""
    if ends is None:
        return "never fires"
    lower, upper = ends
    low = "-∞" if lower is None else short_number(lower)
    return f"{low} … {'∞' if upper is None else short_number(upper)}"


def range_mark(cluster: int | None, num_ranges: int) -> Text:
    """Write a range's number after a mark in its color."""
    if cluster is None:
        return UNKNOWN
    return Text.assemble(("■ ", range_color(cluster, num_ranges)), str(cluster))


def formula_text(formula: str | None, otherwise: str = "no concept overlaps it") -> Text:
    """Write a formula with its operators dimmed."""
    if formula is None:
        return Text(otherwise, style="dim italic")
    text = Text(formula)
    quoted = [match.span() for match in _QUOTED.finditer(formula)]
    for match in _OPERATORS.finditer(formula):
        if not any(start <= match.start() < stop for start, stop in quoted):
            text.stylize("dim", *match.span())
    return text


def record_formula(record: ExplanationRecord) -> Text:
    """Write a record's formula, or why it has none."""
    if record.range is None:
        return formula_text(None, "never fires")
    return formula_text(record.formula)


def record_line(record: ExplanationRecord) -> Text:
    """Write out a range and its formula, which a table cuts short."""
    if record.range is None:
        return Text(f"unit {record.unit} never fires", style="dim")
    return Text.assemble(
        (f"unit {record.unit}  ", "dim"),
        range_mark(record.cluster, record.num_ranges),
        (f"  {range_text(record.range)}   ", "dim"),
        formula_text(record.formula),
    )


def unit_and_range(row: ExplanationRecord | RangePair) -> tuple[int, int]:
    """Key of a record, by which it is sorted by unit."""
    return row.unit, -1 if row.cluster is None else row.cluster


UNIT = Column("unit", "unit", lambda r: str(r.unit), 5, unit_and_range, right=True)
RANGE = Column(
    "range", "cluster", lambda r: range_mark(r.cluster, r.num_ranges), 6, lambda r: r.cluster
)
IOU = Column("IoU", "iou", lambda r: decimals(iou_of(r)), 6, iou_of, right=True, largest_first=True)
BOUND = Column("bound", "gap", bound_text, 6, gap_of, right=True, largest_first=True)
FORMULA = Column("formula", "formula", record_formula, 12, lambda r: r.formula, stretch=True)
HITS = Column(
    "hits",
    "hits",
    lambda r: f"{r.hits:,}",
    11,
    lambda r: r.hits,
    right=True,
    min_table_width=100,
    largest_first=True,
)
ENDS = Column("activation", "range", lambda r: range_text(r.range), 18, min_table_width=76)


def describe_range(
    record: ExplanationRecord,
    shorter: str | None,
    metrics: Mapping[str, float | None] | None,
    waiting: str,
    *,
    with_meanings: bool,
) -> Table:
    """Describe one range in full.

    ``shorter`` is the shortest equivalent formula if it is shorter; ``waiting`` is what to say
    until the metrics are known, ``with_meanings`` whether there is space to say what they are.
    """
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("as found", formula_text(record.formula))
    if shorter is not None:
        table.add_row("simplified", formula_text(shorter))
    if record.formula is not None:
        table.add_row("IoU", _iou_and_proof(record))
        for step in record.by_length[:-1]:
            length = f"{step.length} concept{'s' if step.length != 1 else ''}"
            table.add_row(length, _scored(step.formula, step.iou))
        for title, others in (("tied", record.tied), ("near", record.near)):
            for other in others or ():
                table.add_row(title, _scored(other.formula, other.iou))
    if metrics is None:
        table.add_row("", Text(waiting, "dim italic"))
        return table
    for metric in ALL_METRICS:
        if metric.key in metrics and metric.key != "iou":
            text = Text(metric.title, no_wrap=True, overflow="ellipsis")
            if with_meanings:
                text.append(f"  {metric.description}", "dim")
            table.add_row(decimals(metrics[metric.key], metric.decimals), text)
    return table


def _scored(formula: str, iou: float) -> Text:
    return Text.assemble(decimals(iou), "  ", formula_text(formula))


def _iou_and_proof(record: ExplanationRecord) -> Text:
    text = Text.assemble((decimals(record.iou), "bold"))
    if record.proven is True:
        text.append("   proven", BETTER)
    elif record.bound is not UNSET:
        text.append(f"   not proven: bound {record.bound:.4f}", DOUBT)
    if record.search != "optimal":
        text.append(f"   {record.search} search", "dim")
    return text
