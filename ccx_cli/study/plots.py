"""Plots of studies, drawn as the file's ending says: PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ccx_cli.records.fields import Json
from ccx_cli.store.atomic import replacing

# Told apart by color-blind readers too (Okabe and Ito), and by their markers without any color.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"


def plot_roles(
    ious: Sequence[float], accuracies: Sequence[float], r: float | None, title: str, path: Path
) -> None:
    """Draw accuracy against IoU, a point a unit."""
    figure = Figure(figsize=(5.2, 4.2), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.scatter(ious, accuracies, s=22, alpha=0.7, color="#1f6f8b", edgecolors="none")
    axes.set_xlabel("IoU of the top range's explanation")
    axes.set_ylabel("accuracy where the unit is in its top range")
    axes.set_ylim(-0.03, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title + (f"   r = {r:.2f}" if r is not None else ""), fontsize=10, loc="left")
    with replacing(path) as beside:
        figure.savefig(beside, format=path.suffix.lower().removeprefix("."))


def plot_shares(rows: Sequence[Json], categories: Sequence[str], title: str, path: Path) -> None:
    """Draw the share of each category by quantile, high quantiles left, low ones right.

    ``rows`` are from ``share_categories``, at least one; ``title`` stands above both panels.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, 2, sharey=True)
    captions = (
        "high: share of the non-zero activations above, range (t, inf)",
        "low: share of the non-zero activations above, range (1e-6, t)",
    )
    for axes, side, caption in zip(panels, ("high", "low"), captions, strict=True):
        own = [row for row in rows if row["side"] == side]
        for index, category in enumerate(categories):
            shares = [row[f"{category}_share"] for row in own]
            axes.plot(
                range(len(own)),
                [np.nan if share is None else share for share in shares],
                color=_COLORS[index % len(_COLORS)],
                marker=_MARKERS[index % len(_MARKERS)],
                markersize=5,
                clip_on=False,
                label=category,
            )
        axes.set_xticks(range(len(own)), [f"{row['quantile']:g}" for row in own])
        axes.set_xlabel(caption)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("share of positive concepts")
    panels[0].set_ylim(bottom=0)
    panels[0].yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(len(labels), 1))
    with replacing(path) as beside:
        figure.savefig(beside, format=path.suffix.lower().removeprefix("."), dpi=150)
