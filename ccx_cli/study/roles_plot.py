"""Accuracy against IoU, a point a unit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ccx_cli.store.atomic import replacing


def plot_roles(
    ious: Sequence[float], accuracies: Sequence[float], r: float | None, title: str, path: Path
) -> None:
    """Draw the plot as the file's ending says: PNG, SVG or PDF."""
    from matplotlib.figure import Figure

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
