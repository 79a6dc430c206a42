"""Plots of a whole run: IoU by cluster, and the categories that the formulas ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ccx_cli.errors import DamagedDataError
from ccx_cli.render.canvas import FAINT, INK
from ccx_cli.render.distribution import range_colors
from ccx_cli.runs.stored import formula_of, names_of
from ccx_cli.store.lines import Record
from ccx_cli.study.categories import count_categories

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ccx_cli.runs.viewed import ViewedRun

# Told apart by colour-blind readers too (Okabe and Ito); the hatches need no colour at all.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++")
_ROW = 0.42


def by_cluster(records: Sequence[Record]) -> dict[int, list[Record]]:
    """Sort the records that have a formula by their range's number, ascending."""
    explained = [record for record in records if record["formula"] is not None]
    clusters = sorted({record["cluster"] for record in explained})
    return {
        cluster: [record for record in explained if record["cluster"] == cluster]
        for cluster in clusters
    }


def plot_ious(title: str, records: Sequence[Record]) -> Figure:
    """Draw the IoUs of every cluster: a dot an explanation, a box for the middle half, the median.

    Parameters
    ----------
    title
        Stands above it.
    records
        Of any units.
    """
    clusters = by_cluster(records)
    figure, axes = _figure(title, len(clusters))
    colors = range_colors(len(clusters))
    for place, (own, color) in enumerate(zip(clusters.values(), colors, strict=True)):
        ious = np.array([record["iou"] for record in own])
        spread = np.random.default_rng(place).uniform(-0.26, 0.26, len(ious))
        axes.plot(ious, place + spread, "o", color=color, alpha=0.75, ms=4.5, mec=INK, mew=0.3)
        low, median, high = np.quantile(ious, [0.25, 0.5, 0.75])
        axes.barh(place, high - low, 0.66, low, facecolor="none", edgecolor=INK, linewidth=1)
        axes.plot([median, median], [place - 0.33, place + 0.33], color=INK, linewidth=2.5)
        axes.annotate(
            f"median {median:.3f}, n = {len(ious):,}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=FAINT,
        )
    _rows(axes, list(clusters))
    axes.set_xlabel("IoU (line: median, box: middle half of the explanations)")
    axes.set_xlim(left=0)
    return figure


def plot_categories(
    title: str, records: Sequence[Record], category_of: Mapping[int, str], names: Sequence[str]
) -> Figure:
    """Draw each category's share of the concepts that the formulas of every cluster ask for.

    Parameters
    ----------
    title
        Stands above it.
    records
        Of any units.
    category_of
        Label number to the label's own category.
    names
        The categories, in the order to show them.
    """
    from matplotlib.ticker import PercentFormatter

    clusters = by_cluster(records)
    figure, axes = _figure(title, len(clusters))
    counts = [
        count_categories([f for f in map(formula_of, own) if f is not None], category_of)
        for own in clusters.values()
    ]
    shown = [name for name in names if any(count[name] for count in counts)]
    left = np.zeros(len(counts))
    totals = np.array([max(1, sum(count.values())) for count in counts])
    for place, name in enumerate(shown):
        shares = np.array([count[name] for count in counts]) / totals
        color = _COLORS[place % len(_COLORS)]
        bars = axes.barh(
            range(len(counts)),
            shares,
            0.72,
            left,
            color=color,
            edgecolor="white",
            linewidth=0.8,
            hatch=_HATCHES[(place + place // len(_COLORS)) % len(_HATCHES)],
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
    for place, count in enumerate(counts):
        axes.annotate(
            f"n = {sum(count.values()):,}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
            color=FAINT,
        )
    _rows(axes, list(clusters))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlabel("share of the concepts that formulas ask for (n; those under NOT left out)")
    if shown:
        figure.legend(loc="outside lower center", ncols=min(len(shown), 6), frameon=False)
    return figure


def _figure(title: str, rows: int) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.9 + _ROW * max(rows, 1)), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left", color=INK, wrap=True, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def _rows(axes: Axes, clusters: Sequence[int]) -> None:
    axes.set_yticks(range(len(clusters)), [f"cluster {cluster}" for cluster in clusters])
    axes.set_ylim(-0.6, max(len(clusters), 1) - 0.4)
    if not clusters:
        axes.annotate("no formula", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT)


def categories_of(run: ViewedRun, records: Sequence[Record]) -> dict[int, str]:
    """Return the own category of every label in the records' formulas.

    Raises
    ------
    DamagedDataError
        If the data set has no such label.
    MissingInputError
        If the data set is gone.
    """
    category_of = {label.number: label.category for label in run.dataset.labels}
    for number, name in names_of(records).items():
        if number not in category_of:
            raise DamagedDataError(
                f"{run.dataset.directory} has no label {number} ({name}), which {run.name} asks "
                "for: put the data set back that the run was made from."
            )
    return category_of
