"""How an explanation reads: as cells of a table, on one line, and in full."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ccx_cli.store.lines import Record
from ccx_cli.tui.table import Column
from ccx_cli.tui.theme import BETTER, DOUBT, range_color

UNKNOWN = Text("-", style="dim")
METRICS = {
    "activation_coverage": "share of hits that the formula covers",
    "detection_accuracy": "share of formula pixels that are hits",
    "samples_coverage": "share of formula images where both meet",
    "explanation_coverage": "share of hit images where both meet",
    "segmentation_size": "mean share of an image in the formula",
    "activation_size": "mean share of an image in range",
    "overlap_size": "mean share of an image in both",
    "label_masking": "similarity of maps when the rest is noise",
}
MEANINGS = tuple((name.replace("_", " "), meaning) for name, meaning in METRICS.items())
# Cells that the longest metric with its meaning takes.
WIDTH_WITH_MEANINGS = 76
_OPERATORS = re.compile(r"\b(AND NOT|AND|OR|NOT)\b|[()]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def finite_number(value: object) -> float | None:
    """Return a value if it is a finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def iou_of(record: Record | None) -> float | None:
    """IoU of a record's formula, ``None`` without one."""
    return None if record is None or record["formula"] is None else float(record["iou"])


def gap_of(record: Record) -> float | None:
    """How much higher another formula could score at most, ``None`` where that is unknown."""
    bound, score = finite_number(record.get("bound")), finite_number(record.get("score"))
    return None if bound is None or score is None else max(bound - score, 0.0)


def bound_text(record: Record) -> Text:
    """Say whether a formula is proven, or how much higher another could score."""
    if record["formula"] is None:
        return UNKNOWN
    if record.get("proven") is True:
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


def record_formula(record: Record) -> Text:
    """Write a record's formula, or why it has none."""
    return formula_text(
        record["formula"], "never fires" if record["range"] is None else "no concept overlaps it"
    )


def record_line(record: Record) -> Text:
    """Write out a range and its formula, which a table cuts short."""
    if record["range"] is None:
        return Text(f"unit {record['unit']} never fires", style="dim")
    return Text.assemble(
        (f"unit {record['unit']}  ", "dim"),
        range_mark(record["cluster"], record["num_ranges"]),
        (f"  {range_text(record['range'])}   ", "dim"),
        formula_text(record["formula"]),
    )


def unit_and_cluster(record: Record) -> tuple[int, int]:
    """By what records are sorted by unit."""
    cluster = record["cluster"]
    return record["unit"], -1 if cluster is None else cluster


UNIT = Column("unit", "unit", lambda r: str(r["unit"]), 5, unit_and_cluster, right=True)
RANGE = Column(
    "range",
    "cluster",
    lambda r: range_mark(r["cluster"], r["num_ranges"]),
    6,
    lambda r: r["cluster"],
)
IOU = Column("IoU", "iou", lambda r: decimals(iou_of(r)), 6, iou_of, right=True, largest_first=True)
BOUND = Column("bound", "gap", bound_text, 6, gap_of, right=True, largest_first=True)
FORMULA = Column("formula", "formula", record_formula, 12, lambda r: r["formula"], stretch=True)
HITS = Column(
    "hits",
    "hits",
    lambda r: f"{r['hits']:,}",
    11,
    lambda r: r["hits"],
    right=True,
    min_table_width=100,
    largest_first=True,
)
ENDS = Column("activation", "range", lambda r: range_text(r["range"]), 18, min_table_width=76)


@dataclass(frozen=True, slots=True)
class RangeDescription:
    """Describes one range, in as many words as fit when it is drawn.

    Attributes
    ----------
    record
        Its line.
    shorter
        The shortest equivalent formula if it is shorter.
    metrics
        By name; ``None`` until they are known.
    waiting
        What to say until then.
    """

    record: Record
    shorter: str | None
    metrics: Mapping[str, float | None] | None
    waiting: str

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        record = self.record
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        table.add_row("as found", formula_text(record["formula"]))
        if self.shorter is not None:
            table.add_row("simplified", formula_text(self.shorter))
        if record["formula"] is not None:
            table.add_row("IoU", _iou_and_proof(record))
            for row in (*_shorter_lengths(record), *_other_formulas(record)):
                table.add_row(*row)
        if self.metrics is None:
            table.add_row("", Text(self.waiting, "dim italic"))
        for name, meaning in METRICS.items():
            if self.metrics is not None and name in self.metrics:
                text = Text(name.replace("_", " "))
                if options.max_width >= WIDTH_WITH_MEANINGS:
                    text.append(f"  {meaning}", "dim")
                table.add_row(decimals(self.metrics[name], 3), text)
        yield table


def _iou_and_proof(record: Record) -> Text:
    text = Text.assemble((decimals(float(record["iou"])), "bold"))
    bound = finite_number(record.get("bound"))
    if record.get("proven") is True:
        text.append("   proven", BETTER)
    elif bound is not None:
        text.append(f"   not proven: bound {bound:.4f}", DOUBT)
    if record.get("search") not in {None, "optimal"}:
        text.append(f"   {record['search']} search", "dim")
    return text


def _shorter_lengths(record: Record) -> list[tuple[str, Text]]:
    """Give the best formula of every smaller length."""
    rows = []
    for best in record.by_length[:-1]:
        length = f"{best.length} concept{'s' if best.length != 1 else ''}"
        rows.append((length, Text.assemble(decimals(best.iou), "  ", formula_text(best.formula))))
    return rows


def _other_formulas(record: Record) -> list[tuple[str, Text]]:
    """Give the formulas that score the same or nearly the same."""
    rows = []
    for key, title in (("tied", "tied"), ("near", "near")):
        for other in record.get(key, ()):
            text = Text.assemble(f"{decimals(other.iou)}  ", formula_text(other.formula))
            rows.append((title, text))
    return rows
