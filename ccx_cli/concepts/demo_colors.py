"""Names the colors of the demo pictures, by a rule of their own that never changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.color_names import COLOR_NAMES

_INDEX = {name: position for position, name in enumerate(COLOR_NAMES)}


def name_demo_colors(rgb: NDArray[np.floating] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return for each pixel the position of its color's name in ``COLOR_NAMES``.

    The borders between the names are fixed boxes in hue, saturation and value. ``rgb`` is
    ``(..., 3)``, values 0 to 255; the result ``(...)``.
    """
    red, green, blue = np.moveaxis(np.asarray(rgb, dtype=np.float32), -1, 0)
    high = np.maximum(np.maximum(red, green), blue)
    spread = high - np.minimum(np.minimum(red, green), blue)
    value = high / 255
    saturation = spread / np.maximum(high, 1)
    hue = _hue(red, green, blue, high, spread)

    reddish = (hue < 15) | (hue >= 345)
    warm = (hue >= 15) & (hue < 40)
    yellowish = (hue >= 40) & (hue < 66)
    violet = (hue >= 290) & (hue < 345)
    pale = saturation < 0.5
    # The first rule that holds names the pixel.
    rules = [
        (value < 0.2, "black"),
        ((saturation < 0.11) & (value > 0.82), "white"),
        ((saturation < 0.16) & (value <= 0.82), "grey"),
        ((saturation < 0.11), "grey"),
        (reddish & (value > 0.72) & (saturation < 0.58), "pink"),
        (reddish & (value < 0.45), "brown"),
        (reddish & (saturation < 0.45), "brown"),
        (reddish, "red"),
        (warm & pale & (value > 0.8) & (hue < 32), "pink"),
        (warm & pale & (value > 0.8), "yellow"),
        (warm & (value > 0.75) & (saturation > 0.6), "orange"),
        (warm, "brown"),
        (yellowish & (value > 0.6), "yellow"),
        (yellowish & (hue < 54), "brown"),
        (hue < 166, "green"),
        (hue < 252, "blue"),
        (hue < 290, "purple"),
        (violet & (value > 0.6) & (pale | (hue > 315)), "pink"),
    ]
    conditions = [condition for condition, _ in rules]
    names = [np.uint8(_INDEX[name]) for _, name in rules]
    return np.select(conditions, names, default=np.uint8(_INDEX["purple"])).astype(np.uint8)


def _hue(
    red: NDArray[np.float32],
    green: NDArray[np.float32],
    blue: NDArray[np.float32],
    high: NDArray[np.float32],
    spread: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the hue in degrees, 0 for greys."""
    safe = np.maximum(spread, 1e-6)
    sixths = np.where(
        high == red,
        ((green - blue) / safe) % 6,
        np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return np.asarray(np.where(spread > 0, sixths * 60, 0), dtype=np.float32)
