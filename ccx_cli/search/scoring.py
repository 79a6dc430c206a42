"""The IoU of formulas that people write, over the ranges of many units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Formula, concepts_of, evaluate
from ccx_cli.probe.hits import Hits, count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.search.counts import DataCounts
from ccx_cli.threads import threads


@dataclass(frozen=True, slots=True)
class Score:
    """How well a formula covers one range of one unit.

    Attributes
    ----------
    unit, cluster
        Which range.
    num_ranges
        Ranges the unit has.
    range
        The range itself.
    hits, both, total
        ``|N|``, ``|N & F|`` and ``|F|``, pixels.
    iou
        ``|N & F| / |N | F|``, 0 where both are empty.
    """

    unit: int
    cluster: int
    num_ranges: int
    range: Range
    hits: int
    both: int
    total: int
    iou: float


def holds_on(
    formula: Formula, index: ConceptIndex, data: DataCounts, name_of: Callable[[int], str]
) -> NDArray[np.bool_]:
    """Evaluate a formula on the label sets of a data set, ``(n_sets,)`` bool.

    ``name_of`` gives the name of any label number, for what is said of one that no pixel carries.

    Raises
    ------
    UsageError
        If it names a concept that no pixel carries.
    """
    places = {int(number): place for place, number in enumerate(index.concepts)}
    for number in concepts_of(formula):
        if number not in places:
            raise UsageError(
                f"No pixel of this subset carries {name_of(number)}: `ccx score` needs concepts "
                "that occur."
            )

    def carries(number: int) -> NDArray[np.bool_]:
        carrying = np.zeros(len(data.sets), dtype=np.bool_)
        carrying[data.postings.of(places[number])] = True
        return carrying

    return evaluate(formula, carries)


def holds_in(formula: Formula, index: ConceptIndex) -> NDArray[np.bool_]:
    """Evaluate a formula on the label sets of an index alone, ``(n_sets,)`` bool.

    A concept that its images lack holds nowhere.
    """
    entry_set = np.repeat(np.arange(len(index.sets)), index.sets.lengths())
    places = {int(number): place for place, number in enumerate(index.concepts)}

    def carries(number: int) -> NDArray[np.bool_]:
        carrying = np.zeros(len(index.sets), dtype=np.bool_)
        if number in places:
            carrying[entry_set[index.sets.labels == places[number]]] = True
        return carrying

    return evaluate(formula, carries)


def iou_elsewhere(formula: Formula, index: ConceptIndex, hits: NDArray[np.int32]) -> float | None:
    """IoU of a formula on other images than it was found on, ``None`` where there is no pixel.

    A concept that these images lack holds nowhere.
    """
    holds = holds_in(formula, index)
    both = int(hits[holds].sum(dtype=np.int64))
    union = int(hits.sum(dtype=np.int64)) + int(index.sets.totals[holds].sum()) - both
    return both / union if union else None


def score_unit(
    unit: int,
    ranges: Sequence[Range],
    hits: Hits,
    formulas: Sequence[NDArray[np.bool_]],
    totals: NDArray[np.int64],
) -> list[list[Score]]:
    """Score formulas, given as ``holds_on`` evaluates them, on the ranges of one unit.

    Parameters
    ----------
    unit
        Its number.
    ranges, hits
        Its ranges and the pixels in them.
    formulas
        ``(n_sets,)`` bool each.
    totals
        ``(n_sets,)`` pixels by label set.

    Returns
    -------
    A list of scores for each formula, in cluster order.
    """
    scored = []
    for holds in formulas:
        total = int(totals[holds].sum())
        scores = []
        for cluster, found in enumerate(ranges):
            in_range = int(hits.totals[cluster])
            both = int(hits.per_set[cluster][holds].sum(dtype=np.int64))
            union = in_range + total - both
            iou = both / union if union else 0.0
            scores.append(Score(unit, cluster, len(ranges), found, in_range, both, total, iou))
        scored.append(scores)
    return scored


def score_units(
    units: Sequence[int],
    formulas: Sequence[NDArray[np.bool_]],
    index: ConceptIndex,
    read_maps: Callable[[int], NDArray[np.float32]],
    find_ranges: Callable[[int, NDArray[np.float32]], Sequence[Range]],
    workers: int,
) -> Iterator[tuple[int, list[list[Score]], Hits | None]]:
    """Score formulas on the ranges of many units, side by side in threads, in order.

    Yields
    ------
    unit
        Its number.
    scores
        As ``score_unit`` returns them, empty lists for a unit without ranges.
    hits
        The unit's pixels in range, ``None`` without ranges.
    """

    def score(unit: int) -> tuple[int, list[list[Score]], Hits | None]:
        maps = read_maps(unit)
        ranges = find_ranges(unit, maps)
        if not ranges:
            return unit, [[] for _ in formulas], None
        hits = count_hits(maps, ranges, index)
        return unit, score_unit(unit, ranges, hits, formulas, index.sets.totals), hits

    with threads(workers) as pool:
        for start in range(0, len(units), 2 * workers):
            yield from pool.map(score, units[start : start + 2 * workers])
