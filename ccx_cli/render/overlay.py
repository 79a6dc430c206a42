"""Draws a unit's hits and a formula's pixels over an image, as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ccx_cli.design import FORMULA_EDGE, HALO
from ccx_cli.errors import DamagedDataError, MissingInputError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Rare in photographs; the line beside it shows on pixels of its own color.
FORMULA = tuple(bytes.fromhex(FORMULA_EDGE[1:]))
_HALO = tuple(bytes.fromhex(HALO[1:]))
# Pixels of a side from which a line has one of another color beside it.
_HALO_FROM = 96
_DIMMED = 0.4
# Strength of a line that is wide in proportion to a small picture.
_THIN = 0.7


def read_picture(path: Path) -> Pixels:
    """Read an image file, ``(height, width, 3)`` uint8.

    Raises ``MissingInputError`` if it is not there, ``DamagedDataError`` if it is not readable.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is missing: restore the dataset.") from error
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise DamagedDataError(f"{path} is not a readable image: replace it.") from error


def fitted(picture: Pixels, side: int) -> Pixels:
    """Scale a picture to fit a square of ``side`` pixels, keeping its aspect ratio.

    Small pictures are enlarged without interpolation; others are resampled.
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        return picture
    how = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(picture).resize(size, how))


def to_size(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Resize a mask to ``shape`` by nearest neighbor."""
    rows = (np.arange(shape[0]) + 0.5) * mask.shape[0] / shape[0]
    columns = (np.arange(shape[1]) + 0.5) * mask.shape[1] / shape[1]
    stretched: Mask = mask[rows.astype(np.int64)[:, None], columns.astype(np.int64)]
    return stretched


def blacked(picture: Pixels, hits: Mask) -> Pixels:
    """Black out everything outside the hits, as the published figures do."""
    return np.where(to_size(hits, picture.shape[:2])[..., None], picture, 0).astype(np.uint8)


def overlaid(
    picture: Pixels,
    hits: Mask | None,
    formula: Mask | None = None,
    line: int | None = None,
    edge: tuple[int, ...] = FORMULA,
) -> Pixels:
    """Show the hits in true color, the rest dimmed, and the formula's pixels by their edge.

    For a ``(height, width, 3)`` uint8 picture of any size, as small as those of a terminal; masks
    of any size are resized to it, and a pixel that the hits cover in part is dimmed in part.
    Without ``hits`` nothing is dimmed. A picture on all of which the formula holds is framed.
    ``line`` is the width of the edge in pixels, by default one that a screen shows well, and
    ``edge`` its color.
    """
    shape = picture.shape[:2]
    shown = picture.astype(np.float32)
    if hits is not None:
        dimmed = _DIMMED * (shown.mean(axis=2, keepdims=True) + shown) / 2
        covered = _covered(hits, shape)[..., None]
        shown = covered * shown + (1 - covered) * dimmed
    if formula is not None:
        inside = _covered(formula, shape) >= 0.5
        width = line or max(1, round(min(shape) / 112))
        around = outline(~inside, width)
        strength, drawn = _THIN, around  # what is small stays visible
        if min(shape) >= _HALO_FROM:
            shown[around] = _HALO
            strength, drawn = 1.0, outline(inside, width)
        if inside.all():
            drawn = np.ones(shape, np.bool_)
            drawn[width:-width, width:-width] = False
        shown[drawn] = (1 - strength) * shown[drawn] + strength * np.array(edge, np.float32)
    return shown.round().astype(np.uint8)


def _covered(mask: Mask, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return how much of each pixel of a picture of this shape a mask covers."""
    cells = Image.fromarray(mask.astype(np.uint8) * 255).resize(shape[::-1], Image.Resampling.BOX)
    return np.asarray(cells, dtype=np.float32) / np.float32(255)


def outline(mask: Mask, width: int = 1) -> Mask:
    """Return the pixels of a mask within ``width`` of its edge; the picture's border is no edge."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1, mode="edge")
        inner = inner & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
