"""Colours: of the application, dark and light, and of the ranges."""

from __future__ import annotations

import re

from rich.text import Text
from textual.theme import Theme

from ccx_cli.store.lines import Record

DARK = Theme(
    name="ccx-dark",
    primary="#4c8dff",
    secondary="#8fb4ff",
    accent="#ffd60a",
    warning="#ffb454",
    error="#ff6b6b",
    success="#5dd39e",
    foreground="#e3e6ec",
    background="#14161b",
    surface="#1a1d24",
    panel="#22262f",
    dark=True,
)
LIGHT = Theme(
    name="ccx-light",
    primary="#1f62d6",
    secondary="#3d6fc4",
    accent="#a15c00",
    warning="#a15c00",
    error="#c22f2f",
    success="#187a4c",
    foreground="#1d2330",
    background="#fbfbfc",
    surface="#f1f3f6",
    panel="#e4e8ee",
    dark=False,
)
BETTER, WORSE, DOUBT = "#5cb343", "#e5534b", "#e0952f"
# From cold to hot, told apart on dark and on light ground.
_RANGES = ("#4c8dff", "#12a594", "#5cb343", "#e0952f", "#e5534b", "#b768d6")
_OPERATORS = re.compile(r"\b(AND NOT|AND|OR|NOT)\b|[()]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def range_color(cluster: int, num_ranges: int) -> str:
    """Colour of a range by its number, the lowest cold and the highest hot."""
    if num_ranges <= 1:
        return _RANGES[4]
    if num_ranges <= 5:
        return _RANGES[round(cluster * 4 / (num_ranges - 1))]
    return _RANGES[cluster % len(_RANGES)]


def formula_text(formula: str | None, nothing: str = "no concept meets it") -> Text:
    """Write a formula with its operators set back behind the concepts."""
    if formula is None:
        return Text(nothing, style="dim italic")
    text = Text(formula)
    quoted = [match.span() for match in _QUOTED.finditer(formula)]
    for match in _OPERATORS.finditer(formula):
        if not any(start <= match.start() < stop for start, stop in quoted):
            text.stylize("dim", *match.span())
    return text


def range_mark(cluster: int | None, num_ranges: int) -> Text:
    """Write a range's number behind a mark in its colour."""
    if cluster is None:
        return Text("-", style="dim")
    return Text.assemble(("■ ", range_color(cluster, num_ranges)), str(cluster))


def share(value: float | None, digits: int = 4) -> str:
    """Write a share, ``-`` where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def ends(record_range: list[float | None] | None) -> str:
    """Write a range, its open ends as they are."""
    if record_range is None:
        return "never fires"
    lower, upper = record_range
    low = "-∞" if lower is None else plain(lower)
    return f"{low} … {'∞' if upper is None else plain(upper)}"


def whole_range(record: Record) -> Text:
    """Write out a range and its formula, which a list cuts short."""
    if record["range"] is None:
        return Text(f"unit {record['unit']} never fires", style="dim")
    return Text.assemble(
        (f"unit {record['unit']}  ", "dim"),
        range_mark(record["cluster"], record["num_ranges"]),
        (f"  {ends(record['range'])}   ", "dim"),
        formula_text(record["formula"]),
    )


def plain(value: float) -> str:
    """Write an activation to three digits, large ones to their last whole one."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
