"""Reads photographs and label PNGs, and brings both to the size of a dataset."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin

from ccx_cli.concepts.importing.settings import Fit, LabelOrientation
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError

# Larger pictures than Pillow warns of are read, up to those that it refuses.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# What is odd in a file but no pixel, such as a damaged tag, does not matter.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_SIDEWAYS = {5, 6, 7, 8}
# What brings stored pixels upright, by the orientation in the EXIF.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK = {**_TURNS, 6: _TURNS[8], 8: _TURNS[6]}
_LOSSLESS = {"PNG", "BMP", "PPM", "GIF"}
# One of them is in each PNG that notes an orientation.
_ORIENTATION_MARKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
# A JPEG is decoded at no less than this many times the size that is wanted.
_SHARPER = 2


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """A photograph at the size of the dataset, ``pixels`` ``(height, width, 3)``.

    ``size`` is the (height, width) of the file's picture, the way up that its label maps have, and
    ``turn`` the orientation in its EXIF, 1 to 8. ``lossless`` tells whether the file keeps every
    pixel and was not resized; ``kept`` are its bytes, where it is a JPEG of this size already.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    lossless: bool
    turn: int
    kept: bytes | None


def read_photograph(
    path: Path,
    wanted: tuple[int, int],
    fit: Fit,
    label_shape: tuple[int, int] | None = None,
    label_orientation: LabelOrientation | None = None,
) -> Photograph:
    """Read a photograph and bring it to a size.

    ``Fit.CROP`` resizes (Lanczos) the largest part of that shape in the middle, which is how most
    networks see photographs; ``Fit.STRETCH`` resizes all of it. The orientation in the EXIF is
    followed, unless the labels lie as the pixels are stored: their shape says so, or
    ``label_orientation`` where the shape does not tell, and ``UsageError`` is raised where nothing
    does. ``wanted`` and ``label_shape`` are (height, width) in pixels.
    """
    with reading(path), Image.open(path) as picture:
        if picture.mode.startswith(("I", "F")):
            raise DamagedDataError(
                f"{path} has more than 8 bits per color: save it as an 8-bit image."
            )
        turn = _read_orientation(picture)
        width, height = picture.size
        is_tiff = False
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            # Pillow turns TIFFs itself: the pixels when it loads them, the size before that.
            is_tiff = True
            # Without a name, the file is not mapped: Pillow maps it in the turned size.
            picture.filename = ""
            if picture.tag_v2.get(ExifTags.Base.Orientation) in _SIDEWAYS:
                width, height = height, width
        shown = (width, height) if turn in _SIDEWAYS else (height, width)
        as_labels: LabelOrientation | None = LabelOrientation.SHOWN
        if turn != 1 and label_shape is not None:
            as_labels = _orient_labels(label_shape, (height, width), shown) or label_orientation
        if as_labels is None:
            raise UsageError(
                f"{path} is turned by its EXIF (orientation {turn}), and its shape does not "
                "tell whether its labels are: set `label_orientation` to shown if they lie as "
                "viewers show it, else to stored."
            )
        size = shown if as_labels is LabelOrientation.SHOWN else (height, width)
        exact = size == wanted
        is_plain = picture.format == "JPEG" and picture.mode in {"RGB", "L"}
        kept = path.read_bytes() if exact and turn == 1 and is_plain else None
        lossless = exact and picture.format in _LOSSLESS
        # Large JPEGs decode several times faster at a fraction of their size.
        scale = max(1.0, min(width, height) / (max(wanted) * _SHARPER))
        picture.draft("RGB", (round(width / scale), round(height / scale)))
        colored = picture.convert("RGB")
        steps = _BACK if is_tiff else _TURNS
        if turn != 1 and (as_labels is LabelOrientation.SHOWN) is not is_tiff:
            colored = colored.transpose(steps[turn])
    if (colored.height, colored.width) != wanted:
        box = window((colored.height, colored.width), wanted, fit)
        colored = colored.resize(wanted[::-1], Image.Resampling.LANCZOS, box=box)
    return Photograph(np.asarray(colored), size, lossless, turn, kept)


def _read_orientation(picture: Image.Image) -> int:
    """Return 1 to 8; an EXIF that cannot be read says nothing, as in a browser."""
    try:
        turn = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        # Whatever a parser may raise; of a TIFF the pixels are read by these tags.
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            raise
        return 1
    return turn if isinstance(turn, int) and turn in _TURNS else 1


def _orient_labels(
    labels: tuple[int, int], stored: tuple[int, int], shown: tuple[int, int]
) -> LabelOrientation | None:
    """Say how labels of a shape lie, ``None`` if it may be either."""
    fits_stored, fits_shown = same_shape(labels, stored), same_shape(labels, shown)
    if stored != shown and labels in (stored, shown):
        fits_stored, fits_shown = labels == stored, labels == shown
    if fits_stored and fits_shown:
        return None
    return LabelOrientation.STORED if fits_stored else LabelOrientation.SHOWN


def read_png_orientation(path: Path) -> int:
    """Return the orientation that a label PNG notes, 1 where it notes none."""
    with reading(path):
        data = path.read_bytes()
        if not any(mark in data for mark in _ORIENTATION_MARKS):
            return 1
        with Image.open(io.BytesIO(data)) as picture:
            return _read_orientation(picture)


def window(
    size: tuple[int, int], wanted: tuple[int, int], fit: Fit
) -> tuple[float, float, float, float]:
    """Return (left, top, right, bottom) of the part of a picture that is kept."""
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
    """Bring the part of a label map in a ``window`` to a (height, width)."""
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
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DamagedDataError(
            f"{path} has more than {most:,} pixels: shrink or remove it."
        ) from error
    except _UNREADABLE as error:
        raise DamagedDataError(
            f"{path} cannot be read as an image ({error}): restore or remove it."
        ) from error
