"""The incumbent of a branch and bound, and the exact count of a formula of up to three concepts.

The incumbent is the best formula so far; others must reach its IoU, the threshold, to be kept.

Everything here is compiled: the loops of ``branch_and_bound_kernel`` call it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import compare_products, kernel
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.search import objectives
from ccx_cli.search.objectives import EVERYWHERE, ROOM, Goal, Span, score_of, weight_to_reach

# The chains of three concepts, up to the order in which they are written.
OR_OR = 0  # a OR b OR c
OR_AND = 1  # (a OR b) AND c
OR_NOT = 2  # (a OR b) AND NOT c
AND_OR = 3  # (a AND b) OR c
AND_AND = 4  # a AND b AND c
AND_NOT = 5  # (a AND b) AND NOT c
NOT_OR = 6  # (a AND NOT b) OR c
NOT_NOT = 7  # (a AND NOT b) AND NOT c
# The shorter ones.
OR = 8
AND = 9
NOT = 10
SINGLE = 11
N_FORMS = 12


class Sets(NamedTuple):
    """Label sets and postings, and how many pixels of each set are in range and in all."""

    indptr: NDArray[np.int64]
    labels: NDArray[np.uint16]
    posting_indptr: NDArray[np.int64]
    postings: NDArray[np.int32]
    hits: PixelCounts | NDArray[np.float64]
    totals: NDArray[np.int64]


class Pairs(NamedTuple):
    """Exact counts of pairs, ``(n_concepts, n_concepts)``, and their weights for one tau.

    ``weight`` is ``g`` of each pair and ``gain`` an upper bound of its positive part, float64.
    """

    hits: NDArray[np.int64] | NDArray[np.float64]
    totals: NDArray[np.int64]
    weight: NDArray[np.float64]
    gain: NDArray[np.float64]


# Entries of ``Incumbent.state``.
BEST_HITS, BEST_TOTAL, KEPT, TRIPLES, LOST, RISING, RAISED = range(7)
STATE = 7
# Values of ``RISING``: the threshold stays, rises with the best, or is the largest weight so far.
FIXED, WITH_BEST, WITH_WEIGHT = range(3)
# Entries of ``Incumbent.threshold``.
SCORE, WEIGHT = 0, 1


class Incumbent(NamedTuple):
    """The best formula so far, what reaches the threshold, and the formulas that did.

    Attributes
    ----------
    in_range
        ``|N|``, pixels.
    state
        ``(STATE,)`` int64: hits and total of the best formula, formulas kept, triples counted,
        formulas that did not fit, whether the threshold rises, how often it rose.
    threshold
        ``(2,)`` float64: the score to reach, and the weight ``g`` to reach: for IoU that times
        ``|N|``, less the rounding.
    slack
        The rounding.
    kept
        ``(capacity, 6)``, rows ``[form, a, b, c, hits, total]``, of the type of the hits.
    goal, span
        The objective, and which sizes of formulas to keep, unless it is IoU. Scores of other
        objectives are rounded: what is kept may fall short of the best by ``ROOM``.
    """

    in_range: float
    state: NDArray[np.int64]
    threshold: NDArray[np.float64]
    slack: float
    kept: NDArray[np.int64] | NDArray[np.float64]
    goal: Goal = Goal(objectives.IOU, 0.0, 0.0, 0.0)
    span: Span = EVERYWHERE


@kernel
def triple_counts(sets: Sets, a: int, b: int, c: int) -> tuple[Any, int]:
    """Count the pixels in range, and all pixels, that carry three concepts."""
    start = sets.posting_indptr
    rare, second, third = a, b, c
    if start[second + 1] - start[second] < start[rare + 1] - start[rare]:
        rare, second = second, rare
    if start[third + 1] - start[third] < start[rare + 1] - start[rare]:
        rare, third = third, rare
    hits, total = 0, 0
    for posting in range(start[rare], start[rare + 1]):
        row = sets.postings[posting]
        found = 0
        for entry in range(sets.indptr[row], sets.indptr[row + 1]):
            label = sets.labels[entry]
            if label == second or label == third:
                found += 1
        if found == 2:
            hits += sets.hits[row]
            total += sets.totals[row]
    return hits, total


@kernel
def _reaches_goal(incumbent: Incumbent, hits: float, total: int) -> bool:
    """Tell whether a formula of the span reaches the threshold; a better one raises it."""
    state, threshold, goal, span = (
        incumbent.state, incumbent.threshold, incumbent.goal, incumbent.span,
    )  # fmt: skip
    score = score_of(goal, hits, total)
    if state[RISING] == 1 and score > threshold[SCORE] * (1.0 + ROOM):
        threshold[SCORE] = score
        threshold[WEIGHT] = weight_to_reach(goal, span, score) - incumbent.slack
        state[KEPT], state[LOST] = 0, 0
        state[RAISED] += 1
    inside = span.start <= total and total < span.stop
    return bool(inside and score >= threshold[SCORE] * (1.0 - ROOM))


@kernel
def reaches(incumbent: Incumbent, hits: float, total: int) -> bool:
    """Tell whether a formula reaches the threshold; one that beats the best raises it.

    Where the threshold is the largest weight so far, nothing is kept.
    """
    if incumbent.goal.kind != objectives.IOU:
        return _reaches_goal(incumbent, hits, total)
    state = incumbent.state
    if state[RISING] == WITH_WEIGHT:
        weight = hits - incumbent.threshold[SCORE] * (total - hits)
        incumbent.threshold[WEIGHT] = max(incumbent.threshold[WEIGHT], weight)
        return False
    union = incumbent.in_range + total - hits
    if state[RISING] == FIXED:
        return bool(hits / union >= incumbent.threshold[SCORE])
    best_union = incumbent.in_range + state[BEST_TOTAL] - state[BEST_HITS]
    above = compare_products(hits, best_union, state[BEST_HITS], union)
    if above > 0:
        state[BEST_HITS], state[BEST_TOTAL], state[KEPT], state[LOST] = hits, total, 0, 0
        state[RAISED] += 1
        incumbent.threshold[SCORE] = hits / union
        incumbent.threshold[WEIGHT] = (
            incumbent.threshold[SCORE] * incumbent.in_range - incumbent.slack
        )
    return bool(above >= 0)


@kernel
def keep(incumbent: Incumbent, form: int, a: int, b: int, c: int, hits: float, total: int) -> None:
    """Keep a formula that reaches the threshold; one that beats the best raises it."""
    if not reaches(incumbent, hits, total):
        return
    state = incumbent.state
    if state[KEPT] == len(incumbent.kept):
        state[LOST] += 1
        return
    row = incumbent.kept[state[KEPT]]
    row[0], row[1], row[2], row[3], row[4], row[5] = form, a, b, c, hits, total
    state[KEPT] += 1


@kernel
def count_and_keep(
    incumbent: Incumbent, form: int, a: int, b: int, c: int, sets: Sets, pairs: Pairs
) -> None:
    """Count one formula exactly; one that holds on the pixels of a shorter one is left to that."""
    t, h = pairs.totals, pairs.hits
    t_ab, t_ac, t_bc = t[a, b], t[a, c], t[b, c]
    t_a, t_b, t_c = t[a, a], t[b, b], t[c, c]
    if form == OR_NOT or form == AND_NOT or form == NOT_NOT:
        if t_ac == 0 and t_bc == 0:
            return
    if (form == NOT_NOT or form == NOT_OR) and t_ab == 0:
        return
    if form == NOT_NOT and t_ac == 0:
        return
    if t_ab == 0 or t_ac == 0 or t_bc == 0:
        h_abc, t_abc = 0, 0
    else:
        h_abc, t_abc = triple_counts(sets, a, b, c)
        incumbent.state[TRIPLES] += 1
    if form == OR_OR:
        total = t_a + t_b + t_c - t_ab - t_ac - t_bc + t_abc
        hits = h[a, a] + h[b, b] + h[c, c] - h[a, b] - h[a, c] - h[b, c] + h_abc
        shorter = (
            total == t_a + t_b - t_ab or total == t_a + t_c - t_ac or total == t_b + t_c - t_bc
        )
    elif form == OR_AND:
        total = t_ac + t_bc - t_abc
        hits = h[a, c] + h[b, c] - h_abc
        shorter = total == t_ac or total == t_bc or total == t_c or total == t_a + t_b - t_ab
    elif form == OR_NOT:
        total = t_a + t_b - t_ab - t_ac - t_bc + t_abc
        hits = h[a, a] + h[b, b] - h[a, b] - h[a, c] - h[b, c] + h_abc
        shorter = total == t_a - t_ac or total == t_b - t_bc or total == t_a + t_b - t_ab
    elif form == AND_OR:
        total = t_ab + t_c - t_abc
        hits = h[a, b] + h[c, c] - h_abc
        shorter = (
            total == t_c or total == t_ab or total == t_a + t_c - t_ac or total == t_b + t_c - t_bc
        )
    elif form == AND_AND:
        total, hits = t_abc, h_abc
        shorter = total == t_ab or total == t_ac or total == t_bc
    elif form == AND_NOT:
        total = t_ab - t_abc
        hits = h[a, b] - h_abc
        shorter = total == t_ab or total == t_a - t_ac or total == t_b - t_bc
    elif form == NOT_OR:
        total = t_a - t_ab + t_c - t_ac + t_abc
        hits = h[a, a] - h[a, b] + h[c, c] - h[a, c] + h_abc
        shorter = total == t_c or total == t_a - t_ab or total == t_a + t_c - t_ac
    else:
        total = t_a - t_ab - t_ac + t_abc
        hits = h[a, a] - h[a, b] - h[a, c] + h_abc
        shorter = total == t_a - t_ab or total == t_a - t_ac
    if not shorter:
        keep(incumbent, form, a, b, c, hits, total)
