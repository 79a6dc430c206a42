"""A unit's activations as bars, colored by the range they fall in, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.widget import Widget

from ccx_cli import design
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.tui.ink import ink

_EIGHTHS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class ActivationHistogram:
    """How often a unit's activation takes which value, in bins fine enough for any terminal.

    ``cumulative``, ``(n_bins + 1,)`` int64, counts the activations below each edge from ``low``
    to ``high``; ``zeros`` are left out, as after a ReLU.
    """

    low: float
    high: float
    cumulative: NDArray[np.int64]
    zeros: int

    def columns(self, width: int) -> NDArray[np.float64]:
        """Count by column of a drawing, ``(width,)`` float64."""
        edges = np.linspace(0, len(self.cumulative) - 1, width + 1)
        return np.diff(np.interp(edges, np.arange(len(self.cumulative)), self.cumulative))

    def column_of(self, value: float | None, width: int, *, above: bool = False) -> int:
        """Return the column in which a value falls; an open end is the axis's own."""
        if value is None:
            return width - 1 if above else 0
        column = int((value - self.low) / (self.high - self.low) * width)
        return min(max(column, 0), width - 1)


class Histogram(Widget):
    """Bars, an axis under them, and the number of every range under its middle."""

    def __init__(self) -> None:
        super().__init__()
        self._histogram: ActivationHistogram | None = None
        self._records: Sequence[ExplanationRecord] = ()
        self._selected: int | None = None
        self._otherwise = ""

    def show(
        self,
        histogram: ActivationHistogram | None,
        records: Sequence[ExplanationRecord],
        otherwise: str = design.NEVER_FIRES,
    ) -> None:
        """Show a unit's; without a histogram the text ``otherwise``."""
        self._histogram, self._records, self._otherwise = histogram, records, otherwise
        self.refresh()

    def select(self, cluster: int | None) -> None:
        self._selected = cluster
        self.refresh()

    def render(self) -> Text:
        width, height = self.size
        if self._histogram is None or height < 3 or width < 10:
            return Text(self._otherwise, style="dim italic")
        return draw_histogram(self._histogram, self._records, self._selected, width, height)


def draw_histogram(
    histogram: ActivationHistogram,
    records: Sequence[ExplanationRecord],
    selected: int | None,
    width: int,
    height: int,
) -> Text:
    """Draw bars ``height - 2`` lines high, the axis and its labels; sizes are in cells."""
    counts = histogram.columns(width)
    bars = height - 2
    tallest = math.log1p(float(counts.max()))
    eighths = [math.ceil(math.log1p(float(count)) / tallest * bars * 8) for count in counts]
    styles, numbers = ["dim"] * width, [" "] * width
    for record in records:
        if record.cluster is None or record.range is None:
            continue
        cluster, (lower, upper) = record.cluster, record.range
        first = histogram.column_of(lower, width)
        last = histogram.column_of(upper, width, above=True)
        color = ink.range(cluster, record.num_ranges)
        style = color if selected in {None, cluster} else f"dim {color}"
        styles[first : last + 1] = [style] * (last + 1 - first)
        for column, digit in enumerate(str(cluster), start=(first + last + 1) // 2):
            if column < width:
                numbers[column] = digit
    text = Text(no_wrap=True)
    for line in range(bars):
        floor = (bars - 1 - line) * 8
        for height_in_eighths, style in zip(eighths, styles, strict=True):
            text.append(_EIGHTHS[min(max(height_in_eighths - floor, 0), 8)], style)
        text.append("\n")
    for digit, style in zip(numbers, styles, strict=True):
        text.append(digit, style)
    low, high = design.activation(histogram.low), design.activation(histogram.high)
    free = width - len(low) - len(high) - 2
    scale = f"tallest bar {int(counts.max()):,}, log scale"
    zeros = f", {histogram.zeros:,} zeros omitted" if histogram.zeros else ""
    label = next((each for each in (scale + zeros, scale) if len(each) <= free), "")
    return text.append("\n").append(f"{low} {label.center(free)} {high}"[:width], style="dim")
