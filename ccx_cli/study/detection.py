"""A unit's activation as it is, without ranges, beside the pixels of a formula.

How far the two are alike, and how well the activation detects the formula: a threshold calls the
pixels above it the formula's, or the images whose largest activation lies above it those with the
formula, and every threshold has a precision and a recall. Pixels of the same activation are called
together, as scikit-learn does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ccx_cli.probe.activation_levels import ActivationLevels


@dataclass(frozen=True, slots=True)
class Detector:
    """How many are called at each threshold, from the highest down, and how many rightly.

    ``called`` and ``right`` are ``(n_thresholds,)`` int64 and never fall; the last calls all.
    """

    called: NDArray[np.int64]
    right: NDArray[np.int64]

    @classmethod
    def of_counts(cls, n: NDArray[np.int64], positive: NDArray[np.int64]) -> Detector:
        """Take how many there are at each score, ascending, and how many of them are positive."""
        return cls(np.cumsum(n[::-1]), np.cumsum(positive[::-1]))

    @classmethod
    def of_images(cls, peaks: NDArray[np.float32], positive: NDArray[np.bool_]) -> Detector:
        """Take the score of each image, and which are positive."""
        scores, place = np.unique(peaks, return_inverse=True)
        counts = np.bincount(place, minlength=len(scores))
        return cls.of_counts(counts, np.bincount(place[positive], minlength=len(scores)))

    @property
    def positives(self) -> int:
        """How many there are to be found."""
        return int(self.right[-1]) if len(self.right) else 0

    @property
    def auroc(self) -> float | None:
        """Chance that a positive scores higher than another, ties half; ``None`` without either.

        The area under the curve of recall over the share of false alarms (Hanley and McNeil,
        Radiology 143/1, 1982).
        """
        positives = self.positives
        others = int(self.called[-1]) - positives if positives else 0
        if not others:
            return None
        false = (self.called - self.right) / others
        recall = self.right / positives
        area = np.diff(false, prepend=0) * (recall + np.append(0, recall[:-1]))
        return min(1.0, float(area.sum() / 2))

    @property
    def auprc(self) -> float | None:
        """Average precision: that of each threshold, weighted by the recall it adds.

        The area under the steps of the curve of precision over recall (Davis and Goadrich, ICML
        2006, on why the points are not joined); ``None`` without positives.
        """
        positives = self.positives
        if not positives:
            return None
        found = np.diff(self.right, prepend=0)
        return min(1.0, float((found * (self.right / self.called)).sum()) / positives)

    def precision_at(self, percent: int) -> float | None:
        """Precision at the highest threshold whose recall is at least ``percent``."""
        positives = self.positives
        if not positives:
            return None
        at = int(np.argmax(100 * self.right >= percent * positives))
        return float(self.right[at] / self.called[at])


_NONE: NDArray[np.int64] = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Detection:
    """A unit's activation beside one formula: correlations, and a detector of pixels and images.

    ``pearson`` and ``cosine`` are of the activation and 1 in the formula's pixels, 0 elsewhere;
    ``None`` where one of them is the same everywhere, for ``cosine`` zero everywhere. By default,
    nothing is known.
    """

    pearson: float | None = None
    cosine: float | None = None
    pixels: Detector = Detector(_NONE, _NONE)
    images: Detector = Detector(_NONE, _NONE)

    @classmethod
    def of_levels(
        cls, levels: ActivationLevels, position: int, with_formula: NDArray[np.bool_]
    ) -> Detection:
        """Take one of the formulas whose pixels were counted, and the images that have some."""
        values, pixels, inside = levels.values, levels.pixels, levels.inside[position]
        n, within = int(pixels.sum()), int(inside.sum())
        correlation = similarity = None
        if 0 < within < n and len(values) > 1:
            about_mean = values - _dot(values, pixels) / n
            spread = _dot(about_mean**2, pixels) * within * ((n - within) / n)
            correlation = _limited(_dot(about_mean, inside) / math.sqrt(spread))
        squares = _dot(values**2, pixels) * within
        if squares > 0:
            similarity = _limited(_dot(values, inside) / math.sqrt(squares))
        return cls(
            correlation,
            similarity,
            Detector.of_counts(pixels, inside),
            Detector.of_images(levels.peaks, with_formula),
        )


def _dot(values: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """Multiply and sum without BLAS, whose own threads would wait for those of other units."""
    return float((values * counts).sum())


def _limited(correlation: float) -> float:
    return max(-1.0, min(1.0, correlation))
