"""A unit's activations as bars, coloured by the range they fall in, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text
from textual.widget import Widget

from ccx_cli.store.lines import Record
from ccx_cli.tui.looking import ActivationHistogram
from ccx_cli.tui.theme import plain, range_color

_EIGHTHS = " ▁▂▃▄▅▆▇█"


class Histogram(Widget):
    """Bars, an axis under them, and the number of every range under its middle."""

    DEFAULT_CSS = """
    Histogram { height: 9; width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._histogram: ActivationHistogram | None = None
        self._records: Sequence[Record] = ()
        self._chosen: int | None = None
        self._instead = ""

    def show(
        self,
        histogram: ActivationHistogram | None,
        records: Sequence[Record],
        instead: str = "never fires",
    ) -> None:
        """Show a unit's; without a histogram the text ``instead``."""
        self._histogram, self._records, self._instead = histogram, records, instead
        self.refresh()

    def choose(self, cluster: int | None) -> None:
        """Make one range stand out."""
        self._chosen = cluster
        self.refresh()

    def render(self) -> Text:
        """Draw the bars."""
        width, height = self.size
        if self._histogram is None or height < 3 or width < 10:
            return Text(self._instead, style="dim italic")
        return draw_histogram(self._histogram, self._records, self._chosen, width, height)


def draw_histogram(
    histogram: ActivationHistogram,
    records: Sequence[Record],
    chosen: int | None,
    width: int,
    height: int,
) -> Text:
    """Draw bars ``height - 2`` lines high, the axis and its labels.

    Parameters
    ----------
    histogram
        The counts.
    records
        Those with a range give the colours.
    chosen
        The cluster that stands out; ``None`` for all alike.
    width, height
        In cells.
    """
    counts = histogram.columns(width)
    bars = height - 2
    most = math.log1p(float(counts.max()))
    eighths = [math.ceil(math.log1p(float(count)) / most * bars * 8) for count in counts]
    owner = _owners(histogram, records, width)
    text = Text(no_wrap=True)
    for line in range(bars):
        floor = (bars - 1 - line) * 8
        for column, high in enumerate(eighths):
            text.append(_EIGHTHS[min(max(high - floor, 0), 8)], _style(owner[column], chosen))
        text.append("\n")
    numbers = [" "] * width
    for record in records:
        middle = owner_middle(owner, record["cluster"])
        if middle is not None:
            for place, letter in enumerate(str(record["cluster"])):
                if middle + place < width:
                    numbers[middle + place] = letter
    for column, letter in enumerate(numbers):
        text.append(letter, _style(owner[column], chosen))
    left, right = plain(histogram.low), plain(histogram.high)
    most_said = f"at most {int(counts.max()):,} in a bar, log scale"
    zeros = f", {histogram.zeros:,} zeros left out" if histogram.zeros else ""
    room = width - len(left) - len(right) - 2
    middle_text = most_said + zeros if len(most_said + zeros) <= room else most_said
    if len(middle_text) > room:
        middle_text = ""
    text.append("\n").append(f"{left} {middle_text.center(room)} {right}"[:width], style="dim")
    return text


def owner_middle(owner: Sequence[tuple[int, int] | None], cluster: int) -> int | None:
    """Return the middle one of the columns that belong to a range."""
    own = [column for column, each in enumerate(owner) if each is not None and each[0] == cluster]
    return own[len(own) // 2] if own else None


def _owners(
    histogram: ActivationHistogram, records: Sequence[Record], width: int
) -> list[tuple[int, int] | None]:
    """Give every column the range, and how many there are, that its middle lies in."""
    owner: list[tuple[int, int] | None] = [None] * width
    for record in records:
        lower, upper = record["range"]
        first = histogram.column_of(lower, width)
        last = histogram.column_of(upper, width, above=True)
        for column in range(first, last + 1):
            owner[column] = record["cluster"], record["num_ranges"]
    return owner


def _style(owner: tuple[int, int] | None, chosen: int | None) -> str:
    if owner is None:
        return "dim"
    color = range_color(*owner)
    return color if chosen is None or chosen == owner[0] else f"dim {color}"
