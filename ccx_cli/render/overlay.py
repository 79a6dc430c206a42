"""An image with a unit's hits outlined and a formula's pixels tinted, as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ccx_cli.errors import DamagedDataError, MissingInputError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Far apart in lightness and, for colour-blind readers too, in hue; rare in photographs.
HITS = (255, 224, 0)
FORMULA = (226, 0, 145)
_HALO = (20, 20, 20)
_TINT, _HATCH, _SPACING = 0.08, 0.5, 6
_DIMMED = 0.62


def read_picture(path: Path) -> Pixels:
    """Read an image file, ``(height, width, 3)`` uint8.

    Raises
    ------
    MissingInputError
        If it is not there.
    DamagedDataError
        If it is no image that can be read.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is missing: put the data set back in place.") from error
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise DamagedDataError(f"{path} is no image that can be read: replace it.") from error


def fitted(picture: Pixels, side: int) -> Pixels:
    """Return a picture as large as a square of ``side`` holds, its proportions kept.

    Small pictures are enlarged in whole pixels, as they are; others are resampled.
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture
    how = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize(size, how))


def to_size(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Enlarge or shrink a mask to ``shape``, each pixel taking its nearest one's value."""
    rows = (np.arange(shape[0]) + 0.5) * mask.shape[0] / shape[0]
    columns = (np.arange(shape[1]) + 0.5) * mask.shape[1] / shape[1]
    stretched: Mask = mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)]
    return stretched


def blacked(picture: Pixels, hits: Mask) -> Pixels:
    """Return a picture with everything outside the hits black, as the published panels show it."""
    return np.where(to_size(hits, picture.shape[:2])[..., None], picture, 0).astype(np.uint8)


def overlaid(picture: Pixels, hits: Mask, formula: Mask | None = None) -> Pixels:
    """Return a picture with the formula's pixels tinted and the hits outlined.

    What is not hit is dimmed, if anything is hit: of a ring, the eye could not tell the inside. A
    picture all of which is hit is framed: else it would look like one without a hit. The tint is
    hatched and ends in a line, so that it shows on pixels of its own colour and leaves the others
    theirs.

    Parameters
    ----------
    picture
        ``(height, width, 3)`` uint8.
    hits, formula
        Masks of any size, stretched over the picture.
    """
    shape = picture.shape[:2]
    width = max(1, round(min(shape) / 112))
    unit = to_size(hits, shape)
    shown = picture.astype(np.float32)
    if unit.any():
        shown[~unit] *= _DIMMED
    if formula is not None:
        inside = to_size(formula, shape)
        rows, columns = np.indices(shape)
        hatched = (rows + columns) % (_SPACING * width) < width
        strength = np.where(inside, np.where(hatched, _HATCH, _TINT), 0)[..., None]
        shown = (1 - strength) * shown + strength * np.array(FORMULA, np.float32)
        shown[outline(inside)] = FORMULA
    shown[outline(~unit)] = _HALO
    shown[_frame(shape, width) if unit.all() else outline(unit, width)] = HITS
    return shown.round().astype(np.uint8)


def _frame(shape: tuple[int, int], width: int) -> Mask:
    frame = np.ones(shape, np.bool_)
    frame[width:-width, width:-width] = False
    return frame


def outline(mask: Mask, width: int = 1) -> Mask:
    """Pixels of a mask that lie within ``width`` of its edge; the picture's border is none."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1, mode="edge")
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
