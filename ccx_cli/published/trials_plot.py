"""The plot of a comparison of searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ccx_cli.records.studies import HeuristicOnRangeRecord
from ccx_cli.store.atomic import replacing

_DOTS, _MEAN = "#7a9cc6", "#b2182b"


def plot_trials(trials: Sequence[HeuristicOnRangeRecord], title: str, path: Path) -> None:
    """Draw formulas visited and time of every search: a dot for each range, and the mean."""
    names = list(dict.fromkeys(trial.heuristic for trial in trials))
    figure = Figure(figsize=(10, 1.6 + 0.5 * len(names)), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2, sharey=True)
    visited = [float(trial.visited) for trial in trials]
    _panel(left, _by_search(trials, visited), "formulas visited", "{:,.0f}")
    left.set_xscale("symlog", linthresh=1)  # an optimum may need none
    left.set_xlim(-0.2, 5 * max(*visited, 1))
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    seconds = [trial.seconds for trial in trials]
    _panel(right, _by_search(trials, seconds), "seconds per range", "{:.2g}")
    right.set_xscale("log")
    right.set_xlim(min(seconds) / 1.5, 3 * max(seconds))
    for axes in (left, right):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    with replacing(path) as beside:
        figure.savefig(beside, format=path.suffix.lower().removeprefix("."), dpi=150)


def _by_search(
    trials: Sequence[HeuristicOnRangeRecord], values: Sequence[float]
) -> list[list[float]]:
    """Sort values, one a trial, by their searches."""
    names = dict.fromkeys(trial.heuristic for trial in trials)
    return [
        [value for value, trial in zip(values, trials, strict=True) if trial.heuristic == name]
        for name in names
    ]


def _panel(axes: Axes, rows: Sequence[Sequence[float]], what: str, form: str) -> None:
    for row, values in enumerate(rows):
        spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(values))
        axes.plot(
            values, row + spread, "o", color=_DOTS, alpha=0.5, markersize=3.5, markeredgewidth=0
        )
        mean = float(np.mean(values))
        axes.plot([mean], [row], "|", color=_MEAN, markersize=22, markeredgewidth=2)
        axes.annotate(
            form.format(mean),
            (mean, row),
            xytext=(5, 8),
            textcoords="offset points",
            color=_MEAN,
            fontsize=9,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.6},
        )
    axes.set_xlabel(f"{what} (red: mean)")
    axes.grid(axis="x", alpha=0.3)
