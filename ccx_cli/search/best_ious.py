"""The best formula of many ranges on the same data, or only its IoU, without bounds and ties.

For the default search, up to three concepts by IoU, all ranges are searched in one compiled call.
The best formula of a range, counted anew, is where the next begins: ranges with similar hits, such
as those of one unit in all permutations of a null, need little more than the proof.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.search.branch_and_bound import allowed_forms, formula_of
from ccx_cli.search.branch_and_bound_kernel import (
    search_pairs,
    search_singles,
    search_triples,
    slack_of_iou,
    weigh_pairs,
)
from ccx_cli.search.chains import Scored, reordered
from ccx_cli.search.counts import DataCounts, RangeCounts, add_pairs
from ccx_cli.search.incumbent import (
    BEST_HITS,
    BEST_TOTAL,
    KEPT,
    LOST,
    OR,
    RISING,
    SCORE,
    STATE,
    WEIGHT,
    WITH_BEST,
    Incumbent,
    Pairs,
    Sets,
    count_and_keep,
)
from ccx_cli.search.objectives import BY_IOU, EVERYWHERE, Goal, Span
from ccx_cli.search.optimum import OptimalStrategy
from ccx_cli.search.space import PROVEN_LENGTH, SearchSpace
from ccx_cli.search.strategy import Strategy

_MOST_TIES = 64
_BY_IOU = Goal(BY_IOU.kind, 0.0, 0.0, 0.0)


def best_ious(strategy: Strategy, data: DataCounts, hits: PixelCounts) -> list[float]:
    """Return the IoU of each range's best formula, 0 where no concept meets the range.

    ``hits`` are ``(n_ranges, n_sets)``, as ``Strategy.answer`` takes those of one.
    """
    if not _is_plain(strategy):
        best = (strategy.answer(data, each).best for each in hits)
        return [0.0 if formula is None else formula.iou for formula in best]
    space = strategy.space or SearchSpace.whole(data.n_concepts)
    found, _, _ = _search(data, hits, space, strategy.settings.length, 1)
    return [float(iou) for iou in found]


def best_formulas(strategy: Strategy, data: DataCounts, hits: PixelCounts) -> list[Scored | None]:
    """Return each range's best formula, that of ``Strategy.answer``, from hits as above."""
    if not _is_plain(strategy):
        return [strategy.answer(data, each).best for each in hits]
    space = strategy.space or SearchSpace.whole(data.n_concepts)
    ious, kept, states = _search(data, hits, space, strategy.settings.length, _MOST_TIES)
    found: list[Scored | None] = []
    for own, iou, rows, state in zip(hits, ious, kept, states, strict=True):
        if not iou:
            found.append(None)
        elif state[LOST]:
            found.append(strategy.answer(data, own).best)
        else:
            counts = RangeCounts(data, own, space)
            ties = (formula_of(counts, row) for row in rows[: state[KEPT]])
            found.append(reordered(min(ties, key=Scored.order), counts))
    return found


def _is_plain(strategy: Strategy) -> TypeGuard[OptimalStrategy]:
    """Tell whether only IoU counts, and every answer is proven."""
    return (
        isinstance(strategy, OptimalStrategy)
        and strategy.settings.scored_by == BY_IOU
        and strategy.settings.length <= PROVEN_LENGTH
        and strategy.settings.length_penalty == 1
    )


def _search(
    data: DataCounts, hits: PixelCounts, space: SearchSpace, length: int, capacity: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each range's best IoU, so many formulas that have it, and the incumbent's state."""
    sets, postings = data.sets, data.postings
    kept = np.full((len(hits), capacity, 6), -1, dtype=np.int64)
    states = np.zeros((len(hits), STATE), dtype=np.int64)
    ious = _best_ious(
        hits, sets.indptr, sets.labels, sets.totals, postings.indptr, postings.sets, data.totals,
        space.concepts, allowed_forms(space), length, _BY_IOU, EVERYWHERE, kept, states,
    )  # fmt: skip
    return ious, kept, states


@kernel
def _best_ious(
    hits: PixelCounts,
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    totals: NDArray[np.int64],
    posting_indptr: NDArray[np.int64],
    postings: NDArray[np.int32],
    pair_totals: NDArray[np.int64],
    members: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    length: int,
    by_iou: Goal,
    everywhere: Span,
    kept: NDArray[np.int64],
    states: NDArray[np.int64],
) -> NDArray[np.float64]:
    found = np.zeros(len(hits))
    pixels, n_sets = float(totals.sum()), len(totals)
    pair_hits = np.empty(pair_totals.shape, dtype=np.int64)
    threshold = np.empty(2)
    form, a, b, c = -1, 0, 0, 0
    gains = np.empty(len(members))
    none = np.empty((0, 0))
    for number in range(len(hits)):
        own = hits[number]
        in_range = own.sum()
        if in_range == 0:
            continue
        pair_hits[:] = 0
        add_pairs(indptr, labels, own, pair_hits)
        sets = Sets(indptr, labels, posting_indptr, postings, own, totals)
        pairs = Pairs(pair_hits, pair_totals, none, none)
        best, state = kept[number], states[number]
        state[RISING] = WITH_BEST
        threshold[:] = 0
        for concepts in range(1, length + 1):
            misses = threshold[SCORE]
            slack = slack_of_iou(n_sets, pixels, in_range, misses)
            threshold[WEIGHT] = misses * in_range - slack
            incumbent = Incumbent(in_range, state, threshold, slack, best, by_iou, everywhere)
            if concepts == 1:
                search_singles(members, pairs, incumbent)
                if form >= 0 and form < OR:
                    count_and_keep(incumbent, form, a, b, c, sets, pairs)
            elif concepts == 2:
                search_pairs(members, allowed, pairs, misses, incumbent)
            else:
                weight, gain = weigh_pairs(
                    indptr, labels, own, totals, pair_hits, pair_totals, misses
                )
                for place in range(len(members)):
                    gains[place] = gain[members[place], members[place]]
                by_gain = members[np.argsort(-gains)]
                weighed = Pairs(pair_hits, pair_totals, weight, gain)
                search_triples(by_gain, allowed, sets, weighed, incumbent)
        form, a, b, c = best[0, 0], best[0, 1], best[0, 2], best[0, 3]
        found[number] = state[BEST_HITS] / (in_range + state[BEST_TOTAL] - state[BEST_HITS])
    return found
