"""Pictures to show: which images, in which order, and what is drawn over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from ccx_cli.errors import CcxError
from ccx_cli.printable import printable

if TYPE_CHECKING:
    from ccx_cli.tui.looking import UnitLook
    from ccx_cli.tui.reading import OpenRun

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Shape = tuple[int, int]
MOST_PICTURES = 60
_DARK, _TINT = 0.42, 0.5
# The values of ``study.unit_images.Show``, which is imported in threads only: it brings numba.
CHOICES = {
    "sample": "sample above the IoU",
    "top": "most active",
    "misses": "in range, no formula",
    "false-alarms": "formula, not in range",
}


class Layers(StrEnum):
    """What is drawn over an image."""

    BOTH = "both"
    HITS = "hits"
    FORMULA = "formula"
    BLACKED = "black"
    PLAIN = "plain"

    @property
    def following(self) -> Layers:
        """The next one, the first after the last."""
        every = list(Layers)
        return every[(every.index(self) + 1) % len(every)]


@dataclass(frozen=True)
class PictureList:
    """Images in the order in which to look at them.

    Attributes
    ----------
    run
        Whose images they are.
    places
        Of the images in the data set.
    captions
        A line for each.
    hits, formula
        Give an image's masks by its place; ``None`` where there are none to draw.
    """

    run: OpenRun
    places: tuple[int, ...]
    captions: tuple[str, ...]
    hits: Callable[[int], Mask] | None
    formula: Callable[[int], Mask] | None

    def draw(
        self, which: int, layers: Layers, fit: Callable[[Shape], Shape], *, fine: bool
    ) -> Pixels:
        """Draw one picture, ``(height, width, 3)`` uint8.

        Parameters
        ----------
        which
            Its place in this list.
        layers
            What to draw over it.
        fit
            Gives the size to draw at from the image's own, both ``(height, width)``.
        fine
            Whether the pixels are small enough for lines; else hits are bright and the formula is
            tinted.

        Raises
        ------
        CcxError
            If the image cannot be read.
        """
        from PIL import Image

        from ccx_cli.render.overlay import blacked, overlaid, read_picture

        place = self.places[which]
        dataset = self.run.dataset
        picture = read_picture(dataset.image_path(dataset.rows[place].image))
        height, width = fit((picture.shape[0], picture.shape[1]))
        small = np.asarray(
            Image.fromarray(picture).resize((width, height), Image.Resampling.BOX), dtype=np.uint8
        )
        hits = None if self.hits is None or layers is Layers.FORMULA else self.hits(place)
        formula = None if self.formula is None or layers is Layers.HITS else self.formula(place)
        if layers is Layers.PLAIN:
            return small
        if layers is Layers.BLACKED:
            return small if hits is None else blacked(small, hits)
        if not fine:
            return lit(small, hits, formula)
        return overlaid(small, np.zeros((1, 1), np.bool_) if hits is None else hits, formula)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as it is shown.

    Attributes
    ----------
    pixels
        ``(height, width, 3)`` uint8, ``None`` if the image cannot be read.
    caption
        The line under it.
    trouble
        Why it cannot be read, ``""`` if it can.
    """

    pixels: Pixels | None
    caption: str
    trouble: str = ""


def try_to_draw(
    pictures: PictureList, which: int, layers: Layers, fit: Callable[[Shape], Shape], *, fine: bool
) -> Drawn:
    """Draw one picture of a list as ``PictureList.draw`` does, or say why it cannot be."""
    caption = pictures.captions[which]
    try:
        return Drawn(pictures.draw(which, layers, fit, fine=fine), caption)
    except CcxError as error:
        return Drawn(None, f"not read: {caption}", str(error))


def lit(picture: Pixels, hits: Mask | None, formula: Mask | None) -> Pixels:
    """Return a picture with the hits bright, the rest dark, and the formula's pixels tinted.

    Parameters
    ----------
    picture
        ``(height, width, 3)`` uint8, so small that a line would cover what it surrounds.
    hits, formula
        Masks of any size; a pixel that they cover in part is changed in part. ``None`` for none.
    """
    from ccx_cli.render.overlay import FORMULA

    shown = picture.astype(np.float32)
    if hits is not None:
        grey = shown.mean(axis=2, keepdims=True)
        dark = _DARK * (grey + shown) / 2
        share = _shares(hits, picture.shape[:2])
        shown = share * shown + (1 - share) * dark
    if formula is not None:
        strength = _TINT * _shares(formula, picture.shape[:2])
        shown = (1 - strength) * shown + strength * np.array(FORMULA, np.float32)
    return shown.round().astype(np.uint8)


def legend(layers: Layers, fine: bool) -> Text:
    """Say what is drawn over the pictures, in the colours it is drawn in."""
    from ccx_cli.render.overlay import FORMULA, HITS

    hits = ("▢ in range", _bold(HITS)) if fine else ("▓ in range", "bold")
    formula = ("▓ formula", _bold(FORMULA))
    match layers:
        case Layers.BOTH:
            return Text.assemble(hits, "  ", formula)
        case Layers.HITS:
            return Text.assemble(hits)
        case Layers.FORMULA:
            return Text.assemble(formula)
        case Layers.BLACKED:
            return Text("black: not in range", style="dim")
        case Layers.PLAIN:
            return Text("the images alone", style="dim")


def _bold(color: tuple[int, int, int]) -> str:
    return "bold #{:02x}{:02x}{:02x}".format(*color)


def _shares(mask: Mask, shape: Shape) -> NDArray[np.float32]:
    """Return how much of each pixel a mask covers, ``(height, width, 1)`` float32."""
    from PIL import Image

    cells = Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (shape[1], shape[0]), Image.Resampling.BOX
    )
    return np.asarray(cells, dtype=np.float32)[..., None] / np.float32(255)


def pictures_of_range(
    run: OpenRun, look: UnitLook, place: int, choice: str, seed: int = 0
) -> PictureList:
    """Choose images for one range of a unit.

    Parameters
    ----------
    run, look
        The unit.
    place
        Of the range among the unit's records that have one.
    choice
        One of ``CHOICES``.
    seed
        Of the sample.
    """
    from ccx_cli.study.unit_images import Show

    chosen = look.images.choose(place, Show(choice), MOST_PICTURES, seed)
    counts = look.images.counts[place]
    captions = []
    for image in chosen.tolist():
        in_range, formula = int(counts.in_range[image]), int(counts.formula[image])
        both = int(counts.both[image])
        union = in_range + formula - both
        iou = both / union if union else 0.0
        captions.append(f"IoU {iou:.2f}  {_name(run, image)}")
    return PictureList(
        run,
        tuple(chosen.tolist()),
        tuple(captions),
        lambda image: look.images.hit_mask(place, image),
        lambda image: look.images.formula_mask(place, image),
    )


def pictures_of_concept(run: OpenRun, number: int) -> PictureList:
    """Choose the images that carry a concept on most pixels; the first ones win ties."""
    from ccx_cli.formulas.formula import Concept
    from ccx_cli.search.scoring import holds_on
    from ccx_cli.study.unit_images import mask_of

    index = run.index
    holds = holds_on(Concept(number), index)
    pixels = index.pixels_by_image(holds)
    chosen = np.argsort(-pixels, kind="stable")[:MOST_PICTURES]
    chosen = chosen[pixels[chosen] > 0]
    size = index.mask_shape[0] * index.mask_shape[1]
    return PictureList(
        run,
        tuple(chosen.tolist()),
        tuple(f"{pixels[image] / size:4.0%}  {_name(run, image)}" for image in chosen.tolist()),
        None,
        lambda image: mask_of(holds, index, image),
    )


def _name(run: OpenRun, image: int) -> str:
    return printable(str(run.dataset.rows[image].image))
