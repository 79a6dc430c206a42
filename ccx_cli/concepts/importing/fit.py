"""How photographs get the shape of a data set's."""

from __future__ import annotations

from enum import StrEnum


class Fit(StrEnum):
    """What becomes of a photograph of another shape than the data set's, mostly a square.

    ``CROP`` keeps the largest part of that shape in its middle, ``STRETCH`` squeezes all of it in.
    """

    CROP = "crop"
    STRETCH = "stretch"
