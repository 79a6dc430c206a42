"""Names the color of pixels with the eleven basic color terms, by a table of RGB cells."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.color_rules import LEVELS

_TERMS = "black blue brown grey green orange pink purple red white yellow"
COLOR_NAMES = tuple(_TERMS.split())
"""The eleven basic color terms (Berlin and Kay 1969), in the order of their label numbers."""

COLOR_TABLE = Path(__file__).with_name("color_names.png")
"""A picture of the table: a row for each level of red, in it green times 32 plus blue."""

_STEP = 256 // LEVELS


@cache
def read_color_table() -> NDArray[np.uint8]:
    """Read the position in ``COLOR_NAMES`` of each cell of eight values of red, green and blue."""
    with Image.open(COLOR_TABLE) as picture:
        return np.asarray(picture).reshape(-1)


def cells_of(rgb: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the index in the table of each color of ``rgb``, ``(..., 3)``, as ``(...)``."""
    red, green, blue = np.moveaxis((rgb // _STEP).astype(np.intp), -1, 0)
    return np.asarray((red * LEVELS + green) * LEVELS + blue)


def name_colors(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the position in ``COLOR_NAMES`` of each color of ``rgb``, ``(..., 3)``."""
    return read_color_table()[cells_of(rgb)]


def shrink(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring an image, ``(height, width, 3)``, to the (height, width) ``shape`` of its label maps.

    Colors are named after that, not before: a label is the name of the mean color around it. On
    the held-out photographs, means by a triangle (bilinear) agree with 93.6% of the labels, by a
    box with 90.6%, and the commonest name of the pixels that a label covers with 89.1%.
    """
    image = Image.fromarray(pixels).resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(image)
