"""Histograms of a unit's activations, colored by range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import FAINT, INK, Canvas, line_height, wrapped
from ccx_cli.render.wording import formula_text, iou_text, range_text
from ccx_cli.study.histogram import count_in_bars

OUTSIDE = "#c9c9c9"
_BINS = 160
_WIDTH, _MARGIN, _PLOT = 760, 20, 260
_SWATCH = 14


@dataclass(frozen=True, slots=True)
class Histogram:
    """The activations of a unit, counted in bars, and the range that each bar belongs to.

    ``edges`` is ``(n_bars + 1,)`` float64, ascending, ``counts`` ``(n_bars,)`` int64, and
    ``owners`` ``(n_bars,)`` int64: the index of the record whose range holds most of the bar,
    -1 for none.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    owners: NDArray[np.int64]


def range_colors(count: int) -> list[str]:
    """Return a color for each of ``count`` ranges, from dark for the lowest to light.

    Lightness rises evenly, so that the order also shows in grayscale.
    """
    shades = colormaps["viridis"](np.linspace(0.05, 0.9, count) if count > 1 else [0.55][:count])
    return [to_hex(shade) for shade in shades]


def histogram_of(maps: NDArray[np.float32], records: Sequence[ExplanationRecord]) -> Histogram:
    """Count activations, ``(n_images, height, width)`` float32, in bars of equal width.

    Values that are not finite are left out.
    """
    values = maps[np.isfinite(maps)]
    counts, edges = count_in_bars(values, _BINS)
    values = values.astype(np.float64)
    in_range = np.zeros((len(records) + 1, len(counts)), dtype=np.int64)
    for index, record in enumerate(records):
        lower, upper = record.range or (None, None)
        above = values > (-np.inf if lower is None else lower)
        inside = values[above & (values < (np.inf if upper is None else upper))]
        in_range[index] = np.histogram(inside, bins=edges)[0]
    # Ranges set by --ranges may overlap: values in two of them are not outside.
    in_range[-1] = np.maximum(counts - in_range[:-1].sum(axis=0), 0)
    most = in_range.argmax(axis=0)
    return Histogram(edges, counts, np.where(most == len(records), -1, most))


def draw_histogram(
    axes: Axes, maps: NDArray[np.float32], records: Sequence[ExplanationRecord], size: float
) -> None:
    """Draw a unit's histogram, counts on a logarithmic scale, labels of ``size`` points."""
    bars = histogram_of(maps, records)
    colors = range_colors(len(records))
    fills = [colors[owner] if owner >= 0 else OUTSIDE for owner in bars.owners]
    axes.bar(
        bars.edges[:-1],
        bars.counts,
        np.diff(bars.edges),
        align="edge",
        color=fills,
        edgecolor=fills,
        linewidth=0.3,  # without an edge, SVG and PDF viewers show gaps
    )
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(2.0, 1.6 * float(bars.counts.max(initial=0))))
    axes.set_xlim(bars.edges[0], bars.edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=size, colors=FAINT, which="both")
    axes.tick_params(axis="y", which="minor", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def plot_distribution(
    title: str, maps: NDArray[np.float32], records: Sequence[ExplanationRecord]
) -> Figure:
    """Draw one unit's histogram above its ranges, lowest first, and their formulas."""
    room = _WIDTH - 2 * _MARGIN
    heading = wrapped(title, room, 16, bold=True)
    colors = range_colors(len(records))
    listed = [
        (
            f"range {record.cluster}: {range_text(record)} · {iou_text(record)}",
            wrapped(formula_text(record), room - 2 * _SWATCH, 13, bold=True),
        )
        for record in records
    ]
    top = _MARGIN + len(heading) * line_height(16) + 10
    below = top + _PLOT + 62
    rows = sum(line_height(13) * (1 + len(lines)) + 8 for _, lines in listed)
    height = below + (rows or line_height(13)) + _MARGIN
    canvas = Canvas.of_size(_WIDTH, round(height))
    canvas.text(heading, _MARGIN, _MARGIN, 16, bold=True)
    axes = canvas.axes(_MARGIN + 70, top, room - 80, _PLOT)
    draw_histogram(axes, maps, records, 9)
    axes.set_xlabel("activation", fontsize=9.5, color=INK)
    axes.set_ylabel("positions in the layer's maps", fontsize=9.5, color=INK)
    if not listed:
        canvas.text("This unit has no range: it never fires.", _MARGIN, below, 13, color=FAINT)
    for color, (range_line, lines) in reversed(list(zip(colors, listed, strict=True))):
        canvas.box(_MARGIN, below + 1, _SWATCH, _SWATCH, fill=color)
        canvas.text(range_line, _MARGIN + 2 * _SWATCH, below, 13, color=FAINT)
        canvas.text(lines, _MARGIN + 2 * _SWATCH, below + line_height(13), 13, bold=True)
        below += line_height(13) * (1 + len(lines)) + 8
    return canvas.figure
