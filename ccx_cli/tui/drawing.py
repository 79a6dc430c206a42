"""Images to show: which, in which order, and what is drawn over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.text import Text

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError
from ccx_cli.render.overlay import FORMULA, HITS, blacked, overlaid, read_picture

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Shape = tuple[int, int]
_DARK, _TINT = 0.42, 0.5
_BOX = Image.Resampling.BOX


class Overlay(StrEnum):
    """What is drawn over an image."""

    BOTH = "both"
    HITS = "hits"
    FORMULA = "formula"
    BLACK = "black"
    NONE = "none"

    @property
    def following(self) -> Overlay:
        """The next one, the first after the last."""
        every = list(Overlay)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as it is shown.

    Attributes
    ----------
    pixels
        ``(height, width, 3)`` uint8, ``None`` if the image cannot be read.
    caption
        The line under it.
    error
        Why it cannot be read, ``""`` if it can.
    """

    pixels: Pixels | None
    caption: str
    error: str = ""


@dataclass(frozen=True)
class PictureList:
    """Images in the order in which to look at them.

    Attributes
    ----------
    dataset
        Whose images they are.
    images
        Their positions in the dataset.
    captions
        A line for each.
    hits, formula
        Give an image's masks by its position; ``None`` where there are none to draw.
    """

    dataset: BrodenDataset
    images: tuple[int, ...]
    captions: tuple[str, ...]
    hits: Callable[[int], Mask] | None
    formula: Callable[[int], Mask] | None

    def draw(
        self, position: int, overlay: Overlay, fit: Callable[[Shape], Shape], *, fine: bool
    ) -> Drawn:
        """Draw one picture of the list, or say why it cannot be drawn.

        Parameters
        ----------
        position
            In this list.
        overlay
            What to draw over it.
        fit
            Gives the size to draw at from the image's own, both ``(height, width)``.
        fine
            Whether the pixels are small enough for lines; else hits are bright and the formula is
            tinted.
        """
        caption = self.captions[position]
        try:
            return Drawn(self._draw(self.images[position], overlay, fit, fine), caption)
        except CcxError as error:
            return Drawn(None, f"not read: {caption}", str(error))

    def _draw(
        self, image: int, overlay: Overlay, fit: Callable[[Shape], Shape], fine: bool
    ) -> Pixels:
        picture = read_picture(self.dataset.image_path(self.dataset.rows[image].image))
        height, width = fit((picture.shape[0], picture.shape[1]))
        small = np.asarray(Image.fromarray(picture).resize((width, height), _BOX), dtype=np.uint8)
        hits = None if self.hits is None or overlay is Overlay.FORMULA else self.hits(image)
        formula = None if self.formula is None or overlay is Overlay.HITS else self.formula(image)
        if overlay is Overlay.NONE:
            return small
        if overlay is Overlay.BLACK:
            return small if hits is None else blacked(small, hits)
        if not fine:
            return highlighted(small, hits, formula)
        return overlaid(small, np.zeros((1, 1), np.bool_) if hits is None else hits, formula)


def highlighted(picture: Pixels, hits: Mask | None, formula: Mask | None) -> Pixels:
    """Return a picture with the hits bright, the rest dark, and the formula's pixels tinted.

    Parameters
    ----------
    picture
        ``(height, width, 3)`` uint8, so small that a line would cover what it surrounds.
    hits, formula
        Masks of any size; a pixel that they cover in part is changed in part. ``None`` for none.
    """
    shown = picture.astype(np.float32)
    if hits is not None:
        grey = shown.mean(axis=2, keepdims=True)
        covered = _covered(hits, picture.shape[:2])
        shown = covered * shown + (1 - covered) * _DARK * (grey + shown) / 2
    if formula is not None:
        strength = _TINT * _covered(formula, picture.shape[:2])
        shown = (1 - strength) * shown + strength * np.array(FORMULA, np.float32)
    return shown.round().astype(np.uint8)


def _covered(mask: Mask, shape: Shape) -> NDArray[np.float32]:
    """Return how much of each pixel a mask covers, ``(height, width, 1)`` float32."""
    cells = Image.fromarray(mask.astype(np.uint8) * 255).resize((shape[1], shape[0]), _BOX)
    return np.asarray(cells, dtype=np.float32)[..., None] / np.float32(255)


def legend(overlay: Overlay, *, fine: bool) -> Text:
    """Say what is drawn over the pictures, in the colors it is drawn in."""
    hits = ("▢ in range", _bold(HITS)) if fine else ("▓ in range", "bold")
    formula = ("▓ formula", _bold(FORMULA))
    match overlay:
        case Overlay.BOTH:
            return Text.assemble(hits, "  ", formula)
        case Overlay.HITS:
            return Text.assemble(hits)
        case Overlay.FORMULA:
            return Text.assemble(formula)
        case Overlay.BLACK:
            return Text("black: not in range", style="dim")
        case Overlay.NONE:
            return Text("the images alone", style="dim")


def _bold(color: tuple[int, int, int]) -> str:
    return "bold #{:02x}{:02x}{:02x}".format(*color)
