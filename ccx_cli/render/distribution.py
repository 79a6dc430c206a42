"""Histograms of a unit's activations, colored by range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ccx_cli.design import CONTROL, NEVER_FIRES, ends, number, range_color
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.canvas import FAINT, INK, PER_INCH, Canvas, Words, line_height, wrapped
from ccx_cli.render.style import SCREEN, Style
from ccx_cli.render.wording import formula_text, proof_text, worth_text
from ccx_cli.study.histogram import count_in_bars

_BINS = 160
_WIDTH, _MARGIN, _PLOT, _ROW_GAP = 760, 20, 260, 5


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


def histogram_of(maps: NDArray[np.float32], records: Sequence[ExplanationRecord]) -> Histogram:
    """Count activations, ``(n_images, height, width)`` float32, in bars of equal width."""
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
    axes: Axes, maps: NDArray[np.float32], records: Sequence[ExplanationRecord]
) -> None:
    """Draw a unit's histogram, counts on a logarithmic scale."""
    bars = histogram_of(maps, records)
    colors = [color_of(record) for record in records]
    fills = [colors[owner] if owner >= 0 else CONTROL.light for owner in bars.owners]
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
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 0)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(colors=FAINT, which="both")
    axes.tick_params(axis="y", which="minor", length=0)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def color_of(record: ExplanationRecord) -> str:
    """Return the color of a record's range on paper."""
    return range_color(record.cluster or 0, record.num_ranges).light


def plot_distribution(
    title: str,
    maps: NDArray[np.float32],
    records: Sequence[ExplanationRecord],
    style: Style = SCREEN,
) -> Figure:
    """Draw one unit's histogram above its ranges, highest first, and their formulas."""
    margin = 0 if style.in_paper else _MARGIN
    width = _WIDTH if style.width is None else style.width * PER_INCH
    text, small = (points * PER_INCH / 72 for points in (style.text, style.small))
    room, indent = width - 2 * margin, 1.2 * small
    heading = wrapped(title, room, text, bold=True) if style.title else []
    listed = []
    for record in reversed(records):
        activation = f"activation {ends(record.range)}"
        parts = [f"range {record.cluster}", activation, worth_text(record)]
        parts += [] if style.in_paper else [proof_text(record)]
        said = wrapped(" · ".join(filter(None, parts)), room - indent, small)
        formula = wrapped(formula_text(record), room - indent, text, bold=True)
        words = [Words(said, small, color=FAINT), Words(formula, text, bold=True)]
        listed.append((color_of(record), words))
    top = margin + len(heading) * line_height(text) + 0.5 * text
    plot = min(_PLOT, _PLOT * width / _WIDTH)
    below = top + plot + 4.2 * text
    rows = sum(sum(each.height for each in words) + _ROW_GAP for _, words in listed)
    height = below + (rows or line_height(text)) + margin
    canvas = Canvas.of_size(width, round(height), style)
    canvas.text(heading, margin, margin, text, bold=True)
    left = 5.5 * text
    axes = canvas.axes(margin + left, top, room - left - text, plot)
    draw_histogram(axes, maps, records)
    axes.set_xlabel("activation", color=INK)
    axes.set_ylabel("positions in the maps", color=INK)
    if not listed:
        never = f"This unit has no range: it {NEVER_FIRES}."
        canvas.text(never, margin, below, text, color=FAINT)
    for color, words in listed:
        canvas.mark(margin, below, small, color)
        below = canvas.words(words, margin + indent, below) + _ROW_GAP
    return canvas.figure
