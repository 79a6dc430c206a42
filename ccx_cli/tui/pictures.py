"""A picture in the terminal: real where the terminal draws pictures, else in half blocks."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container
from textual.strip import Strip
from textual.widget import Widget

from ccx_cli.tui.drawing import Drawn, Overlay, PictureList, Pixels, Shape, legend

# Makes a widget whose attribute ``image`` takes a PIL image, where the terminal draws pictures.
_graphics: list[Callable[[], Any]] = []


def find_graphics() -> None:
    """Find out whether the terminal draws pictures; call it before the application starts.

    Without the package textual-image, or with ``NO_COLOR``, half blocks do.
    """
    _graphics.clear()
    if os.environ.get("NO_COLOR"):
        return
    try:
        # Here, since an optional package is imported, which asks the terminal meanwhile.
        from textual_image.renderable import Image as Best
        from textual_image.renderable import SixelImage, TGPImage
        from textual_image.widget import Image as Graphics
    except ImportError:
        return
    if Best in (SixelImage, TGPImage):
        _graphics.append(Graphics)


class HalfBlocks(Widget):
    """A picture in cells of two pixels, the upper half drawn over the lower."""

    def __init__(self) -> None:
        super().__init__()
        self.strips: list[Strip] = []

    def show(self, pixels: Pixels | None) -> None:
        """Show ``(height, width, 3)`` uint8; nothing for ``None``."""
        self.strips = [] if pixels is None else half_block_strips(pixels)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of cells."""
        strip = self.strips[y] if y < len(self.strips) else Strip([])
        return strip.adjust_cell_length(self.size.width, self.rich_style)


def half_block_strips(pixels: Pixels) -> list[Strip]:
    """Draw a picture with two rows of pixels a line; an odd last row is left out."""
    rows = pixels[: len(pixels) // 2 * 2].tolist()
    return [
        Strip([Segment("▀", _style(*above, *below)) for above, below in zip(*pair, strict=True)])
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]


@lru_cache(maxsize=1 << 15)
def _style(r: int, g: int, b: int, below_r: int, below_g: int, below_b: int) -> Style:
    return Style(color=Color.from_rgb(r, g, b), bgcolor=Color.from_rgb(below_r, below_g, below_b))


def fitted(shape: Shape, columns: int, lines: int) -> Shape:
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


class Picture(Container):
    """One picture, as large as its cells allow."""

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    Picture > * { width: 1fr; height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """Lay out the picture."""
        yield _graphics[0]() if _graphics else HalfBlocks()

    def show(self, pixels: Pixels | None) -> None:
        """Show ``(height, width, 3)`` uint8, or nothing."""
        for shown in self.children:  # none if it was closed before it was laid out
            if isinstance(shown, HalfBlocks):
                shown.show(pixels)
                continue
            height, width = (1, 1) if pixels is None else pixels.shape[:2]
            columns, lines = self.size
            height, width = fitted((height, width), max(columns, 1), max(lines, 1))
            shown.styles.width, shown.styles.height = width, height // 2
            shown.image = None if pixels is None else Image.fromarray(pixels)  # type: ignore[attr-defined]


def draw(pictures: PictureList, position: int, overlay: Overlay, columns: int, lines: int) -> Drawn:
    """Draw a picture for so many cells."""

    def fit(shape: Shape) -> Shape:
        return shape if _graphics else fitted(shape, columns, lines)

    return pictures.draw(position, overlay, fit, fine=bool(_graphics))


def shown_legend(overlay: Overlay) -> Text:
    """Say what is drawn over the pictures."""
    return legend(overlay, fine=bool(_graphics))
