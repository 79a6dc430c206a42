"""Branch and bound over the chains of up to three concepts, for one range, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search import branch_and_bound_kernel as kernel
from ccx_cli.search import incumbent as inc
from ccx_cli.search.chains import Chain, Scored, distinct
from ccx_cli.search.counts import DataCounts, RangeCounts, joined_signatures, set_signatures
from ccx_cli.search.objectives import BY_IOU, Measure, Objective, chord_of, spans, weight_to_reach
from ccx_cli.search.space import PROVEN_LENGTH, SearchSpace

CAPACITY = 50_000
_OPERATORS: dict[int, tuple[Operator, ...]] = {
    inc.OR_OR: (Operator.OR, Operator.OR),
    inc.OR_AND: (Operator.OR, Operator.AND),
    inc.OR_NOT: (Operator.OR, Operator.AND_NOT),
    inc.AND_OR: (Operator.AND, Operator.OR),
    inc.AND_AND: (Operator.AND, Operator.AND),
    inc.AND_NOT: (Operator.AND, Operator.AND_NOT),
    inc.NOT_OR: (Operator.AND_NOT, Operator.OR),
    inc.NOT_NOT: (Operator.AND_NOT, Operator.AND_NOT),
    inc.OR: (Operator.OR,),
    inc.AND: (Operator.AND,),
    inc.NOT: (Operator.AND_NOT,),
    inc.SINGLE: (),
}
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a branch and bound kept.

    Attributes
    ----------
    formulas
        Distinct formulas that reach the threshold, best first.
    more
        How many more there were than could be kept.
    raised
        How often a better formula raised the threshold.
    nodes
        Triples counted, or prefixes of longer chains expanded.
    bound
        No formula that was left out by a limit has a larger IoU; 0 if none was.
    """

    formulas: tuple[Scored, ...]
    more: int
    raised: int
    nodes: int
    bound: float = 0.0


def best_of(
    counts: RangeCounts, length: int, floor: Scored | None, objective: Objective = BY_IOU
) -> Reached:
    """Find the chains of ``length`` concepts that reach ``floor`` and that none beats."""
    if objective != BY_IOU:
        measure = objective.on(counts)
        reached = _search_spans(counts, length, measure, floor, None)
        good = [formula for formula in reached.formulas if measure.exact(formula) > 0]
        best = max((measure.exact(formula) for formula in good), default=None)
        return replace(reached, formulas=tuple(f for f in good if measure.exact(f) == best))
    start = (0, 0, 0.0) if floor is None else (floor.both, floor.total, floor.iou)
    reached = _search(counts, length, *start, rising=True)
    return replace(reached, formulas=tuple(f for f in reached.formulas if f.both))


def all_reaching(
    counts: RangeCounts, length: int, score: float, objective: Objective = BY_IOU
) -> Reached:
    """Find all chains of ``length`` concepts with at least this score."""
    if objective == BY_IOU:
        return _search(counts, length, 0, 0, score, rising=False)
    measure = objective.on(counts)
    reached = _search_spans(counts, length, measure, None, score)
    kept = tuple(f for f in reached.formulas if measure.score(f.both, f.total) >= score)
    return replace(reached, formulas=kept)


def _search(
    counts: RangeCounts, length: int, both: int, total: int, iou: float, *, rising: bool
) -> Reached:
    if counts.in_range == 0:
        return Reached((), 0, 0, 0)
    totals = counts.data.sets.totals
    slack = kernel.slack_of_iou(len(totals), float(totals.sum()), counts.in_range, iou)
    incumbent = inc.Incumbent(
        counts.in_range,
        np.zeros(inc.STATE, dtype=np.int64),
        np.array([iou, iou * counts.in_range - slack]),
        slack,
        np.empty((CAPACITY, 6), dtype=np.int64),
    )
    incumbent.state[[inc.BEST_HITS, inc.BEST_TOTAL, inc.RISING]] = both, total, rising
    _walk(counts, length, iou, incumbent)
    return _reached(counts, incumbent, Scored.order)


def _search_spans(
    counts: RangeCounts, length: int, measure: Measure, floor: Scored | None, fixed: float | None
) -> Reached:
    """Find what beats or equals ``floor``, or all that reach ``fixed``, size by size."""
    if not measure.is_defined:
        return Reached((), 0, 0, 0)
    goal, threshold = measure.goal, np.zeros(2)
    if fixed is not None:
        threshold[inc.SCORE] = fixed
    elif floor is not None:
        threshold[inc.SCORE] = max(0.0, measure.score(floor.both, floor.total))
    incumbent = inc.Incumbent(
        counts.in_range,
        np.zeros(inc.STATE, dtype=np.int64),
        threshold,
        0.0,
        np.empty((CAPACITY, 6), dtype=counts.pairs.dtype),
        goal,
    )
    incumbent.state[inc.RISING] = fixed is None
    if length < PROVEN_LENGTH:
        _walk(counts, length, 0.0, incumbent)
    else:
        size = 0 if floor is None else floor.total
        for start, stop in spans(goal, float(threshold[inc.SCORE]), size):
            span = chord_of(goal, float(threshold[inc.SCORE]), start, stop)
            if span is None:
                continue
            slack = _slack(counts) * (1 + span.misses)
            threshold[inc.WEIGHT] = weight_to_reach(goal, span, float(threshold[inc.SCORE])) - slack
            _walk(counts, length, span.misses, incumbent._replace(slack=slack, span=span))
    return _reached(counts, incumbent, measure.order)


def _slack(counts: RangeCounts) -> float:
    """How far a bound may be off: a sum of n float64 terms errs by n units in its last place.

    The sums have fewer terms than there are label sets, none above the number of pixels.
    """
    sets = counts.data.sets
    return 8 * _EPSILON * (len(sets) + 64) * float(sets.totals.sum())


def _walk(counts: RangeCounts, length: int, misses: float, incumbent: inc.Incumbent) -> None:
    """Search all chains of a length, with ``misses`` for the weight of a pixel out of range."""
    data, sets, members = counts.data, counts.data.sets, counts.space.concepts
    if length < PROVEN_LENGTH:
        none = np.empty((0, 0))
        tables = inc.Pairs(counts.pairs, data.totals, none, none)
        if length == 1:
            kernel.search_singles(members, tables, incumbent)
        else:
            kernel.search_pairs(members, allowed_forms(counts.space), tables, misses, incumbent)
        return
    weight, gain = kernel.weigh_pairs(
        sets.indptr, sets.labels, counts.hits, sets.totals, counts.pairs, data.totals, misses
    )
    tables = inc.Pairs(counts.pairs, data.totals, weight, gain)
    order = np.argsort(-gain.diagonal()[members], kind="stable")
    label_sets = inc.Sets(
        sets.indptr,
        sets.labels,
        data.postings.indptr,
        data.postings.sets,
        counts.hits,
        sets.totals,
    )
    kernel.search_triples(
        members[order], allowed_forms(counts.space), label_sets, tables, incumbent
    )


def _reached(
    counts: RangeCounts, incumbent: inc.Incumbent, order: Callable[[Scored], Any]
) -> Reached:
    state = incumbent.state
    rows = incumbent.kept[: state[inc.KEPT]]
    formulas = distinct((formula_of(counts, row) for row in rows), order)
    lost, raised, triples = state[[inc.LOST, inc.RAISED, inc.TRIPLES]].tolist()
    return Reached(tuple(formulas), lost, raised, triples)


def allowed_forms(space: SearchSpace) -> NDArray[np.bool_]:
    """Say which forms of up to three concepts a space has, ``(N_FORMS,)``."""
    allowed = np.zeros(inc.N_FORMS, dtype=np.bool_)
    for form, operators in _OPERATORS.items():
        allowed[form] = set(operators) <= set(space.operators)
    return allowed


def formula_of(counts: RangeCounts, row: NDArray[Any]) -> Scored:
    """Return the formula of a row of ``Incumbent.kept``."""
    form, a, b, c, _, total = (int(value) for value in row)
    both = row[4].item()
    operators = _OPERATORS[form]
    concepts = [a, b, c][: len(operators) + 1]
    # Where the order of the first two, or of the last two, does not matter, lower labels lead.
    if operators[:1] in ((Operator.OR,), (Operator.AND,)):
        concepts[:2] = sorted(concepts[:2])
    if form in (inc.OR_OR, inc.AND_AND):
        concepts.sort()
    if form == inc.NOT_NOT:
        concepts[1:] = sorted(concepts[1:])
    chain = Chain(tuple(concepts), operators)
    iou = both / (counts.in_range + total - both)
    return Scored(chain, both, total, iou, _signature(counts.data, chain))


def _signature(data: DataCounts, chain: Chain) -> int:
    """Signature of the label sets in a chain, from its concepts, pairs and triple."""
    x = data.signatures
    a, b, c = (*chain.concepts, -1, -1)[:3]
    if len(chain) == 1:
        return int(x[a, a])
    first = chain.operators[0]
    either = int(joined_signatures(first, x[a, a], x[b, b], x[a, b]))
    if len(chain) == 2:
        return either
    abc = 0
    if data.totals[a, b] and data.totals[a, c] and data.totals[b, c]:
        abc = set_signatures(data, a, b, c)
    both = joined_signatures(first, int(x[a, c]), int(x[b, c]), abc)
    return int(joined_signatures(chain.operators[1], either, int(x[c, c]), both))
