"""What comes first in an array of activations, told without importing NumPy."""

from __future__ import annotations

from enum import StrEnum


class Axes(StrEnum):
    """What comes first in an array of activations."""

    UNITS_FIRST = "units-first"
    IMAGES_FIRST = "images-first"
