"""Pictures in a terminal's cells: two pixels a cell, the upper half drawn over the lower."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

Pixels = NDArray[np.uint8]
_UPPER_HALF = "▀"


class HalfBlocks(Widget):
    """A picture of half blocks, at its upper left corner."""

    def __init__(self) -> None:
        super().__init__()
        self._strips: list[Strip] = []

    def show(self, pixels: Pixels | None) -> None:
        """Show ``(height, width, 3)`` uint8, as many pixels as fit; nothing for ``None``."""
        self._strips = [] if pixels is None else half_block_strips(pixels)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of cells."""
        if y >= len(self._strips):
            return Strip.blank(self.size.width, self.rich_style)
        return self._strips[y].adjust_cell_length(self.size.width, self.rich_style)


def half_block_strips(pixels: Pixels) -> list[Strip]:
    """Draw a picture with two rows of pixels a line; an odd last row is left out."""
    rows = pixels[: len(pixels) // 2 * 2].tolist()
    return [
        Strip(
            [
                Segment(_UPPER_HALF, _style(*above, *below))
                for above, below in zip(*pair, strict=True)
            ]
        )
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]


def fitted(shape: tuple[int, int], columns: int, lines: int) -> tuple[int, int]:
    """Return the ``(height, width)`` in pixels at which a picture fills so many cells, undistorted.

    Parameters
    ----------
    shape
        ``(height, width)`` of the picture.
    columns, lines
        Of cells, which are twice as high as wide.
    """
    scale = min(columns / shape[1], 2 * lines / shape[0])
    height = max(round(shape[0] * scale) // 2 * 2, 2)
    return height, max(round(shape[1] * scale), 1)


@lru_cache(maxsize=1 << 15)
def _style(r: int, g: int, b: int, below_r: int, below_g: int, below_b: int) -> Style:
    return Style(color=Color.from_rgb(r, g, b), bgcolor=Color.from_rgb(below_r, below_g, below_b))
