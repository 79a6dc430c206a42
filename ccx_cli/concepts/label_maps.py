"""Reads label PNGs: which label each pixel of each layer of an image carries."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden import BrodenDataset, ImageRow
from ccx_cli.concepts.broden_csv import repair_hint
from ccx_cli.errors import DamagedDataError, MissingInputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_BIT_DEPTH = 24
"""Where a PNG holds its bits per sample: Pillow reads 16 as 8 silently."""


def read_label_maps(dataset: BrodenDataset, row: ImageRow) -> NDArray[np.uint16]:
    """Read the label PNGs of an image: numbers (layers, mask_height, mask_width), 0 for none.

    Raises ``MissingInputError`` if one is not there, ``DamagedDataError`` if one is damaged, of
    another kind or size, or holds a number that ``label.csv`` does not have.
    """
    maps = [_read_label_map(dataset, row, layer) for layer in row.layers]
    if not maps:
        return np.zeros((0, row.mask_height, row.mask_width), np.uint16)
    labels = np.stack(maps)
    allowed = np.frombuffer(dataset.pixel_values, np.bool_)
    if not allowed[labels].all():
        layer, y, x = (int(index[0]) for index in np.nonzero(~allowed[labels]))
        raise DamagedDataError(
            f"{dataset.image_path(row.layers[layer])} holds the number {labels[layer, y, x]} "
            f"(row {y}, column {x}), which label.csv does not have: add the label there or "
            "correct the PNG."
        )
    return labels


def _read_label_map(dataset: BrodenDataset, row: ImageRow, layer: str) -> NDArray[np.uint16]:
    """Return (mask_height, mask_width) label numbers, not yet checked against ``label.csv``."""
    path = dataset.image_path(layer)
    remedy = repair_hint(dataset.directory)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is missing: {remedy}.") from error
    except OSError as error:
        raise DamagedDataError(f"{path} cannot be read ({error.strerror}): {remedy}.") from error
    if not is_whole_png(data):
        raise DamagedDataError(f"{path} is not a complete PNG: {remedy}.")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            if picture.mode not in ("RGB", "RGBA", "P") or data[_BIT_DEPTH] == 16:
                raise DamagedDataError(
                    f"{path} is a PNG of mode {picture.mode} with {data[_BIT_DEPTH]} bits per "
                    "sample where label PNGs are RGB, RGBA or palette with 8: save it as RGB "
                    "with red + 256 * green the label's number."
                )
            if picture.size != (row.mask_width, row.mask_height):
                raise DamagedDataError(
                    f"{path} is {picture.height}x{picture.width} where the index says "
                    f"{row.mask_height}x{row.mask_width}: {remedy}."
                )
            if picture.mode == "RGB":
                pixels = picture.tobytes("raw", "RGBX")
            else:
                pixels = picture.convert("RGBA").tobytes()
    except Image.DecompressionBombError as error:
        raise DamagedDataError(
            f"{path} claims more pixels than a label PNG may have: {remedy}."
        ) from error
    except _UNREADABLE as error:
        raise DamagedDataError(f"{path} cannot be decoded as a PNG ({error}): {remedy}.") from error
    # Four bytes a pixel: red and green are the little-endian number, blue and alpha the next.
    return np.frombuffer(pixels, "<u2").reshape(row.mask_height, row.mask_width, 2)[:, :, 0]


def is_whole_png(data: bytes) -> bool:
    """Tell whether the checksums of all chunks hold: Pillow does not check the pixels'."""
    if not data.startswith(_SIGNATURE):
        return False
    view = memoryview(data)
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(view[start : start + 4])
        checksum = int.from_bytes(view[end : end + 4])
        if end + 4 > len(data) or zlib.crc32(view[start + 4 : end]) != checksum:
            return False
        if data[start + 4 : start + 8] == b"IEND":
            return True
        start = end + 4
    return False
