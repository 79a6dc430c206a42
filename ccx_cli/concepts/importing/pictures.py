"""Reads photographs and label PNGs, and brings both to the size of a dataset."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from ccx_cli.concepts.importing.settings import Fit
from ccx_cli.errors import DamagedDataError, MissingInputError

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_SIDEWAYS = {5, 6, 7, 8}
_LOSSLESS = {"PNG", "BMP", "PPM", "GIF"}
_SHARPER = 2
"""A JPEG is decoded at no less than this many times the size that is wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A photograph at the size of the dataset."""

    pixels: NDArray[np.uint8]
    """``(height, width, 3)``."""

    size: tuple[int, int]
    """(height, width) of the file's picture, the way up that its label maps have."""

    lossless: bool
    """Whether it came from a file that keeps every pixel, and was not resized."""

    kept: bytes | None
    """The file's own bytes, where it is a JPEG of this size already."""


def read_photograph(
    path: Path, wanted: tuple[int, int], fit: Fit, label_shape: tuple[int, int] | None = None
) -> Photograph:
    """Read a photograph and bring it to a size.

    ``Fit.CROP`` resizes (Lanczos) the largest part of that shape in the middle, which is how most
    networks see photographs; ``Fit.STRETCH`` resizes all of it. The orientation that the camera
    noted is followed, unless only the file as it is has the shape of its labels. ``wanted`` and
    ``label_shape`` are (height, width) in pixels.
    """
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith(("I", "F")):
                raise DamagedDataError(
                    f"{path} has more than 8 bits per color: save it as an 8-bit image."
                )
            width, height = picture.size
            turn = picture.getexif().get(ExifTags.Base.Orientation, 1)
            turned = turn in _SIDEWAYS
            upright = turn != 1 and not (
                turned
                and label_shape is not None
                and same_shape(label_shape, (height, width))
                and not same_shape(label_shape, (width, height))
            )
            exact = (height, width) == wanted
            kept = path.read_bytes() if exact and turn == 1 and _is_plain_jpeg(picture) else None
            lossless = exact and picture.format in _LOSSLESS
            # Large JPEGs decode several times faster at a fraction of their size.
            shorter = min(width, height)
            scale = max(1.0, shorter / (max(wanted) * _SHARPER))
            picture.draft("RGB", (round(width / scale), round(height / scale)))
            if upright:
                ImageOps.exif_transpose(picture, in_place=True)
            colored = picture.convert("RGB")
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is missing: restore the photograph.") from error
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise DamagedDataError(
            f"{path} cannot be read as an image ({error}): restore or remove it."
        ) from error
    size = (width, height) if upright and turned else (height, width)
    if (colored.height, colored.width) != wanted:
        box = window((colored.height, colored.width), wanted, fit)
        colored = colored.resize(wanted[::-1], Image.Resampling.LANCZOS, box=box)
    return Photograph(np.asarray(colored), size, lossless, kept)


def _is_plain_jpeg(picture: Image.Image) -> bool:
    return picture.format == "JPEG" and picture.mode in {"RGB", "L"}


def window(
    size: tuple[int, int], wanted: tuple[int, int], fit: Fit
) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of the part of a picture that is kept.

    It has (height, width) ``size``; of those that it is brought to only the shape matters.
    """
    height, width = size
    if fit is Fit.STRETCH:
        return 0.0, 0.0, float(width), float(height)
    kept_height, kept_width = float(height), float(width)
    if height * wanted[1] < width * wanted[0]:
        kept_width = height * wanted[1] / wanted[0]
    else:
        kept_height = width * wanted[0] / wanted[1]
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def sample(
    numbers: NDArray[np.uint16], wanted: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.uint16]:
    """Bring the part of a label map in a ``window`` to a (height, width).

    Each pixel takes the value at its center.
    """
    left, top, right, bottom = box
    down, across = ((np.arange(side) + 0.5) / side for side in wanted)
    rows = (top + down * (bottom - top)).astype(np.intp)
    columns = (left + across * (right - left)).astype(np.intp)
    return np.ascontiguousarray(numbers[rows[:, None], columns])


def same_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Tell whether two (height, width) are of one shape, up to a pixel's rounding."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= max(*a, *b)


def pack_layers(maps: Sequence[NDArray[np.uint16]]) -> list[NDArray[np.uint16]]:
    """Put ``(height, width)`` label maps into as few layers as hold every label of every pixel.

    The first maps have the first layer where they meet. No pixel has a label twice, and none of the
    layers is empty.
    """
    layers: list[NDArray[np.uint16]] = []
    for numbers in maps:
        left = numbers.copy()
        for layer in layers:
            left[left == layer] = 0
        for layer in layers:
            free = (layer == 0) & (left > 0)
            layer[free] = left[free]
            left[free] = 0
        if left.any():
            layers.append(left)
    return layers


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name a picture in the errors of reading it."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is missing: restore it.") from error
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise DamagedDataError(
            f"{path} cannot be read as an image ({error}): restore or remove it."
        ) from error
