"""The compiled search over all chains of up to three concepts, by branch and bound.

``IoU(F) >= tau`` is linear: with ``w(s) = hits(s) - tau * (total(s) - hits(s))`` for a label set
``s``, it says ``g(F) = sum of w over F >= tau * |N|`` (Dinkelbach, "On nonlinear fractional
programming", Management Science 13, 1967). By inclusion and exclusion ``g`` of every chain of three
concepts is a sum of ``g`` of its concepts and pairs, which are known, plus or minus ``g`` of the
triple, which is not: it lies between ``-min n`` and ``min p`` of the three pairs, where ``p`` and
``n`` are the sums of the positive and of the negated negative ``w``. Each of the eight forms below
is walked in an order in which such a bound soon ends every loop; triples are counted only where
the bound leaves a chance.

A weight ``w`` falls as ``tau`` rises, so tables made for one ``tau`` bound everything for a higher
one too: a better formula raises the bar at once, and one walk both finds the optimum and proves it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.search.bar import (
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
    Goal,
    Pairs,
    Sets,
    consider,
    keep,
)


@kernel
def positive_pairs(
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    hits: NDArray[np.int32],
    totals: NDArray[np.int64],
    tau: float,
    n_concepts: int,
) -> NDArray[np.float64]:
    """Sum the positive weights of every pair, ``(n_concepts, n_concepts)``, rounded up."""
    gain = np.zeros((n_concepts, n_concepts))
    for row in range(len(hits)):
        if hits[row] == 0:
            continue
        weight = hits[row] - tau * (totals[row] - hits[row])
        if weight <= 0:
            continue
        for entry in range(indptr[row], indptr[row + 1]):
            for other in range(entry, indptr[row + 1]):
                gain[labels[entry], labels[other]] += weight
    up = 1.0 + 2.3e-16 * (len(hits) + 8)
    for a in range(n_concepts):
        for b in range(a + 1):
            gain[b, a] *= up
            gain[a, b] = gain[b, a]
    return gain


@kernel
def search_singles(members: NDArray[np.int64], pairs: Pairs, goal: Goal) -> None:
    """Keep every concept that reaches the bar."""
    for a in members:
        keep(goal, SINGLE, a, -1, -1, pairs.hits[a, a], pairs.totals[a, a])


@kernel
def search_pairs(
    members: NDArray[np.int64], allowed: NDArray[np.bool_], pairs: Pairs, goal: Goal
) -> None:
    """Keep every chain of two concepts that reaches the bar and differs from either concept."""
    h, t = pairs.hits, pairs.totals
    for i in range(len(members)):
        a = members[i]
        for j in range(i + 1, len(members)):
            b = members[j]
            h_a, h_b, h_ab = h[a, a], h[b, b], h[a, b]
            t_a, t_b, t_ab = t[a, a], t[b, b], t[a, b]
            if allowed[OR] and t_ab != t_a and t_ab != t_b:
                keep(goal, OR, a, b, -1, h_a + h_b - h_ab, t_a + t_b - t_ab)
            if t_ab == 0:
                continue
            if allowed[AND] and t_ab != t_a and t_ab != t_b:
                keep(goal, AND, a, b, -1, h_ab, t_ab)
            if allowed[NOT] and t_ab != t_a:
                keep(goal, NOT, a, b, -1, h_a - h_ab, t_a - t_ab)
            if allowed[NOT] and t_ab != t_b:
                keep(goal, NOT, b, a, -1, h_b - h_ab, t_b - t_ab)


@kernel
def search_triples(
    members: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    sets: Sets,
    pairs: Pairs,
    goal: Goal,
) -> None:
    """Keep every chain of three concepts that reaches the bar.

    Parameters
    ----------
    members
        Concepts to use, by descending ``gain`` on the diagonal.
    allowed
        ``(N_FORMS,)``, which forms to walk.
    sets, pairs, goal
        Counts and tables of the range, and the bar; ``goal`` is changed.
    """
    if allowed[OR_OR]:
        _walk_or_or(members, sets, pairs, goal)
    if allowed[AND_AND] or allowed[AND_NOT]:
        _walk_and(members, allowed[AND_AND], allowed[AND_NOT], sets, pairs, goal)
    if allowed[AND_OR]:
        _walk_and_or(members, sets, pairs, goal)
    if allowed[OR_AND]:
        _walk_or_and(members, sets, pairs, goal)
    if allowed[NOT_OR] or allowed[NOT_NOT]:
        _walk_not(members, allowed[NOT_OR], allowed[NOT_NOT], sets, pairs, goal)
    if allowed[OR_NOT]:
        _walk_or_not(members, sets, pairs, goal)


@kernel
def _walk_or_or(members: NDArray[np.int64], sets: Sets, pairs: Pairs, goal: Goal) -> None:
    """Walk ``a OR b OR c``: at most ``g(a OR b) + p(c)``, and ``g(a) + p(b) + p(c)``."""
    g, p, bar = pairs.weight, pairs.gain, goal.bar
    n = len(members)
    for i in range(n):
        a = members[i]
        for j in range(i + 1, n):
            b = members[j]
            if g[a, a] + 2 * p[b, b] < bar[1]:
                break
            either = g[a, a] + g[b, b] - g[a, b]
            for k in range(j + 1, n):
                c = members[k]
                if either + p[c, c] < bar[1]:
                    break
                most = min(p[a, b], min(p[a, c], p[b, c]))
                if either + g[c, c] - g[a, c] - g[b, c] + most >= bar[1]:
                    consider(goal, OR_OR, a, b, c, sets, pairs)


@kernel
def _walk_and(
    members: NDArray[np.int64],
    with_and: bool,
    with_not: bool,
    sets: Sets,
    pairs: Pairs,
    goal: Goal,
) -> None:
    """Walk ``a AND b AND c`` and ``(a AND b) AND NOT c``: both at most ``p(a AND b)``."""
    g, p, bar = pairs.weight, pairs.gain, goal.bar
    n = len(members)
    for i in range(n):
        a = members[i]
        if p[a, a] < bar[1]:
            break
        for j in range(i + 1, n):
            b = members[j]
            if p[a, b] < bar[1]:
                continue
            both, loss = g[a, b], p[a, b] - g[a, b]
            for k in range(n):
                c = members[k]
                if k == i or k == j:
                    continue
                if with_and and k > j and min(p[a, c], p[b, c]) >= bar[1]:
                    consider(goal, AND_AND, a, b, c, sets, pairs)
                least = min(loss, min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                if with_not and both + least >= bar[1]:
                    consider(goal, AND_NOT, a, b, c, sets, pairs)


@kernel
def _walk_and_or(members: NDArray[np.int64], sets: Sets, pairs: Pairs, goal: Goal) -> None:
    """Walk ``(a AND b) OR c``: at most ``g(c) + p(a AND b)``."""
    g, p, bar = pairs.weight, pairs.gain, goal.bar
    n = len(members)
    alone = np.empty(n)
    for i in range(n):
        alone[i] = g[members[i], members[i]]
    order = np.argsort(-alone)
    for i in range(n):
        a = members[i]
        for j in range(i + 1, n):
            b = members[j]
            if pairs.totals[a, b] == 0:
                continue
            loss = p[a, b] - g[a, b]
            for k in range(n):
                if order[k] == i or order[k] == j:
                    continue
                c = members[order[k]]
                if g[c, c] + p[a, b] < bar[1]:
                    break
                least = min(loss, min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                if g[a, b] + g[c, c] + least >= bar[1]:
                    consider(goal, AND_OR, a, b, c, sets, pairs)


@kernel
def _walk_or_and(members: NDArray[np.int64], sets: Sets, pairs: Pairs, goal: Goal) -> None:
    """Walk ``(a OR b) AND c``: at most ``p(c)``, and ``g(a AND c) + p(b AND c)``."""
    g, p, bar = pairs.weight, pairs.gain, goal.bar
    n = len(members)
    within = np.empty(n)
    for k in range(n):
        c = members[k]
        if p[c, c] < bar[1]:
            break
        for i in range(n):
            within[i] = p[members[i], c]
        order = np.argsort(-within)
        for i in range(n):
            if order[i] == k:
                continue
            a = members[order[i]]
            for j in range(i + 1, n):
                if order[j] == k:
                    continue
                b = members[order[j]]
                if g[a, c] + p[b, c] < bar[1]:
                    break
                least = min(p[a, b] - g[a, b], min(p[a, c] - g[a, c], p[b, c] - g[b, c]))
                if g[a, c] + g[b, c] + least >= bar[1]:
                    consider(goal, OR_AND, a, b, c, sets, pairs)


@kernel
def _walk_not(
    members: NDArray[np.int64],
    with_or: bool,
    with_not: bool,
    sets: Sets,
    pairs: Pairs,
    goal: Goal,
) -> None:
    """Walk ``(a AND NOT b) OR c`` and ``(a AND NOT b) AND NOT c``.

    Leaving ``b`` out of ``a`` gains at most ``n(a AND b)`` over ``a OR c``, or over ``a``.
    """
    g, p, bar = pairs.weight, pairs.gain, goal.bar
    n = len(members)
    loss = np.empty(n)
    for i in range(n):
        a = members[i]
        most_lost = 0.0
        for j in range(n):
            b = members[j]
            loss[j] = -1.0 if j == i else p[a, b] - g[a, b]
            most_lost = max(most_lost, loss[j])
        chance = with_not and p[a, a] >= bar[1] and g[a, a] + 2 * most_lost >= bar[1]
        if with_or and not chance:
            for k in range(n):
                c = members[k]
                if k != i and g[a, a] + g[c, c] - g[a, c] + most_lost >= bar[1]:
                    chance = True
                    break
        if not chance:
            continue
        order = np.argsort(-loss)
        if with_or:
            for k in range(n):
                c = members[k]
                if k == i:
                    continue
                either = g[a, a] + g[c, c] - g[a, c]
                for j in range(n):
                    if either + loss[order[j]] < bar[1] or order[j] == i:
                        break
                    if order[j] == k:
                        continue
                    b = members[order[j]]
                    most = min(p[a, b], min(p[a, c], p[b, c]))
                    if (
                        either - g[a, b] + most >= bar[1]
                        and g[c, c] + p[a, a] - p[a, b] + goal.slack >= bar[1]
                    ):
                        consider(goal, NOT_OR, a, b, c, sets, pairs)
        if with_not and p[a, a] >= bar[1]:
            for j in range(n):
                if g[a, a] + 2 * loss[order[j]] < bar[1] or order[j] == i:
                    break
                b = members[order[j]]
                rest = g[a, a] - g[a, b]
                for k in range(j + 1, n):
                    if rest + loss[order[k]] < bar[1] or order[k] == i:
                        break
                    c = members[order[k]]
                    most = min(p[a, b], min(p[a, c], p[b, c]))
                    if rest - g[a, c] + most >= bar[1]:
                        consider(goal, NOT_NOT, a, b, c, sets, pairs)


@kernel
def _walk_or_not(members: NDArray[np.int64], sets: Sets, pairs: Pairs, goal: Goal) -> None:
    """Walk ``(a OR b) AND NOT c``: at most ``g(a AND NOT c) + p(b)``, and ``p(a OR b)``."""
    g, p, bar = pairs.weight, pairs.gain, goal.bar
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
            if best_rest[i] + p[b, b] < bar[1]:
                break
            either = g[a, a] + g[b, b] - g[a, b]
            if (
                best_rest[j] + p[a, a] < bar[1]
                or p[a, a] + p[b, b] - p[a, b] + goal.slack < bar[1]
                or either + most_lost[i] + most_lost[j] < bar[1]
            ):
                continue
            for k in range(n):
                if k == i or k == j:
                    continue
                c = members[k]
                most = min(p[a, b], min(p[a, c], p[b, c]))
                if either - g[a, c] - g[b, c] + most >= bar[1]:
                    consider(goal, OR_NOT, a, b, c, sets, pairs)
