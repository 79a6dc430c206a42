"""How explanations change with the threshold on a unit's activation.

The threshold comparison of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023):
for small shares of a unit's non-zero activations the range above the threshold, for large shares
what lies below it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import positive_concepts, to_json, to_text
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range, top_threshold
from ccx_cli.probe.sparse_maps import Maps, SparseMaps
from ccx_cli.records.fields import Json
from ccx_cli.records.fields import to_json as records_json
from ccx_cli.records.studies import ThresholdExplanationRecord, ThresholdRecord
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.strategy import Strategy
from ccx_cli.threads import map_in_order

QUANTILES = (0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 0.995)
HIGHEST = 0.5
LEAST = 1e-6


def side_of(quantile: float) -> Literal["high", "low"]:
    """Tell whether a quantile's range lies above or below the threshold."""
    return "high" if quantile <= HIGHEST else "low"


def threshold_ranges(maps: Maps, quantiles: Sequence[float] = QUANTILES) -> tuple[Range, ...]:
    """Return the range of every quantile; none for a unit that never fires.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, one unit's activations.
    quantiles
        Shares of its non-zero activations above the threshold ``t``: the range is ``(t, inf)`` up
        to 0.5 and ``(1e-6, t)`` beyond, which is empty where ``t`` is not above ``1e-6``.
    """
    values = maps.values if isinstance(maps, SparseMaps) else maps[maps != 0]
    if not values.size:
        return ()
    thresholds = [top_threshold(values, quantile) for quantile in quantiles]
    return tuple(
        Range(threshold, math.inf) if side_of(quantile) == "high" else Range(LEAST, threshold)
        for threshold, quantile in zip(thresholds, quantiles, strict=True)
    )


def explain_thresholds(
    units: Sequence[int],
    read_maps: Callable[[int], Maps],
    index: ConceptIndex,
    data: DataCounts,
    strategy: Strategy,
    *,
    workers: int = 1,
    device: str = "cpu",
) -> Iterator[list[ThresholdExplanationRecord]]:
    """Explain units at every threshold, side by side in threads.

    Yields the units' explanations in order, each unit's in the order of ``QUANTILES``;
    ``read_maps`` gives a unit's activations, and hits are counted on ``device``.
    """
    category_of = {label.number: label.category for label in index.labels}

    def record(
        unit: int, quantile: float, explained: Range | None, hits: int, best: Scored | None
    ) -> ThresholdExplanationRecord:
        formula = None if best is None else best.chain.formula(index.concepts)
        positive = () if formula is None else positive_concepts(formula)
        return ThresholdExplanationRecord(
            kind="explanation",
            unit=unit,
            quantile=quantile,
            side=side_of(quantile),
            range=None if explained is None else explained.to_json(),
            hits=hits,
            formula=None if formula is None else to_text(formula, index.name_of),
            iou=None if best is None else best.iou,
            labels=None if formula is None else to_json(formula),
            categories=[category_of[number] for number in positive],
        )

    def explain(unit: int) -> list[ThresholdExplanationRecord]:
        maps = read_maps(unit)
        ranges = threshold_ranges(maps)
        if not ranges:
            return [record(unit, quantile, None, 0, None) for quantile in QUANTILES]
        hits = count_hits(maps, ranges, index, device=device)
        return [
            record(unit, quantile, wanted, int(total), strategy.answer(data, per_set).best)
            for quantile, wanted, total, per_set in zip(
                QUANTILES, ranges, hits.totals, hits.per_set, strict=True
            )
        ]

    return map_in_order(explain, units, workers)


def share_categories(
    explanations: Sequence[ThresholdExplanationRecord], categories: Sequence[str]
) -> list[Json]:
    """Share out the positive concepts of all units' formulas, a row a quantile.

    Each has the values of a ``ThresholdRecord``, and ``CATEGORY_share`` for each of ``categories``:
    ``None`` where there are no concepts.
    """
    rows = []
    for quantile in sorted({each.quantile for each in explanations}):
        own = [each for each in explanations if each.quantile == quantile]
        ious = [each.iou for each in own if each.iou is not None]
        counts = Counter(category for each in own for category in each.categories)
        concepts = counts.total()
        row = ThresholdRecord(
            kind="threshold",
            quantile=quantile,
            side=side_of(quantile),
            units=len(own),
            explained=len(ious),
            iou_mean=float(np.mean(ious)) if ious else None,
            concepts=concepts,
        )
        shares = {each: counts[each] / concepts if concepts else None for each in categories}
        rows.append(records_json(row) | {f"{each}_share": share for each, share in shares.items()})
    return rows
