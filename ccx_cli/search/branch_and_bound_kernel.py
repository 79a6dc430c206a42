"""The compiled search over all chains of up to three concepts, by branch and bound.

``IoU(F) >= tau`` is linear: with ``w(s) = hits(s) - tau * (total(s) - hits(s))`` for a label set
``s``, it says ``g(F) = sum of w over F >= tau * |N|`` (Dinkelbach, "On nonlinear fractional
programming", Management Science 13, 1967). By inclusion and exclusion ``g`` of every chain of three
concepts is a sum of ``g`` of its concepts and pairs, which are known, plus or minus ``g`` of the
triple, which is not: it lies between ``-min n`` and ``min p`` of the three pairs, where ``p`` and
``n`` are the sums of the positive and of the negated negative ``w``. Each of the eight forms below
is enumerated in an order in which such a bound soon ends every loop; triples are counted only
where the bound does not rule them out.

A weight ``w`` falls as ``tau`` rises, so tables made for one ``tau`` bound everything for a higher
one too: a better formula raises the threshold at once, and one pass both finds the optimum and
proves it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.search.incumbent import (
    AND,
    AND_AND,
    AND_NOT,
    AND_OR,
    NOT,
    NOT_NOT,
    NOT_OR,
    OR,
    OR_AND,
    OR_NOT,
    OR_OR,
    SINGLE,
    WEIGHT,
    Incumbent,
    Pairs,
    Sets,
    count_and_keep,
    keep,
)

_EPSILON = float(np.finfo(np.float64).eps)


@kernel
def slack_of_iou(n_sets: int, pixels: float, in_range: float, misses: float) -> float:
    """How far a bound may be off where hits are whole numbers and weights below 0 come from counts.

    Then only positive weights are summed, over label sets, and no sum of them is above the hits. A
    bound has fewer than eight terms, each rounded a few times and none above ``most``. It must stay
    far below the weight to reach, which a range of few pixels makes small beside all ``pixels``.
    """
    most = in_range + misses * pixels
    return float(_EPSILON * (128 * most + 8 * (n_sets + 64) * in_range))


@kernel
def weigh_pairs(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    hits: PixelCounts | NDArray[np.float64],
    totals: NDArray[np.int64],
    pair_hits: NDArray[np.int64] | NDArray[np.float64],
    pair_totals: NDArray[np.int64],
    misses: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum the weights of every pair of concepts, and the positive ones alone, rounded up.

    A pixel out of range weighs ``-misses``. Both are ``(n_concepts, n_concepts)``.
    """
    weight = np.empty(pair_totals.shape)
    gain = np.zeros(pair_totals.shape)
    for row in range(len(hits)):
        if hits[row] == 0:
            continue
        own = hits[row] - misses * (totals[row] - hits[row])
        if own <= 0:
            continue
        for entry in range(indptr[row], indptr[row + 1]):
            for other in range(entry, indptr[row + 1]):
                gain[labels[entry], labels[other]] += own
    up = 1.0 + 2.3e-16 * (len(hits) + 8)
    for a in range(len(gain)):
        for b in range(a + 1):
            gain[b, a] *= up
            gain[a, b] = gain[b, a]
            h = pair_hits[a, b]
            weight[a, b] = weight[b, a] = h - misses * (pair_totals[a, b] - h)
    return weight, gain


@kernel
def search_singles(members: NDArray[np.int64], pairs: Pairs, incumbent: Incumbent) -> None:
    """Keep every concept that reaches the threshold."""
    for a in members:
        keep(incumbent, SINGLE, a, -1, -1, pairs.hits[a, a], pairs.totals[a, a])


@kernel
def search_pairs(
    members: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    pairs: Pairs,
    misses: float,
    incumbent: Incumbent,
) -> None:
    """Keep every pair that reaches the threshold and differs from either concept alone.

    Only those are looked at whose hits, less ``misses`` times the rest, reach the weight.
    """
    h, t, threshold = pairs.hits, pairs.totals, incumbent.threshold
    for i in range(len(members)):
        a = members[i]
        g_a = h[a, a] - misses * (t[a, a] - h[a, a])
        for j in range(i + 1, len(members)):
            b = members[j]
            h_ab, t_ab = h[a, b], t[a, b]
            g_b = h[b, b] - misses * (t[b, b] - h[b, b])
            g_ab = h_ab - misses * (t_ab - h_ab)
            most = max(max(g_a + g_b - g_ab, g_ab), max(g_a, g_b) - g_ab)
            if most < threshold[WEIGHT]:
                continue
            h_a, h_b, t_a, t_b = h[a, a], h[b, b], t[a, a], t[b, b]
            if allowed[OR] and t_ab != t_a and t_ab != t_b:
                keep(incumbent, OR, a, b, -1, h_a + h_b - h_ab, t_a + t_b - t_ab)
            if t_ab == 0:
                continue
            if allowed[AND] and t_ab != t_a and t_ab != t_b:
                keep(incumbent, AND, a, b, -1, h_ab, t_ab)
            if allowed[NOT] and t_ab != t_a:
                keep(incumbent, NOT, a, b, -1, h_a - h_ab, t_a - t_ab)
            if allowed[NOT] and t_ab != t_b:
                keep(incumbent, NOT, b, a, -1, h_b - h_ab, t_b - t_ab)


@kernel
def search_triples(
    members: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    sets: Sets,
    pairs: Pairs,
    incumbent: Incumbent,
) -> None:
    """Keep every chain of three concepts that reaches the threshold.

    Parameters
    ----------
    members
        Concepts to use, by descending ``gain`` on the diagonal.
    allowed
        ``(N_FORMS,)``, which forms to search.
    sets, pairs, incumbent
        Counts and tables of the range, and what is known so far; ``incumbent`` is changed.
    """
    if allowed[OR_OR]:
        _search_or_or(members, sets, pairs, incumbent)
    if allowed[AND_AND] or allowed[AND_NOT]:
        _search_and(members, allowed[AND_AND], allowed[AND_NOT], sets, pairs, incumbent)
    if allowed[AND_OR]:
        _search_and_or(members, sets, pairs, incumbent)
    if allowed[OR_AND]:
        _search_or_and(members, sets, pairs, incumbent)
    if allowed[NOT_OR] or allowed[NOT_NOT]:
        _search_not(members, allowed[NOT_OR], allowed[NOT_NOT], sets, pairs, incumbent)
    if allowed[OR_NOT]:
        _search_or_not(members, sets, pairs, incumbent)


@kernel
def _search_or_or(
    members: NDArray[np.int64], sets: Sets, pairs: Pairs, incumbent: Incumbent
) -> None:
    """Search ``a OR b OR c``: at most ``g(a OR b) + p(c)``, and ``g(a) + p(b) + p(c)``."""
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    members = members[np.array([t[c, c] <= high for c in members])]
    n = len(members)
    for i in range(n):
        a = members[i]
        for j in range(i + 1, n):
            b = members[j]
            if g[a, a] + 2 * p[b, b] < threshold[WEIGHT]:
                break
            either = g[a, a] + g[b, b] - g[a, b]
            size = t[a, a] + t[b, b] - t[a, b]
            if size > high:
                continue
            for k in range(j + 1, n):
                c = members[k]
                if either + p[c, c] < threshold[WEIGHT]:
                    break
                if size + t[c, c] < low:
                    continue
                most = min(p[a, b], min(p[a, c], p[b, c]))
                if either + g[c, c] - g[a, c] - g[b, c] + most >= threshold[WEIGHT]:
                    count_and_keep(incumbent, OR_OR, a, b, c, sets, pairs)


@kernel
def _search_and(
    members: NDArray[np.int64],
    with_and: bool,
    with_not: bool,
    sets: Sets,
    pairs: Pairs,
    incumbent: Incumbent,
) -> None:
    """Search ``a AND b AND c`` and ``(a AND b) AND NOT c``: both at most ``p(a AND b)``."""
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    n = len(members)
    for i in range(n):
        a = members[i]
        if p[a, a] < threshold[WEIGHT]:
            break
        for j in range(i + 1, n):
            b = members[j]
            if p[a, b] < threshold[WEIGHT] or t[a, b] < low:
                continue
            both, loss = g[a, b], p[a, b] - g[a, b]
            for k in range(n):
                c = members[k]
                if k == i or k == j:
                    continue
                if with_and and k > j and min(p[a, c], p[b, c]) >= threshold[WEIGHT]:
                    count_and_keep(incumbent, AND_AND, a, b, c, sets, pairs)
                least = min(loss, min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                left = t[a, b] - min(t[a, c], t[b, c])
                if with_not and both + least >= threshold[WEIGHT] and left <= high:
                    count_and_keep(incumbent, AND_NOT, a, b, c, sets, pairs)


@kernel
def _search_and_or(
    members: NDArray[np.int64], sets: Sets, pairs: Pairs, incumbent: Incumbent
) -> None:
    """Search ``(a AND b) OR c``: at most ``g(c) + p(a AND b)``."""
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    n = len(members)
    alone = np.empty(n)
    for i in range(n):
        alone[i] = g[members[i], members[i]]
    order = np.argsort(-alone)
    order = order[np.array([t[members[i], members[i]] <= high for i in order])]
    for i in range(n):
        a = members[i]
        for j in range(i + 1, n):
            b = members[j]
            if t[a, b] == 0 or t[a, b] > high:
                continue
            loss = p[a, b] - g[a, b]
            for k in range(len(order)):
                if order[k] == i or order[k] == j:
                    continue
                c = members[order[k]]
                if g[c, c] + p[a, b] < threshold[WEIGHT]:
                    break
                if t[a, b] + t[c, c] < low:
                    continue
                least = min(loss, min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                if g[a, b] + g[c, c] + least >= threshold[WEIGHT]:
                    count_and_keep(incumbent, AND_OR, a, b, c, sets, pairs)


@kernel
def _search_or_and(
    members: NDArray[np.int64], sets: Sets, pairs: Pairs, incumbent: Incumbent
) -> None:
    """Search ``(a OR b) AND c``: at most ``p(c)``, and ``g(a AND c) + p(b AND c)``."""
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    n = len(members)
    within = np.empty(n)
    for k in range(n):
        c = members[k]
        if p[c, c] < threshold[WEIGHT]:
            break
        if t[c, c] < low:
            continue
        for i in range(n):
            within[i] = p[members[i], c]
        order = np.argsort(-within)
        for i in range(n):
            if order[i] == k:
                continue
            a = members[order[i]]
            if t[a, c] > high:
                continue
            for j in range(i + 1, n):
                if order[j] == k:
                    continue
                b = members[order[j]]
                if g[a, c] + p[b, c] < threshold[WEIGHT]:
                    break
                if t[a, c] + t[b, c] < low:
                    continue
                least = min(p[a, b] - g[a, b], min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                if g[a, c] + g[b, c] + least >= threshold[WEIGHT]:
                    count_and_keep(incumbent, OR_AND, a, b, c, sets, pairs)


@kernel
def _search_not(
    members: NDArray[np.int64],
    with_or: bool,
    with_not: bool,
    sets: Sets,
    pairs: Pairs,
    incumbent: Incumbent,
) -> None:
    """Search ``(a AND NOT b) OR c`` and ``(a AND NOT b) AND NOT c``.

    Leaving ``b`` out of ``a`` gains at most ``n(a AND b)`` over ``a OR c``, or over ``a``.
    """
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    n = len(members)
    loss = np.empty(n)
    for i in range(n):
        a = members[i]
        most_lost = 0.0
        for j in range(n):
            b = members[j]
            loss[j] = -1.0 if j == i else p[a, b] - g[a, b]
            most_lost = max(most_lost, loss[j])
        may_reach = (
            with_not
            and p[a, a] >= threshold[WEIGHT]
            and g[a, a] + 2 * most_lost >= threshold[WEIGHT]
        )
        if with_or and not may_reach:
            for k in range(n):
                c = members[k]
                if k != i and g[a, a] + g[c, c] - g[a, c] + most_lost >= threshold[WEIGHT]:
                    may_reach = True
                    break
        if not may_reach:
            continue
        order = np.argsort(-loss)
        if with_or:
            for k in range(n):
                c = members[k]
                if k == i or t[c, c] > high or t[a, a] + t[c, c] < low:
                    continue
                either = g[a, a] + g[c, c] - g[a, c]
                for j in range(n):
                    if either + loss[order[j]] < threshold[WEIGHT] or order[j] == i:
                        break
                    if order[j] == k:
                        continue
                    b = members[order[j]]
                    most = min(p[a, b], min(p[a, c], p[b, c]))
                    if (
                        either - g[a, b] + most >= threshold[WEIGHT]
                        and t[a, a] - t[a, b] <= high
                        and g[c, c] + p[a, a] - p[a, b] + incumbent.slack >= threshold[WEIGHT]
                    ):
                        count_and_keep(incumbent, NOT_OR, a, b, c, sets, pairs)
        if with_not and p[a, a] >= threshold[WEIGHT] and t[a, a] >= low:
            for j in range(n):
                if g[a, a] + 2 * loss[order[j]] < threshold[WEIGHT] or order[j] == i:
                    break
                b = members[order[j]]
                rest = g[a, a] - g[a, b]
                for k in range(j + 1, n):
                    if rest + loss[order[k]] < threshold[WEIGHT] or order[k] == i:
                        break
                    c = members[order[k]]
                    most = min(p[a, b], min(p[a, c], p[b, c]))
                    if (
                        rest - g[a, c] + most >= threshold[WEIGHT]
                        and t[a, a] - t[a, b] - t[a, c] <= high
                    ):
                        count_and_keep(incumbent, NOT_NOT, a, b, c, sets, pairs)


@kernel
def _search_or_not(
    members: NDArray[np.int64], sets: Sets, pairs: Pairs, incumbent: Incumbent
) -> None:
    """Search ``(a OR b) AND NOT c``: at most ``g(a AND NOT c) + p(b)``, and ``p(a OR b)``."""
    g, p, threshold = pairs.weight, pairs.gain, incumbent.threshold
    t, low, high = pairs.totals, incumbent.span.low, incumbent.span.high
    n = len(members)
    best_rest = np.empty(n)
    most_lost = np.zeros(n)
    for i in range(n):
        a = members[i]
        best_rest[i] = g[a, a]
        for k in range(n):
            if k != i:
                c = members[k]
                best_rest[i] = max(best_rest[i], g[a, a] - g[a, c])
                most_lost[i] = max(most_lost[i], p[a, c] - g[a, c])
    for i in range(n):
        a = members[i]
        for j in range(i + 1, n):
            b = members[j]
            if best_rest[i] + p[b, b] < threshold[WEIGHT]:
                break
            either = g[a, a] + g[b, b] - g[a, b]
            if (
                best_rest[j] + p[a, a] < threshold[WEIGHT]
                or p[a, a] + p[b, b] - p[a, b] + incumbent.slack < threshold[WEIGHT]
                or t[a, a] + t[b, b] - t[a, b] < low
                or either + most_lost[i] + most_lost[j] < threshold[WEIGHT]
            ):
                continue
            for k in range(n):
                if k == i or k == j:
                    continue
                c = members[k]
                if t[a, a] - t[a, c] > high or t[b, b] - t[b, c] > high:
                    continue
                most = min(p[a, b], min(p[a, c], p[b, c]))
                if either - g[a, c] - g[b, c] + most >= threshold[WEIGHT]:
                    count_and_keep(incumbent, OR_NOT, a, b, c, sets, pairs)
