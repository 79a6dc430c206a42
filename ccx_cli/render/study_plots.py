"""Plots of studies, drawn as the file's ending says: PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from ccx_cli.design import ACCENT, CATEGORIES, CONTROL, SOFT, category_color
from ccx_cli.records.comparison import ComparedLayerRecord
from ccx_cli.records.fields import Json
from ccx_cli.records.studies import HeuristicOnRangeRecord
from ccx_cli.render.canvas import FAINT, INK, same_everywhere
from ccx_cli.render.plots import draw_dots, tidy
from ccx_cli.store.atomic import replacing

_DPI = 150
# Categories differ by their markers without any color, too.
_MARKERS = "osD^vPX"


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure to draw in, ``width`` x ``height`` inches, and write it."""
    with same_everywhere(), replacing(path) as beside:
        figure = Figure(figsize=(width, height), layout="constrained", dpi=_DPI)
        yield figure
        figure.savefig(beside, format=path.suffix.lower().removeprefix("."))


def plot_roles(
    ious: Sequence[float], accuracies: Sequence[float], r: float | None, title: str, path: Path
) -> None:
    """Draw accuracy against IoU, a point a unit."""
    with _figure(path, 5.2, 4.2) as figure:
        axes = figure.add_subplot()
        tidy(axes, "both")
        size = min(22, 3000 / len(ious))
        axes.scatter(ious, accuracies, s=size, alpha=0.7, color=ACCENT.light, edgecolors="none")
        axes.set_xlabel("IoU of the top range's explanation")
        axes.set_ylabel("accuracy where the unit is in its top range")
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        measured = "" if r is None else f"\nr = {r:.2f}, n = {len(ious):,} units"
        axes.set_title(f"{title}{measured}", loc="left", parse_math=False)


def plot_shares(rows: Sequence[Json], categories: Sequence[str], title: str, path: Path) -> None:
    """Draw the share of each category by quantile, high quantiles left, low ones right.

    ``rows`` are from ``share_categories``, at least one; ``title`` stands above both panels.
    """
    captions = (
        "share of the non-zero activations above\nhigh: range (t, inf)",
        "share of the non-zero activations above\nlow: range (1e-6, t)",
    )
    with _figure(path, 9, 4.6) as figure:
        figure.suptitle(title, parse_math=False)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, side, caption in zip(panels, ("high", "low"), captions, strict=True):
            own = [row for row in rows if row["side"] == side]
            tidy(axes, "y")
            for index, category in enumerate(categories):
                shares = [row[f"{category}_share"] for row in own]
                axes.plot(
                    range(len(own)),
                    [np.nan if share is None else share for share in shares],
                    color=category_color(category).light,
                    marker=_MARKERS[index % len(_MARKERS)],
                    markersize=5,
                    clip_on=False,
                    label=category,
                )
            axes.set_xticks(range(len(own)), [f"{row['quantile']:g}" for row in own])
            axes.set_xlabel(caption)
        panels[0].set_ylabel("share of positive concepts")
        panels[0].set_ylim(bottom=0)
        panels[0].yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        handles, labels = panels[0].get_legend_handles_labels()
        columns = min(max(len(labels), 1), 6)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


def plot_trials(trials: Sequence[HeuristicOnRangeRecord], title: str, path: Path) -> None:
    """Draw formulas visited and time of every search: a dot for each range, and the mean."""
    names = list(dict.fromkeys(trial.heuristic for trial in trials))
    with _figure(path, 9, 1.7 + 0.5 * len(names)) as figure:
        figure.suptitle(title, parse_math=False)
        left, right = figure.subplots(1, 2, sharey=True)
        left.set_yticks(range(len(names)), names)
        left.set_ylim(len(names) - 0.4, -0.6)
        visited = [float(trial.visited) for trial in trials]
        left.set_xscale("symlog", linthresh=1)  # an optimum may need none
        left.set_xlim(-0.2, 5 * max(*visited, 1))
        left.set_xlabel("formulas visited (line: mean)")
        seconds = [trial.seconds for trial in trials]
        right.set_xscale("log")
        right.set_xlim(min(seconds) / 1.5, 3 * max(seconds))
        right.set_xlabel("seconds per range (line: mean)")
        for axes in (left, right):
            tidy(axes, "x")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        for axes, values, form in ((left, visited, "{:,.0f}"), (right, seconds, "{:.2g}")):
            of = np.array([trial.heuristic for trial in trials])
            rows = [np.array(values)[of == name] for name in names]
            draw_dots(figure, axes, rows, [ACCENT.light] * len(rows))
            for row, own in enumerate(rows):
                mean = float(own.mean())
                axes.plot([mean, mean], [row - 0.36, row + 0.36], color=INK, lw=1.5, zorder=4)
                axes.annotate(
                    form.format(mean),
                    (mean, row - 0.36),
                    xytext=(3, 0),
                    textcoords="offset points",
                    va="center",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )


def plot_layers(
    records: Sequence[ComparedLayerRecord], names: Sequence[str], title: str, path: Path
) -> None:
    """Draw the MCC of every layer, and the share of its units that are explained, by category."""
    with _figure(path, 7.2, 1.5 + 0.27 * len(records)) as figure:
        figure.suptitle(title, parse_math=False)
        left, right = figure.subplots(1, 2, sharey=True)
        left.set_yticks(range(len(records)), names, parse_math=False)
        left.set_ylim(len(records) - 0.4, -0.6)
        for row, record in enumerate(records):
            low, high = record.mcc_lower_quartile, record.mcc_upper_quartile
            if low is None or high is None:
                continue
            left.barh(
                row, high - low, 2 * _HALF, low, color=SOFT.light, edgecolor=CONTROL.light, lw=0.5
            )
            left.plot([record.mcc_median] * 2, [row - _HALF, row + _HALF], color=INK, lw=1.5)
        left.set_xlim(left=min(0, left.get_xlim()[0]))
        left.set_xlabel("MCC (line: median, box: quartiles)")
        _draw_explained(right, records)
        right.set_xlabel("explained units")
        right.set_xlim(0, 1)
        right.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        for axes in (left, right):
            tidy(axes, "x")
        handles, labels = right.get_legend_handles_labels()
        columns = min(max(len(labels), 1), 6)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)


_HALF = 0.35  # of a row, that a bar fills on each side of its middle


def _draw_explained(axes: Axes, records: Sequence[ComparedLayerRecord]) -> None:
    """Draw the share of explained units of every layer, stacked by category."""
    there = {name for record in records for name in record.categories}
    counts = {
        name: [record.categories.get(name, 0) for record in records]
        for name in (
            *(name for name in CATEGORIES if name in there),
            *sorted(there - {*CATEGORIES}),
        )
    }
    for row, record in enumerate(records):
        if record.explained is None:
            axes.text(0.02, row, "not known", va="center", color=FAINT)
    rest = [(record.explained or 0) - sum(record.categories.values()) for record in records]
    colors = {name: category_color(name).light for name in counts}
    if any(rest):
        counts["no category"], colors["no category"] = rest, CONTROL.light
    units = np.array([max(1, record.units) for record in records])
    ends = np.zeros(len(records), dtype=np.int64)
    for name, own in counts.items():
        axes.barh(
            range(len(records)),
            np.array(own) / units,
            2 * _HALF,
            ends / units,
            color=colors[name],
            edgecolor="white",
            label=name,
        )
        ends += own
