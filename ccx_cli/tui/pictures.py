"""Pictures in the terminal: which images, what is drawn over them, and how they are shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.strip import Strip
from textual.widget import Widget

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.design import FORMULA_EDGE
from ccx_cli.errors import CcxError
from ccx_cli.printable import printable
from ccx_cli.render.overlay import Mask, Pixels, blacked, overlaid, read_picture
from ccx_cli.tui.ink import ink

T = TypeVar("T")
# The values of ``study.unit_images.Show``, in the order in which a key goes through them.
SHOW = {
    "top": "most active",
    "sample": "sample above the IoU",
    "misses": "hits without the formula",
    "false-alarms": "formula without hits",
}
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


class Overlay(StrEnum):
    """What is drawn over an image."""

    BOTH = "both"
    HITS = "hits"
    NONE = "none"


def following(one: T, every: Iterable[T]) -> T:
    """Return what comes after one of several, the first after the last."""
    ordered = list(every)
    return ordered[(ordered.index(one) + 1) % len(ordered)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture and its caption; ``pixels`` is ``None`` if ``error`` says why it cannot be read."""

    pixels: Pixels | None
    caption: str
    error: str = ""


@dataclass(frozen=True)
class PictureList:
    """Images of a dataset, by their positions in it, in the order in which to look at them.

    ``title`` says which of ``total`` they are, ``caption`` what to write under one. ``hits`` and
    ``formula`` give an image's masks; ``None`` where there are none to draw.
    """

    title: Text
    dataset: BrodenDataset
    images: tuple[int, ...]
    total: int
    caption: Callable[[int], str]
    hits: Callable[[int], Mask] | None
    formula: Callable[[int], Mask]

    def draw(self, position: int, overlay: Overlay, columns: int, lines: int) -> Drawn:
        """Draw the picture at a position of this list for so many cells, or say why not."""
        image = self.images[position]
        name = printable(str(self.dataset.rows[image].image))
        caption = f"{self.caption(image)}  {name}"
        try:
            return Drawn(self._draw(image, overlay, columns, lines), caption)
        except CcxError as error:
            return Drawn(None, f"not read: {caption}", str(error))

    def _draw(self, image: int, overlay: Overlay, columns: int, lines: int) -> Pixels:
        path = self.dataset.image_path(self.dataset.rows[image].image)
        small = read_picture(path) if _graphics else _read_small(path, columns, lines)
        if overlay is Overlay.NONE:
            return small
        hits = None if self.hits is None else self.hits(image)
        if ink.few and hits is not None:
            small, hits = blacked(small, hits), None
        formula = self.formula(image) if overlay is Overlay.BOTH else None
        return overlaid(small, hits, formula, edge=ink.edge)


@lru_cache(maxsize=256)
def _read_small(path: Path, columns: int, lines: int) -> Pixels:
    """Read a picture at the size of so many cells, and keep it for the next time."""
    picture = read_picture(path)
    height, width = fitted(picture.shape[:2], columns, lines)
    small = Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.uint8)


def legend(overlay: Overlay) -> Text:
    """Say what is drawn over the pictures."""
    if overlay is Overlay.NONE:
        return Text("the images alone", style="dim")
    text = Text.assemble(("▓", "bold"), " hits")
    if overlay is Overlay.BOTH:
        text.append("  ▢", f"bold {'' if ink.few else FORMULA_EDGE}").append(" formula")
    return text


def fitted(shape: tuple[int, ...], columns: int, lines: int) -> tuple[int, int]:
    """Return the size at which a picture fills so many cells, undistorted, two pixels a cell."""
    scale = min(columns / shape[1], 2 * lines / shape[0])
    height = max(round(shape[0] * scale) // 2 * 2, 2)
    return height, max(round(shape[1] * scale), 1)


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


class Picture(Widget):
    """One picture, as large as its cells allow: real, or in half blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.strips: list[Strip] = []

    def compose(self) -> ComposeResult:
        if _graphics:
            yield _graphics[0]()

    def show(self, pixels: Pixels | None) -> None:
        """Show ``(height, width, 3)`` uint8, or nothing."""
        if not _graphics:
            self.strips = [] if pixels is None else half_block_strips(pixels)
        for real in self.children:  # none if it was closed before it was laid out
            columns, lines = self.size
            shape = (1, 1) if pixels is None else pixels.shape[:2]
            height, width = fitted(shape, max(columns, 1), max(lines, 1))
            real.styles.width, real.styles.height = width, height // 2
            real.image = None if pixels is None else Image.fromarray(pixels)  # type: ignore[attr-defined]
        self.refresh()

    def render_line(self, y: int) -> Strip:
        strip = self.strips[y] if y < len(self.strips) else Strip([])
        return strip.adjust_cell_length(self.size.width, self.rich_style)
