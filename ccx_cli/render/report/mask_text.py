"""Masks as short texts, which the page's script draws over the pictures."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
from numpy.typing import NDArray

BITS, RUNS = "b", "r"


def mask_text(mask: NDArray[np.bool_]) -> str:
    """Write a mask as whichever is shorter: its bits, or the lengths of its runs.

    ``b`` and base64 of the pixels in row order, eight a byte, the first one highest; or ``r`` and
    base64 of the lengths of the runs in row order, the first of them outside the mask, each seven
    bits a byte from the lowest, the eighth bit set where more follow (LEB128).

    Parameters
    ----------
    mask
        ``(height, width)`` bool.
    """
    pixels = mask.reshape(-1)
    bits = np.packbits(pixels).tobytes()
    runs = _run_lengths(pixels)
    if len(runs) < len(bits):
        packed = _leb128(runs)
        if len(packed) < len(bits):
            return RUNS + b64encode(packed).decode()
    return BITS + b64encode(bits).decode()


def _run_lengths(pixels: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [len(pixels)]]))
    return np.concatenate([[0], lengths]) if len(pixels) and pixels[0] else lengths


def _leb128(numbers: NDArray[np.int64]) -> bytes:
    """Write each number in as many bytes as it needs, at most five."""
    shifts = np.arange(0, 35, 7)
    parts = numbers[:, None] >> shifts
    needed = (parts > 0) | (shifts == 0)
    more = np.zeros_like(needed)
    more[:, :-1] = needed[:, 1:]
    packed = (parts & 0x7F) | np.where(more, 0x80, 0)
    return bytes(packed[needed].astype(np.uint8))
