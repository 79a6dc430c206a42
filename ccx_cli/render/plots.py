"""Plots of a whole run: IoU by range, and the categories of the concepts in formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from ccx_cli import design
from ccx_cli.design import CONTROL, LINE, SOFT, category_color
from ccx_cli.errors import DamagedDataError
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.render.canvas import FAINT, INK
from ccx_cli.render.distribution import color_of
from ccx_cli.render.style import SCREEN, Style
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.study.categories import count_categories

_ROW, _PAPER_ROW = 0.42, 0.3
_HALF = 0.36  # of a row, that dots and bars fill on each side of its middle
_DOT, _LEAST = 4.5, 1.2  # points, the diameter of dots


def by_range(records: Sequence[ExplanationRecord]) -> dict[int, list[ExplanationRecord]]:
    """Group the records that have a formula by the number of their range, ascending."""
    groups: dict[int, list[ExplanationRecord]] = {}
    for record in records:
        if record.formula is not None and record.cluster is not None:
            groups.setdefault(record.cluster, []).append(record)
    return dict(sorted(groups.items()))


def plot_ious(title: str, records: Sequence[ExplanationRecord], style: Style = SCREEN) -> Figure:
    """Draw the IoUs of every range: a dot per explanation, the interquartile range, the median."""
    groups = by_range(records)
    figure, axes = _figure(title, list(groups), style)
    axes.set_xlabel("IoU (line: median, box: interquartile range)")
    highest = max((record.iou for own in groups.values() for record in own), default=0) or 1
    axes.set_xlim(-0.01 * highest, 1.03 * highest)
    for row, own in enumerate(groups.values()):
        ious = np.array([record.iou for record in own])
        low, median, high = np.quantile(ious, [0.25, 0.5, 0.75])
        axes.barh(
            row, high - low, 2 * _HALF, low, color=SOFT.light, edgecolor=CONTROL.light, lw=0.5
        )
        axes.plot([median] * 2, [row - _HALF, row + _HALF], color=INK, lw=1, zorder=4)
        _annotate_row(axes, row, f"median {design.iou(median)}\nn = {design.count(len(ious))}")
    rows = [np.array([record.iou for record in own]) for own in groups.values()]
    draw_dots(figure, axes, rows, [color_of(own[0]) for own in groups.values()])
    return figure


def draw_dots(
    figure: Figure, axes: Axes, rows: Sequence[NDArray[np.float64]], colors: Sequence[str]
) -> None:
    """Draw a dot for each value of each row, stacked where they would cover each other.

    The rows are at 0, 1, ... of the axes, whose limits and surroundings must be final. Dots are as
    small as the highest stack takes; one that is too high even so is compressed.
    """
    to_pixels = axes.transData
    figure.draw_without_rendering()  # lays out what is around the axes
    points = 72 / figure.dpi
    places = [points * to_pixels.transform([(value, 0) for value in row])[:, 0] for row in rows]
    right = axes.get_xlim()[1]
    ends = to_pixels.transform([(right, -_HALF), (right, _HALF)])[:, 1]
    room = points * abs(ends[1] - ends[0])
    dot = _DOT
    while max((_stacks(own, dot)[2].max() for own in places), default=0) * dot > room:
        if dot <= _LEAST:
            break
        dot *= 0.9
    for row, (own, color) in enumerate(zip(places, colors, strict=True)):
        bins, which, sizes = _stacks(own, dot)
        order = np.argsort(which, kind="stable")
        above = np.empty(len(own))
        above[order] = np.arange(len(own)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        heights = (above - (sizes[which] - 1) / 2) * min(dot, room / sizes.max())
        pixels = [((one + 0.5) * dot / points, 0) for one in bins[which]]
        values = to_pixels.inverted().transform(pixels)[:, 0]
        middles = row + heights * 2 * _HALF / room
        axes.plot(values, middles, "o", color=color, ms=0.9 * dot, mew=0, zorder=3)


def _stacks(
    places: NDArray[np.float64], dot: float
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the stacks of dots of a size, which of them each is in, and how many are in each."""
    return np.unique(places // dot, return_inverse=True, return_counts=True)


def plot_categories(
    title: str,
    records: Sequence[ExplanationRecord],
    category_of: Mapping[int, str],
    names: Sequence[str],
    style: Style = SCREEN,
) -> Figure:
    """Draw the shares of categories among the concepts in the formulas of every range."""
    groups = by_range(records)
    figure, axes = _figure(title, list(groups), style)
    counts = [
        count_categories([record.tree for record in own if record.tree], category_of)
        for own in groups.values()
    ]
    shown = [name for name in names if any(count[name] for count in counts)]
    left = np.zeros(len(counts))
    totals = np.array([max(1, sum(count.values())) for count in counts])
    # A number takes about three times its height, of axes of two thirds of the figure.
    narrowest = 3 * style.small / (72 * figure.get_figwidth() * 2 / 3)
    for name in shown:
        shares = np.array([count[name] for count in counts]) / totals
        color = category_color(name).light
        bars = axes.barh(
            range(len(counts)), shares, 2 * _HALF, left, color=color, edgecolor="white", label=name
        )
        written = [f"{share:.0%}" if share >= narrowest else "" for share in shares]
        axes.bar_label(bars, written, label_type="center", color="white", fontsize=style.small)
        left += shares
    for row, count in enumerate(counts):
        _annotate_row(axes, row, f"n = {design.count(sum(count.values()))}")
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_xlabel("share of the n concepts (those under NOT left out)")
    if shown:
        columns = min(len(shown), int(figure.get_figwidth()))
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, borderpad=0.8)
    return figure


def _figure(title: str, numbers: Sequence[int], style: Style) -> tuple[Figure, Axes]:
    rows = max(len(numbers), 1)
    width = 8 if style.width is None else style.width
    height = 0.85 + _PAPER_ROW * rows if style.in_paper else 1.9 + _ROW * rows
    pad = 0.01 if style.in_paper else 0.04
    layout = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad)
    figure = Figure(figsize=(width, height), layout=layout, dpi=style.dots(150))
    axes = figure.add_subplot()
    if style.title:
        axes.set_title(title, loc="left", color=INK, wrap=True, parse_math=False)
    tidy(axes, "x")
    axes.set_yticks(range(len(numbers)), [f"range {number}" for number in numbers])
    axes.set_ylim(-0.6, rows - 0.4)
    if not numbers:
        axes.annotate("no formula", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT)
    return figure, axes


def tidy(axes: Axes, grid: Literal["both", "x", "y"]) -> None:
    """Leave out the frame above and right, and draw a grid behind what is plotted."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=LINE.light, lw=0.5)
    axes.set_axisbelow(True)


def _annotate_row(axes: Axes, row: int, text: str) -> None:
    axes.annotate(
        text,
        (1.01, row),
        xycoords=("axes fraction", "data"),
        va="center",
        linespacing=1,
        fontsize=rcParams["ytick.labelsize"],
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
                f"{inputs.run.called} names: restore the dataset that the run was made from."
            )
    return category_of
