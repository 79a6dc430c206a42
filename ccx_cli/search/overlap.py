"""How hits N and the pixels of a formula F meet: whole numbers in, exact measures out.

``lift`` and ``mcc`` say what an IoU is worth beyond chance, which the IoU alone does not: it grows
with the size of the range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Overlap:
    """Numbers of pixels of a dataset.

    Attributes
    ----------
    hits, both, total
        ``|N|``, ``|N & F|`` and ``|F|``.
    pixels
        ``P``, all labeled pixels.
    """

    hits: int
    both: int
    total: int
    pixels: int

    @classmethod
    def of_iou(cls, iou: float, hits: int, total: int, pixels: int) -> Self:
        """Recover ``|N & F|`` from an IoU, exactly: below 2^50 pixels its float64 tells them apart.

        Raises
        ------
        ValueError
            If no such overlap has this IoU.
        """
        found = cls(hits, round(iou * (hits + total) / (1 + iou)), total, pixels)
        if found.iou != iou or not hits + total - pixels <= found.both <= min(hits, total):
            raise ValueError(f"no {hits} hits and {total} of {pixels} pixels have the IoU {iou}")
        return found

    @property
    def union(self) -> int:
        """``|N | F|``."""
        return self.hits + self.total - self.both

    @property
    def iou(self) -> float:
        """``|N & F| / |N | F|``, 0 where both are empty."""
        return self.both / self.union if self.union else 0.0

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, ``2 |N & F| / (|N| + |F|)``: the Dice coefficient.

        ``None`` where both are empty.
        """
        sizes = self.hits + self.total
        return 2 * self.both / sizes if sizes else None

    @property
    def baseline(self) -> float | None:
        """IoU of all labeled pixels, ``|N| / P``; ``None`` where there are none."""
        return self.hits / self.pixels if self.pixels else None

    @property
    def lift(self) -> float | None:
        """IoU over that of an independent mask of the same size.

        With ``q = |F| / P`` and ``v = |N| / P`` such a mask is expected to reach
        ``q v / (q + v - q v)``. ``None`` where either is empty: nothing is expected then.
        """
        by_chance = self.hits * self.total
        if not by_chance:
            return None
        expected_union = self.pixels * (self.hits + self.total) - by_chance
        return self.both * expected_union / (self.union * by_chance)

    @property
    def mcc(self) -> float | None:
        """Matthews correlation of the two masks: their phi coefficient, -1 to 1.

        0 where either is empty or has all pixels, when a correlation is not defined: as in
        scikit-learn, a mask that is the same everywhere says nothing about the other. ``None``
        where there are no pixels.
        """
        hits, total, pixels = self.hits, self.total, self.pixels
        if not pixels:
            return None
        spread = hits * (pixels - hits) * total * (pixels - total)
        if not spread:
            return 0.0
        found = (self.both * pixels - hits * total) / math.sqrt(spread)
        return max(-1.0, min(1.0, found))
