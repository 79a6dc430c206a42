"""What the best formula is the best of: IoU, F-beta, Matthews correlation (MCC), or a soft one.

All need only the pixels of a formula, ``t``, and those of them in range, ``y``; for the soft ones,
by which every pixel counts by its activation, ``y`` is the sum of that. At a score ``v`` a formula
of ``t`` pixels must have at least ``level(v, t)`` in range. For F-beta and soft IoU that is a
straight line, as for IoU; for MCC, Pearson correlation, which is MCC of soft hits, and cosine
similarity it is concave. Between two sizes it lies above its chord, so in that span a formula that
reaches ``v`` reaches the chord, which is linear: the branch and bound of IoU finds all that do with
weights of that slope. A formula has no more in range than it has pixels, or than there is, so only
some sizes can reach ``v``, and a few spans cover them.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

from ccx_cli.compiled import kernel, subtract_products
from ccx_cli.errors import UsageError
from ccx_cli.probe.soft_hits import QUANTA
from ccx_cli.records.explanation import SOFT
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import RangeCounts

IOU, F_BETA, MCC, SOFT_IOU, PEARSON, COSINE = range(6)
_NAMES = {
    IOU: "iou",
    F_BETA: "f-beta",
    MCC: "mcc",
    SOFT_IOU: "soft-iou",
    PEARSON: "pearson",
    COSINE: "cosine",
}
OBJECTIVES = "iou, f-beta:B (such as f-beta:2), mcc, soft-iou, pearson or cosine"
_LINEAR = (F_BETA, SOFT_IOU)
_COVERING = (MCC, PEARSON, COSINE)
# How much larger the last formula of a span is than its first, from the best known outwards.
_WIDTHS = (1.05, 1.25, 2.0, 3.0)
# Any slope bounds; steeper ones would only lose digits.
_STEEPEST = 0.98
# Scores are floats of a few roundings; bounds and ties leave room for more than these.
ROOM = 1e-12


class Goal(NamedTuple):
    """An objective on one range, for kernels.

    Attributes
    ----------
    kind
        ``IOU`` to ``COSINE``.
    in_range, pixels
        ``|N|``, or the sum of the positive soft hits, and all labeled pixels.
    beta
        Its square, for F-beta.
    least
        Pixels in range that a formula must have to score anything.
    spread
        How much the hits vary, ``Measure.spread``.
    """

    kind: int
    in_range: float
    pixels: float
    beta: float
    least: float = 0.0
    spread: float = 0.0


class Span(NamedTuple):
    """Sizes of formulas that one walk finds, from ``start`` to before ``stop``, by a chord.

    Attributes
    ----------
    low, high
        Sizes that the chord joins: no formula of the span outside them reaches the score.
        Rounding is allowed for.
    misses
        What a pixel out of range costs if one in range is worth 1, by the chord's slope.
    """

    start: float
    stop: float
    low: float
    high: float
    misses: float


EVERYWHERE = Span(-math.inf, math.inf, 0.0, math.inf, 0.0)


@kernel
def score_of(goal: Goal, hits: float, total: int) -> float:
    """Score a formula of ``total`` pixels, ``hits`` of them in range."""
    if hits < goal.least:
        return 0.0
    if goal.kind == IOU or goal.kind == SOFT_IOU:
        return hits / (goal.in_range + total - hits)
    if goal.kind == F_BETA:
        return (1.0 + goal.beta) * hits / (goal.beta * goal.in_range + total)
    if goal.kind == COSINE:
        return float(hits / np.sqrt(total * goal.spread))
    spread = total * (goal.pixels - total) * goal.spread
    if spread <= 0.0:
        return 0.0
    # In whole numbers, as the two products may be nearly the same.
    whole, whole_range = np.floor(hits), np.floor(goal.in_range)
    gain = subtract_products(goal.pixels, whole, whole_range, total)
    rest = goal.pixels * (hits - whole) - (goal.in_range - whole_range) * total
    return float((gain + rest) / np.sqrt(spread))


@kernel
def level(goal: Goal, score: float, total: float) -> float:
    """Pixels in range that a formula of ``total`` pixels needs for ``score``."""
    if goal.kind == F_BETA:
        return score * (goal.beta * goal.in_range + total) / (1.0 + goal.beta)
    if goal.kind == SOFT_IOU:
        return score * (goal.in_range + total) / (1.0 + score)
    if goal.kind == COSINE:
        return float(score * np.sqrt(total * goal.spread))
    n, pixels = goal.in_range, goal.pixels
    spread = max(0.0, total * (pixels - total) * goal.spread)
    return float((total * n + score * np.sqrt(spread)) / pixels)


@kernel
def sizes(goal: Goal, score: float) -> tuple[float, float]:
    """Find the least and the largest formula that may reach ``score``, above 0.

    The level is at most all of the formula, and all of the range.
    """
    n, pixels = goal.in_range, goal.pixels
    if goal.kind == F_BETA:
        least = score * goal.beta * n / (1.0 + goal.beta - score)
        return least, min(pixels, n * ((1.0 + goal.beta) / score - goal.beta))
    if goal.kind == SOFT_IOU:
        return score * n, min(pixels, n / score)
    square = score * score * goal.spread
    if goal.kind == COSINE:
        return max(goal.least, square), min(pixels, n * n / square)
    least = max(goal.least, square * pixels / ((pixels - n) ** 2 + square))
    return least, n * n * pixels / (n * n + square)


@kernel
def weight_to_reach(goal: Goal, span: Span, score: float) -> float:
    """Weight of hits less ``misses`` times the rest that a formula of the span needs to reach.

    The level lies above its chord, so less a slope, whichever, it is least at an end.
    """
    score *= 1.0 - 1000 * ROOM
    low, high = span.low, span.high
    if score > 0.0:
        least, most = sizes(goal, score)
        low, high = max(low, least), min(high, most)
    if low > high:
        return np.inf
    at_low = (1.0 + span.misses) * level(goal, score, low) - span.misses * low
    at_high = (1.0 + span.misses) * level(goal, score, high) - span.misses * high
    return float(min(at_low, at_high))


def spans(goal: Goal, score: float, size: float) -> list[tuple[float, float]]:
    """Part the sizes of formulas, from start to before stop, the nearest to ``size`` first.

    There, where better formulas are most likely, spans are narrow and chords close.
    """
    if score <= 0 or goal.kind in _LINEAR:
        return [(-math.inf, math.inf)]
    least, most = sizes(goal, score)
    center = min(max(size, least), most)
    edges = []
    for direction in (-1, 1):
        edge = center
        for width in chain(_WIDTHS, repeat(_WIDTHS[-1])):
            edge *= width**direction
            if not least < edge < most:
                break
            edges.append(edge)
    edges.sort()
    parts = zip([-math.inf, *edges], [*edges, math.inf], strict=True)
    return sorted(parts, key=lambda part: max(part[0] - center, center - part[1]))


def chord_of(goal: Goal, score: float, start: float, stop: float) -> Span | None:
    """Return the span with its chord, ``None`` if no formula of it can reach ``score``."""
    score = max(0.0, score * (1 - 1000 * ROOM))
    least, most = (goal.least, goal.pixels) if score == 0 else sizes(goal, score)
    low, high = max(start, least), min(stop, most)
    if low > high:
        return None
    slope = 0.0
    if low < high:
        slope = (level(goal, score, high) - level(goal, score, low)) / (high - low)
    slope = min(max(slope, 0.0), _STEEPEST)
    return Span(start, stop, low, high, slope / (1 - slope))


@dataclass(frozen=True, slots=True)
class Objective:
    """What formulas are scored by.

    Attributes
    ----------
    kind
        ``IOU`` to ``COSINE``.
    beta
        Of F-beta: how much more coverage counts than precision.
    min_coverage
        Of MCC, Pearson correlation and cosine: formulas with a smaller share of the hits score 0.
    """

    kind: int = IOU
    beta: Fraction = Fraction(1)
    min_coverage: Fraction = Fraction(0)

    @classmethod
    def parse(cls, text: str, min_coverage: float = 0.0) -> Objective:
        """Read ``iou``, ``f-beta:2``, ``mcc`` ...; only some take ``min_coverage``.

        Raises
        ------
        UsageError
            If it is none of these.
        """
        match = re.fullmatch(r"f-beta:(\d{1,3}(?:\.\d{1,3})?)", text)
        if match is not None and Fraction("0.1") <= Fraction(match[1]) <= 100:
            return cls(F_BETA, Fraction(match[1]))
        for kind, name in _NAMES.items():
            if text == name and kind != F_BETA:
                found = cls(kind)
                least = Fraction(str(min_coverage)) if found.takes_coverage else Fraction(0)
                return replace(found, min_coverage=least)
        raise UsageError(
            f"`objective` {text} must be {OBJECTIVES}, with B from 0.1 to 100 and at most three "
            "decimals."
        )

    def __str__(self) -> str:
        return f"f-beta:{float(self.beta):g}" if self.kind == F_BETA else _NAMES[self.kind]

    @property
    def is_soft(self) -> bool:
        """Whether every pixel counts by its activation, so that a unit needs no ranges."""
        return _NAMES[self.kind] in SOFT

    @property
    def is_signed(self) -> bool:
        """Whether soft hits keep the sign of the activation."""
        return self.kind == COSINE

    @property
    def takes_coverage(self) -> bool:
        """Whether ``min_coverage`` means something to it."""
        return self.kind in _COVERING

    def on(self, counts: RangeCounts) -> Measure:
        """Return the measure of formulas on one range, or on the soft hits of a unit."""
        pixels = int(counts.data.sets.totals.sum())
        return Measure(self, _exact(counts.in_range), pixels, counts.squares)


BY_IOU = Objective()


@dataclass(frozen=True, slots=True)
class Measure:
    """An objective on one range of ``in_range`` of ``pixels``; all of it is exact.

    Soft hits are whole multiples of ``1 / QUANTA``; ``squares`` is the sum of squares of the hits
    over all pixels, for those of a range their number.
    """

    objective: Objective
    in_range: int | Fraction
    pixels: int
    squares: int | Fraction

    @property
    def spread(self) -> int | Fraction:
        """Sum of squares of the hits; but for cosine, about their mean, times all pixels."""
        if self.objective.kind == COSINE:
            return self.squares
        return self.pixels * self.squares - self.in_range**2

    @property
    def is_defined(self) -> bool:
        """Whether any formula can score above 0; what is constant correlates with nothing."""
        return self.in_range > 0 and (not self.objective.takes_coverage or self.spread > 0)

    @property
    def goal(self) -> Goal:
        """The measure for kernels."""
        square = float(self.objective.beta**2)
        return Goal(
            self.objective.kind,
            float(self.in_range),
            float(self.pixels),
            square,
            math.ceil(self.objective.min_coverage * self.in_range * QUANTA) / QUANTA,
            float(self.spread),
        )

    def score(self, both: float, total: int) -> float:
        """Score a formula of ``total`` pixels, ``both`` of them in range; rounded once or twice."""
        above, below = self._fraction(both, total)
        if not below:
            return 0.0
        if not self.objective.takes_coverage:
            return float(above / below)
        return math.copysign(math.sqrt(abs(above) / below), above)

    def exact(self, formula: Scored) -> Fraction:
        """Return what orders formulas as their scores do, for correlations the signed square."""
        above, below = self._fraction(formula.both, formula.total)
        return Fraction(above, below) if below else Fraction(0)

    def order(self, formula: Scored) -> tuple[Any, ...]:
        """Sort key: larger score, then as ``Scored.order`` breaks ties."""
        return -self.score(formula.both, formula.total), *formula.order()[1:]

    def _fraction(self, hits: float, total: int) -> tuple[Any, Any]:
        n, pixels, both = self.in_range, self.pixels, _exact(hits)
        if self.objective.kind in (IOU, SOFT_IOU):
            return both, n + total - both
        if self.objective.kind == F_BETA:
            square = self.objective.beta**2
            p, q = square.numerator, square.denominator
            return (p + q) * both, p * n + q * total
        if both < self.objective.min_coverage * n:
            return 0, 0
        if self.objective.kind == COSINE:
            return both * abs(both), total * self.spread
        gain = pixels * both - total * n
        return gain * abs(gain), total * (pixels - total) * self.spread


def _exact(hits: float) -> Any:
    return hits if isinstance(hits, int) else Fraction(hits)
