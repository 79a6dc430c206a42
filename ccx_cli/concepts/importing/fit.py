"""How photographs become square."""

from __future__ import annotations

from enum import StrEnum


class Fit(StrEnum):
    """What becomes of a photograph that is not square.

    ``CROP`` keeps the largest square in its middle, ``STRETCH`` squeezes all of it into one.
    """

    CROP = "crop"
    STRETCH = "stretch"
