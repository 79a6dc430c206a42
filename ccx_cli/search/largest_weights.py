"""The largest weight of a chain of up to three concepts: what bounds the parts of longer ones.

The weight ``g(F) = hits - tau * misses`` of a chain is largest for another chain than its IoU is.
No chain of ``k`` concepts has an IoU above ``B``, so none has a weight above ``B * |N|`` where
``B <= tau``; but one that reaches that has no miss at all. Chains that do have misses lose
``tau - B`` for each, which is most of their weight where the range is small. So the largest weight
at this ``tau`` is found, not derived: pairs are tabulated, and triples searched as for the IoU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.search import incumbent as inc
from ccx_cli.search.branch_and_bound import allowed_forms
from ccx_cli.search.branch_and_bound_kernel import search_triples
from ccx_cli.search.counts import RangeCounts
from ccx_cli.search.kept_chains import AND, NOT, OR
from ccx_cli.search.merged_sets import Problem


def largest_weights(
    counts: RangeCounts, whole: Problem, tau: float, slack: float
) -> NDArray[np.float64]:
    """Bound ``g`` of chains of at most 0, 1, 2 and 3 concepts: ``(4,)``, each within the slack."""
    members = counts.space.concepts
    allowed = np.array([operator in counts.space.operators for operator in Operator])
    found = np.zeros(4)
    if len(members):
        found[1], found[2] = _of_pairs(members, allowed, whole.weight)
    incumbent = inc.Incumbent(
        counts.in_range,
        np.zeros(inc.STATE, dtype=np.int64),
        np.array([tau, found[2]]),
        slack,
        np.empty((0, 6), dtype=np.int64),
    )
    incumbent.state[inc.RISING] = inc.WITH_WEIGHT
    data, sets = counts.data, counts.data.sets
    order = np.argsort(-whole.gain.diagonal()[members], kind="stable")
    search_triples(
        members[order],
        allowed_forms(counts.space),
        inc.Sets(
            sets.indptr,
            sets.labels,
            data.postings.indptr,
            data.postings.sets,
            counts.hits,
            sets.totals,
        ),
        inc.Pairs(counts.pairs, data.totals, whole.weight, whole.gain),
        incumbent,
    )
    found[3] = incumbent.threshold[inc.WEIGHT]
    return found + slack


@kernel
def _of_pairs(
    members: NDArray[np.int64], allowed: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[float, float]:
    single, pair = 0.0, 0.0
    for a in members:
        single = max(single, weight[a, a])
        for b in members:
            if a == b:
                continue
            if allowed[OR]:
                pair = max(pair, weight[a, a] + weight[b, b] - weight[a, b])
            if allowed[AND]:
                pair = max(pair, weight[a, b])
            if allowed[NOT]:
                pair = max(pair, weight[a, a] - weight[a, b])
    return single, max(single, pair)
