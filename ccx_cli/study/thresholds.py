"""How explanations change with the threshold on a unit's activation.

The threshold comparison of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023):
for small shares of a unit's non-zero activations the range above the threshold, for large shares
what lies below it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Formula
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range, top_threshold
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.strategy import Strategy
from ccx_cli.study.categories import count_categories
from ccx_cli.threads import map_in_order

QUANTILES = (0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.995)
HIGHEST = 0.5
LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class ThresholdExplanation:
    """The best formula of one unit for one threshold.

    Attributes
    ----------
    unit
        Its number.
    quantile
        Share of the non-zero activations above the threshold.
    range
        What is explained; ``None`` for a unit that never fires.
    hits
        Pixels in range.
    formula
        Over label numbers; ``None`` if no concept meets the range.
    iou
        Of the formula; ``None`` without one.
    """

    unit: int
    quantile: float
    range: Range | None
    hits: int
    formula: Formula | None
    iou: float | None


@dataclass(frozen=True, slots=True)
class CategoryShares:
    """All units at one threshold.

    Attributes
    ----------
    quantile
        Share of the non-zero activations above the threshold.
    units
        Units looked at.
    explained
        Those that have a formula.
    iou
        Mean IoU of these; ``None`` without any.
    concepts
        Positive concepts in the formulas.
    shares
        Share of every category among them; ``None`` each where there are no concepts.
    """

    quantile: float
    units: int
    explained: int
    iou: float | None
    concepts: int
    shares: Mapping[str, float | None]

    @property
    def high(self) -> bool:
        """Whether the range lies above the threshold."""
        return is_high(self.quantile)


def is_high(quantile: float) -> bool:
    """Tell whether a quantile's range lies above the threshold, not below."""
    return quantile <= HIGHEST


def threshold_ranges(
    maps: NDArray[np.float32], quantiles: Sequence[float] = QUANTILES
) -> tuple[Range, ...]:
    """Return the range of every quantile; none for a unit that never fires.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, one unit's activations.
    quantiles
        Shares of its non-zero activations above the threshold ``t``: the range is ``(t, inf)`` up
        to 0.5 and ``(1e-6, t)`` beyond, which is empty where ``t`` is not above ``1e-6``.
    """
    values = maps[maps != 0]
    if not values.size:
        return ()
    thresholds = [top_threshold(values, quantile) for quantile in quantiles]
    return tuple(
        Range(threshold, math.inf) if is_high(quantile) else Range(LEAST, threshold)
        for threshold, quantile in zip(thresholds, quantiles, strict=True)
    )


def explain_thresholds(
    units: Sequence[int],
    read_maps: Callable[[int], NDArray[np.float32]],
    index: ConceptIndex,
    data: DataCounts,
    strategy: Strategy,
    *,
    workers: int = 1,
    device: str = "cpu",
) -> Iterator[list[ThresholdExplanation]]:
    """Explain units at every threshold, side by side in threads, in order.

    Parameters
    ----------
    units
        Their numbers.
    read_maps
        Gives a unit's activations.
    index, data
        The dataset.
    strategy
        The search.
    workers
        Threads.
    device
        Where hits are counted.

    Yields
    ------
    A unit's explanations in the order of ``QUANTILES``.
    """

    def explain(unit: int) -> list[ThresholdExplanation]:
        maps = read_maps(unit)
        ranges = threshold_ranges(maps)
        if not ranges:
            return [ThresholdExplanation(unit, q, None, 0, None, None) for q in QUANTILES]
        hits = count_hits(maps, ranges, index, device=device)
        found = []
        for position, (quantile, wanted) in enumerate(zip(QUANTILES, ranges, strict=True)):
            best = strategy.answer(data, hits.per_set[position]).best
            formula = None if best is None else best.chain.formula(index.concepts)
            iou = None if best is None else best.iou
            in_range = int(hits.totals[position])
            found.append(ThresholdExplanation(unit, quantile, wanted, in_range, formula, iou))
        return found

    return map_in_order(explain, units, workers)


def share_categories(
    explanations: Sequence[ThresholdExplanation],
    categories: Sequence[str],
    category_of: Mapping[int, str],
) -> list[CategoryShares]:
    """Share out the positive concepts of all units' formulas, a row a quantile.

    Parameters
    ----------
    explanations
        Of all units.
    categories
        Those to have a share, in order.
    category_of
        Label number to category.
    """
    rows = []
    for quantile in sorted({each.quantile for each in explanations}):
        own = [each for each in explanations if each.quantile == quantile]
        formulas = [each.formula for each in own if each.formula is not None]
        ious = [each.iou for each in own if each.iou is not None]
        counts = count_categories(formulas, category_of)
        concepts = counts.total()
        rows.append(
            CategoryShares(
                quantile=quantile,
                units=len(own),
                explained=len(formulas),
                iou=float(np.mean(ious)) if ious else None,
                concepts=concepts,
                shares={
                    category: counts[category] / concepts if concepts else None
                    for category in categories
                },
            )
        )
    return rows
