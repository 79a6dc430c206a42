"""Plots of a whole run: IoU by range, and the categories of the concepts in formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ccx_cli.errors import DamagedDataError
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.render.canvas import FAINT, INK
from ccx_cli.render.distribution import range_colors
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.study.categories import count_categories

# Distinct for color-blind readers too (Okabe and Ito); the hatches need no color at all.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")
_ROW = 0.42


def by_range(records: Sequence[ExplanationRecord]) -> dict[int, list[ExplanationRecord]]:
    """Group the records that have a formula by the number of their range, ascending."""
    groups: dict[int, list[ExplanationRecord]] = {}
    for record in records:
        if record.formula is not None and record.cluster is not None:
            groups.setdefault(record.cluster, []).append(record)
    return dict(sorted(groups.items()))


def plot_ious(title: str, records: Sequence[ExplanationRecord]) -> Figure:
    """Draw the IoUs of every range: a dot per explanation, the interquartile range, the median."""
    groups = by_range(records)
    figure, axes = _figure(title, list(groups))
    colors = range_colors(len(groups))
    for row, (own, color) in enumerate(zip(groups.values(), colors, strict=True)):
        ious = np.array([record.iou for record in own])
        jitter = np.random.default_rng(row).uniform(-0.26, 0.26, len(ious))
        axes.plot(ious, row + jitter, "o", color=color, alpha=0.75, ms=4.5, mec=INK, mew=0.3)
        low, median, high = np.quantile(ious, [0.25, 0.5, 0.75])
        axes.barh(row, high - low, 0.66, low, facecolor="none", edgecolor=INK, linewidth=1)
        axes.plot([median, median], [row - 0.33, row + 0.33], color=INK, linewidth=2.5)
        _annotate_row(axes, row, f"median {median:.4f}, n = {len(ious):,}")
    axes.set_xlabel("IoU (line: median, box: interquartile range)")
    axes.use_sticky_edges = False  # or dots at the right edge are cut off
    axes.set_xlim(left=0)
    return figure


def plot_categories(
    title: str,
    records: Sequence[ExplanationRecord],
    category_of: Mapping[int, str],
    names: Sequence[str],
) -> Figure:
    """Draw the shares of categories among the concepts in the formulas of every range.

    ``category_of`` maps label numbers to categories; ``names`` are the categories in the order
    to show them.
    """
    groups = by_range(records)
    figure, axes = _figure(title, list(groups))
    counts = [
        count_categories([record.tree for record in own if record.tree], category_of)
        for own in groups.values()
    ]
    shown = [name for name in names if any(count[name] for count in counts)]
    left = np.zeros(len(counts))
    totals = np.array([max(1, sum(count.values())) for count in counts])
    for index, name in enumerate(shown):
        shares = np.array([count[name] for count in counts]) / totals
        color = _COLORS[index % len(_COLORS)]
        bars = axes.barh(
            range(len(counts)),
            shares,
            0.72,
            left,
            color=color,
            edgecolor="white",
            linewidth=0.8,
            hatch=_HATCHES[(index + index // len(_COLORS)) % len(_HATCHES)],
            label=name,
        )
        for bar, share in zip(bars, shares, strict=True):
            if share >= 0.06:
                axes.annotate(
                    f"{share:.0%}",
                    (bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2),
                    ha="center",
                    va="center",
                    fontsize=9,
                    color=INK,
                    bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2},
                )
        left += shares
    for row, count in enumerate(counts):
        _annotate_row(axes, row, f"n = {sum(count.values()):,}")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlabel("share of the n concepts in formulas (those under NOT left out)")
    if shown:
        figure.legend(loc="outside lower center", ncols=min(len(shown), 6), frameon=False)
    return figure


def _figure(title: str, numbers: Sequence[int]) -> tuple[Figure, Axes]:
    """Return a figure with a row for every range."""
    rows = max(len(numbers), 1)
    figure = Figure(figsize=(8, 1.9 + _ROW * rows), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left", color=INK, wrap=True, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(numbers)), [f"range {number}" for number in numbers])
    axes.set_ylim(-0.6, rows - 0.4)
    if not numbers:
        axes.annotate("no formula", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT)
    return figure, axes


def _annotate_row(axes: Axes, row: int, text: str) -> None:
    axes.annotate(
        text,
        (1.01, row),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=9,
        color=FAINT,
    )


def categories_of(inputs: RunInputs, records: Sequence[ExplanationRecord]) -> dict[int, str]:
    """Return the category of every label number.

    Raises ``DamagedDataError`` if the dataset lacks a label that a formula names,
    ``MissingInputError`` if the dataset is missing.
    """
    dataset = inputs.dataset
    category_of = {label.number: label.category for label in dataset.labels}
    for number, name in names_of(records).items():
        if number not in category_of:
            raise DamagedDataError(
                f"{dataset.directory} has no label {number} ({name}), which a formula of "
                f"{inputs.run.name} names: restore the dataset that the run was made from."
            )
    return category_of
