r"""The compiled search over chains of any length, depth first, by branch and bound.

Every label set has a weight; ``g(F)`` is their sum over the sets on which ``F`` holds, ``p(F)``
that of the positive ones and ``n(F) = p(F) - g(F)``. The weights may be those of any objective: a
chain is asked to reach ``g(F) >= T``, and only ``incumbent.reaches`` knows what that stands for.

Let ``G[k]`` bound ``g`` of all chains of at most ``k`` concepts, and ``X`` be a prefix of a chain
``F`` of ``L`` concepts that reaches ``T``, with ``r`` concepts to come.

- *Drop a step.* Without one of its steps ``F`` is a chain of ``L - 1`` concepts, so at most
  ``G[L - 1]``, and it differs only where that step acted, since every operator is monotone in its
  left operand. So ``X OR c`` needs ``p(c \ X) >= T - G[L - 1]``, ``X AND NOT c`` needs
  ``n(X & c)`` as large and ``X AND c`` needs ``n(X \ c)``: the *effects* of the steps. Without
  ``s`` steps, the last one dropped first, it is at most ``G[L - s]``: the sum of any ``s`` effects
  is at least ``T - G[L - s]``. A caller that covers chains with a small effect in another way may
  ask for larger ones.
- *Drop a prefix.* With nothing in place of ``X``, ``F`` is a chain of at most ``r`` concepts, or
  empty, and it loses no more than ``p(X)``: ``p(X) >= T - G[r]``.
- *The main concept* ``m`` has the largest ``p``. If it is joined by OR after ``X``, only
  ``X \ m`` counts of ``X``, and only what a step does outside ``m``; if not, ``F`` gains no more
  over ``X`` than the ``r`` largest ``p`` of the others. Where one concept is most of what can be
  explained, every chain needs it, and this leaves few prefixes without it.
- *What can follow.* Without an AND among what follows, ``F`` adds to ``X`` parts of the concepts
  joined by OR, and takes from it parts of those joined by AND NOT: each counts ``p(c \ X)`` or
  ``n(X & c)`` at most, and the last one exactly ``g(c \ X)`` or ``-g(X & c)``, as nothing undoes
  it; if ``m`` is among those joined by OR, as if it were joined first. With an ``AND c``, what is
  left of ``X`` is in ``X & c``, and the rest of ``F`` is in the concepts joined by OR: at most
  ``p(X & c)`` and the ``r - 1`` largest ``p``, or ``G[r]``; if it is the one step to come, exactly
  ``g(X & c)``. Before the rows of ``X = Y op d`` are made, they are
  bounded from those of ``Y`` and of ``d``; of the triple ``Y & d & c`` only bounds are known.

The rows ``g(X & c)``, ``p(X & c)`` for all ``c`` make the last step exact. They are one pass over
the sets of the last concept, as the rows of ``X OR d`` and ``X AND NOT d`` are sums of those of
``X``, ``d`` and ``X & d``.

Steps that commute are taken in one order only: within a run of ORs by position, within a run of
AND and AND NOT first the ANDs, each by position; the first concept belongs to the run that follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.search.incumbent import LOST, RISING, WEIGHT, WITH_BEST, Incumbent
from ccx_cli.search.kept_chains import AND, NOT, OR, Kept, keep_chain
from ccx_cli.search.merged_sets import MergedSets

# Entries of ``effort``.
NODES, NODE_LIMIT = 0, 1
# What a node knows of itself.
G, P = 0, 1


@kernel
def walk_chains(
    length: int,
    allowed: NDArray[np.bool_],
    sets: MergedSets,
    weights: NDArray[np.float64],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    limits: NDArray[np.float64],
    least: float,
    grain: float,
    concepts: NDArray[np.int64],
    incumbent: Incumbent,
    kept: Kept,
    effort: NDArray[np.int64],
) -> float:
    """Keep every chain of ``length`` concepts that reaches the threshold.

    Parameters
    ----------
    length
        Concepts in a chain, 2 or more. While the threshold rises, shorter ones are kept as well.
    allowed
        ``(3,)``, which operators.
    sets, weights, weight, gain
        As in ``merged_sets.Problem``; concepts by descending ``gain`` on the diagonal.
    limits
        ``(length,)``, ``G[k]`` for ``k`` concepts.
    least
        Effect that every step after the first has; the first as well where it commutes with the
        second.
    grain
        No set weighs less, up or down. A step that acts on none leaves a shorter chain.
    concepts
        What ``kept`` calls each concept.
    incumbent, kept
        What is known so far; changed. The walk ends where a kept list that must be complete is not.
    effort
        Prefixes expanded, and how many may be at most; changed. Another thread may lower the limit.

    Returns
    -------
    No chain that was not searched has a larger ``g`` than this; ``-inf`` if all were.
    """
    n, n_sets = len(gain), len(weights)
    threshold, state = incumbent.threshold, incumbent.state
    rows = np.empty((length, n, 2))
    met = np.empty((n, 2))
    holds = np.empty((length, n_sets), dtype=np.bool_)
    own = np.empty((length, 2))
    counts = np.empty((length, 2), dtype=np.int64)
    effects = np.empty(length)
    chain = np.zeros(length, dtype=np.int64)
    used = np.zeros(n, dtype=np.bool_)
    children = np.empty((length, 3 * n), dtype=np.int64)
    bounds = np.empty((length, 3 * n))
    following = np.zeros(length, dtype=np.int64)
    n_children = np.zeros(length, dtype=np.int64)
    rest = np.zeros(length)
    for k in range(1, length):
        rest[k] = rest[k - 1] + (gain[k, k] if allowed[OR] and k < n else 0.0)
    n_children[0] = _first(
        length, allowed, weight, gain, limits, rest, threshold[WEIGHT], children[0], bounds[0]
    )
    depth = 0
    while True:
        position = following[depth]
        if position == n_children[depth] or bounds[depth, position] < threshold[WEIGHT]:
            if depth == 0:
                return -np.inf
            depth -= 1
            used[chain[depth] >> 2] = False
            continue
        if effort[NODES] >= effort[NODE_LIMIT] or (kept.complete and state[LOST] > 0):
            break
        effort[NODES] += 1
        following[depth] += 1
        code = children[depth, position]
        c = code >> 2
        chain[depth] = code
        used[c] = True
        if depth == 0:
            own[0, G], own[0, P], effects[0] = weight[c, c], gain[c, c], np.inf
            counts[0] = 0
            holds[0] = False
            for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
                each = sets.postings[posting]
                holds[0, each] = True
                counts[0, 0] += sets.hits[each]
                counts[0, 1] += sets.totals[each]
            rows[0, :, G], rows[0, :, P] = weight[c], gain[c]
        else:
            effects[depth] = _extend(
                depth, c, code & 3, sets, weights, weight, gain, rows, holds, own, counts, met
            )
        if depth + 2 == length or state[RISING] == WITH_BEST:
            _keep_extensions(
                depth,
                length,
                allowed,
                sets,
                rows,
                holds,
                own,
                counts,
                weight,
                chain,
                used,
                concepts,
                incumbent,
                kept,
            )
        if depth + 2 < length:
            n_children[depth + 1] = _children(
                depth,
                length,
                allowed,
                weight,
                gain,
                limits,
                least,
                grain,
                rows,
                own,
                effects,
                chain,
                used,
                rest,
                threshold[WEIGHT],
                children[depth + 1],
                bounds[depth + 1],
            )
            following[depth + 1] = 0
            depth += 1
        else:
            used[c] = False
    left = -np.inf
    for each in range(depth + 1):
        if following[each] < n_children[each]:
            left = max(left, bounds[each, following[each]])
    return left


@kernel
def _first(
    length: int,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    limits: NDArray[np.float64],
    rest: NDArray[np.float64],
    threshold: float,
    children: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> int:
    """List the concepts that a chain may begin with, by descending bound."""
    most, beside = 0.0, 0.0
    for c in range(min(len(gain), length - 1)):
        beside = most
        most += gain[c, c]
    found = 0
    for c in range(len(gain)):
        own = gain[c, c]
        bound = max(weight[c, c] + most, own + beside)
        bound = min(bound, own + limits[length - 1])
        if c > 0:
            with_main = own - gain[c, 0] + limits[length - 1] if allowed[OR] else -np.inf
            bound = min(bound, max(with_main, own + rest[length - 1]))
        if bound >= threshold:
            children[found], bounds[found] = 4 * c, bound
            found += 1
    _sort(children, bounds, found)
    return found


@kernel
def _sort(children: NDArray[np.int64], bounds: NDArray[np.float64], count: int) -> None:
    order = np.argsort(-bounds[:count], kind="mergesort")
    children[:count], bounds[:count] = children[:count][order], bounds[:count][order]


@kernel
def _extend(
    depth: int,
    c: int,
    operator: int,
    sets: MergedSets,
    weights: NDArray[np.float64],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    rows: NDArray[np.float64],
    holds: NDArray[np.bool_],
    own: NDArray[np.float64],
    counts: NDArray[np.int64],
    met: NDArray[np.float64],
) -> float:
    """Fill in what is known of a prefix from its parent, one place above; return the effect."""
    above = depth - 1
    met[:] = 0.0
    hits, total = 0, 0
    before, after = holds[above], holds[depth]
    if operator == AND:
        after[:] = False
    else:
        after[:] = before
    for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
        each = sets.postings[posting]
        if before[each]:
            hits += sets.hits[each]
            total += sets.totals[each]
            g = weights[each]
            if g > 0:
                for entry in range(sets.indptr[each], sets.indptr[each + 1]):
                    met[sets.labels[entry], G] += g
                    met[sets.labels[entry], P] += g
            else:
                for entry in range(sets.indptr[each], sets.indptr[each + 1]):
                    met[sets.labels[entry], G] += g
        after[each] = before[each] if operator == AND else operator == OR
    g_met, p_met = rows[above, c, G], rows[above, c, P]
    if operator == OR:
        for d in range(len(gain)):
            rows[depth, d, G] = rows[above, d, G] + weight[c, d] - met[d, G]
            rows[depth, d, P] = rows[above, d, P] + gain[c, d] - met[d, P]
        own[depth, G] = own[above, G] + weight[c, c] - g_met
        own[depth, P] = own[above, P] + gain[c, c] - p_met
        counts[depth] = counts[above]
        for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
            each = sets.postings[posting]
            counts[depth, 0] += sets.hits[each]
            counts[depth, 1] += sets.totals[each]
        counts[depth, 0] -= hits
        counts[depth, 1] -= total
        return float(gain[c, c] - p_met)
    if operator == AND:
        rows[depth] = met
        own[depth, G], own[depth, P] = g_met, p_met
        counts[depth, 0], counts[depth, 1] = hits, total
        return float((own[above, P] - own[above, G]) - (p_met - g_met))
    rows[depth] = rows[above] - met
    own[depth, G], own[depth, P] = own[above, G] - g_met, own[above, P] - p_met
    counts[depth, 0], counts[depth, 1] = counts[above, 0] - hits, counts[above, 1] - total
    return float(p_met - g_met)


@kernel
def _in_order(depth: int, last: int, c: int, operator: int) -> bool:
    """Tell whether a step after ``last`` is written as steps that commute are."""
    if depth == 0:
        return operator == NOT or c > last >> 2
    before = last & 3
    if operator == before:
        return c > last >> 2
    return not (before == NOT and operator == AND)


@kernel
def _keep_extensions(
    depth: int,
    length: int,
    allowed: NDArray[np.bool_],
    sets: MergedSets,
    rows: NDArray[np.float64],
    holds: NDArray[np.bool_],
    own: NDArray[np.float64],
    counts: NDArray[np.int64],
    weight: NDArray[np.float64],
    chain: NDArray[np.int64],
    used: NDArray[np.bool_],
    concepts: NDArray[np.int64],
    incumbent: Incumbent,
    kept: Kept,
) -> None:
    """Count every chain of one more concept that reaches the threshold; keep it if it does."""
    row = np.empty(length, dtype=np.int64)
    g = own[depth, G]
    for c in range(len(weight)):
        if used[c]:
            continue
        g_met = rows[depth, c, G]
        for operator in range(3):
            if not allowed[operator] or not _in_order(depth, chain[depth], c, operator):
                continue
            if operator == OR:
                reached = g + weight[c, c] - g_met
            elif operator == AND:
                reached = g_met
            else:
                reached = g - g_met
            if reached < incumbent.threshold[WEIGHT]:
                continue
            hits, total, signature, own_total = 0, 0, np.uint64(0), 0
            for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
                each = sets.postings[posting]
                own_total += sets.totals[each]
                if holds[depth, each] != (operator == OR):
                    hits += sets.hits[each]
                    total += sets.totals[each]
                    signature ^= sets.signatures[each]
            # What holds on the pixels of a shorter chain is left to that.
            if operator == OR:
                if total == 0 or own_total - total == counts[depth, 1]:
                    continue
                hits += counts[depth, 0]
                total += counts[depth, 1]
            elif operator == AND:
                if total == 0 or total == own_total or total == counts[depth, 1]:
                    continue
            else:
                if total == 0 or total == counts[depth, 1]:
                    continue
                hits = counts[depth, 0] - hits
                total = counts[depth, 1] - total
            if operator != AND:
                for each in range(len(sets.totals)):
                    if holds[depth, each]:
                        signature ^= sets.signatures[each]
            for i in range(depth + 1):
                row[i] = 4 * concepts[chain[i] >> 2] + (chain[i] & 3)
            row[depth + 1] = 4 * concepts[c] + operator
            keep_chain(incumbent, kept, row, depth + 2, hits, total, signature)


@kernel
def _children(
    depth: int,
    length: int,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    limits: NDArray[np.float64],
    least: float,
    grain: float,
    rows: NDArray[np.float64],
    own: NDArray[np.float64],
    effects: NDArray[np.float64],
    chain: NDArray[np.int64],
    used: NDArray[np.bool_],
    rest: NDArray[np.float64],
    threshold: float,
    children: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> int:
    """List the prefixes of one more concept that may lead to the threshold, by descending bound."""
    to_come = length - depth - 2
    g, p = own[depth, G], own[depth, P]
    n = p - g
    n_main = rows[depth, 0, P] - rows[depth, 0, G]
    off, n_off = p - rows[depth, 0, P], n - n_main
    top = np.empty(to_come + 1)
    smallest = np.sort(effects[1 : depth + 1])
    found = 0
    for c in range(len(gain)):
        if used[c]:
            continue
        g_met, p_met = rows[depth, c, G], rows[depth, c, P]
        n_met = p_met - g_met
        off_c = gain[c, c] - gain[c, 0]
        for operator in range(3):
            if not allowed[operator] or not _in_order(depth, chain[depth], c, operator):
                continue
            if operator == OR:
                effect = gain[c, c] - p_met
                acts = 2 * effect - (weight[c, c] - g_met)
                if depth == 0 and p - p_met < least:
                    continue
                child_g, child_p = g + weight[c, c] - g_met, p + effect
            elif operator == AND:
                effect = n - n_met
                acts = effect + p - p_met
                if depth == 0 and gain[c, c] - weight[c, c] - n_met < least:
                    continue
                child_g, child_p = g_met, p_met
            else:
                effect = n_met
                acts = n_met + p_met
                child_g, child_p = g - g_met, p - p_met
            if acts < grain or effect < least or child_p + limits[to_come] < threshold:
                continue
            child_off = np.inf
            if used[0] or c == 0:
                if child_p + rest[to_come] < threshold:
                    continue
            else:
                if operator == OR:
                    child_off, off_effect = off + off_c, off_c
                elif operator == AND:
                    child_off, off_effect = min(off, off_c), n_off
                else:
                    n_off_c = off_c - weight[c, c] + weight[c, 0]
                    child_off, off_effect = off, min(n_off, n_off_c)
                if child_p + rest[to_come] < threshold:
                    effect = min(effect, off_effect)
                    if not allowed[OR] or effect < least or child_off + limits[to_come] < threshold:
                        continue
            # The s smallest effects together.
            lost, pending, reached = 0.0, True, True
            for s in range(len(smallest) + 1):
                if pending and (s == len(smallest) or effect <= smallest[s]):
                    lost += effect
                    pending = False
                else:
                    lost += smallest[s if pending else s - 1]
                if lost + limits[length - s - 1] < threshold:
                    reached = False
                    break
            if not reached:
                continue
            used[c] = True
            bound = _bound(
                to_come,
                c,
                operator,
                child_g,
                child_p,
                g_met,
                p_met,
                p,
                child_off,
                allowed,
                weight,
                gain,
                limits,
                least,
                rows[depth],
                used,
                top,
            )
            used[c] = False
            bound = min(bound, child_p + limits[to_come])
            if bound >= threshold:
                children[found], bounds[found] = 4 * c + operator, bound
                found += 1
    _sort(children, bounds, found)
    return found


@kernel
def _bound(
    to_come: int,
    c: int,
    operator: int,
    g: float,
    p: float,
    g_met: float,
    p_met: float,
    p_above: float,
    off: float,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    limits: NDArray[np.float64],
    least: float,
    rows: NDArray[np.float64],
    used: NDArray[np.bool_],
    top: NDArray[np.float64],
) -> float:
    """Bound the chains that begin with ``Y = X operator c``, of which ``g`` and ``p`` are given.

    ``g_met`` and ``p_met`` are those of ``X & c``, ``p_above`` that of ``X``, whose ``rows`` these
    are. ``top`` is space for ``to_come`` values.
    """
    n, n_met, p_c = p - g, p_met - g_met, gain[c, c]
    others = to_come - 1
    top[:] = 0.0
    # Where the main concept is joined last, what is outside of it counts; where another step is
    # last, that one counts exactly, and the others may also cut into the main concept.
    top_outside, top_with_main = np.zeros(to_come + 1), np.zeros(to_come + 1)
    last_with_main = -np.inf
    has_main = not used[0] and allowed[OR]
    g_main = -np.inf
    joined, joined_count = 0.0, 0
    best_last, best_and, best_inside = -np.inf, -np.inf, -np.inf
    first, largest, second = -1, -np.inf, -np.inf
    for d in range(len(gain)):
        if not used[d] and first < 0:
            first, largest = d, gain[d, d]
        elif not used[d]:
            second = gain[d, d]
            break
    for d in range(len(gain)):
        if used[d]:
            continue
        p_d, g_d = gain[d, d], weight[d, d]
        p_x, g_x = rows[d, P], rows[d, G]
        p_y, g_y = gain[c, d], weight[c, d]
        n_x, n_y = p_x - g_x, p_y - g_y
        # The triple X & c & d: its p from least to most, its n from 0 to most.
        p_most, n_most = min(p_x, min(p_y, p_met)), min(n_x, min(n_y, n_met))
        p_least = max(0.0, max(p_x + p_y - p_d, max(p_x + p_met - p_above, p_y + p_met - p_c)))
        if operator == OR:
            outside, cut = p_d - p_x - p_y + p_most, min(n_x + n_y, n)
            g_or, g_not = g_d - g_x - g_y + p_most, p_most - g_x - g_y
            g_and, inside = g_x + g_y - p_least + n_most, p_x + p_y - p_least
        elif operator == AND:
            outside, cut = p_d - p_least, n_most
            g_or, g_not = g_d + n_most, n_most
            g_and, inside = p_most, p_most
        else:
            outside, cut = p_d - p_x + p_most, min(n_x, n)
            g_or, g_not = g_d - g_x + p_most, p_most - g_x
            g_and, inside = g_x + n_most, p_x - p_least
        inside = min(inside, min(p, p_d))
        if not allowed[OR]:
            outside = 0.0
        if not allowed[NOT]:
            cut = 0.0
        if d == 0 and has_main:
            g_main = min(g_or, outside)
            outside = 0.0
        elif allowed[OR] and (others > 0 or outside >= least):
            best_last = max(best_last, min(g_or, outside))
        if allowed[NOT] and (others > 0 or cut >= least):
            best_last = max(best_last, min(g_not, cut))
        # After an AND NOT, an AND comes only once something is joined by OR.
        other = second if d == first else largest
        if allowed[AND] and (operator != NOT or (others > 0 and allowed[OR] and other >= least)):
            best_and = max(best_and, min(g_and, inside))
            best_inside = max(best_inside, inside)
        if others > 0:
            if allowed[OR] and joined_count < others and not (d == 0 and has_main):
                joined += p_d
                joined_count += 1
            _enter(top, others, max(outside, cut))
            if has_main and d > 0:
                off_d, n_main = p_d - gain[d, 0], gain[d, 0] - weight[d, 0]
                added = min(outside, off_d)
                removed = cut + n_main if allowed[NOT] else 0.0
                _enter(top_outside, others, max(added, cut))
                _enter(top_with_main, others, max(added, removed))
                last_with_main = max(last_with_main, min(added, g_d - weight[d, 0] + cut))
                if allowed[NOT]:
                    last_with_main = max(last_with_main, min(removed, cut - weight[d, 0]))
    bound, main_last = g + best_last, g + g_main
    for place in range(others):
        bound += top[place]
        main_last += top_outside[place]
    bound = max(bound, main_last)
    if others == 0:
        return float(max(bound, best_and))
    main_before = g + g_main + last_with_main
    for place in range(others - 1):
        main_before += top_with_main[place]
    bound = max(bound, main_before)
    bound = max(bound, best_inside + min(joined, limits[to_come]))
    if has_main:
        bound = max(bound, min(best_inside, off) + limits[to_come])
    return float(bound)


@kernel
def _enter(top: NDArray[np.float64], count: int, value: float) -> None:
    """Put a value among the ``count`` largest, which are in descending order."""
    place = count - 1
    if value <= top[place]:
        return
    while place > 0 and top[place - 1] < value:
        top[place] = top[place - 1]
        place -= 1
    top[place] = value
