"""The compiled walk over chains of any length, depth first; its bounds are in ``chain_bounds``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.search.chain_bounds import G, P, Tables, limits_without
from ccx_cli.search.chain_steps import first_concepts, next_steps
from ccx_cli.search.cuts import largest_pairs, partners_of
from ccx_cli.search.incumbent import LOST, RISING, WEIGHT, WITH_BEST, Incumbent
from ccx_cli.search.kept_chains import AND, OR, Kept, in_order, joined, keep_chain
from ccx_cli.search.merged_sets import MergedSets

# Entries of ``effort``.
NODES, NODE_LIMIT = 0, 1


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
    main: int,
    is_covered: bool,
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
    main, is_covered
        As in ``chain_bounds.Tables``.
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
    effects = np.empty(length)
    chain = np.zeros(length, dtype=np.int64)
    used = np.zeros(n, dtype=np.bool_)
    children = np.empty((length, 3 * n), dtype=np.int64)
    bounds = np.empty((length, 3 * n))
    following = np.zeros(length, dtype=np.int64)
    n_children = np.zeros(length, dtype=np.int64)
    rest = np.zeros(length)
    k = 0
    for c in range(n):
        if c != main and k + 1 < length:
            k += 1
            rest[k] = rest[k - 1] + (gain[c, c] if allowed[OR] else 0.0)
    rest[k + 1 :] = rest[k]
    partners, pairs = partners_of(2 * length, weight, gain), largest_pairs(weight)
    others = limits_without(main, allowed, weight, limits)
    tables = Tables(
        allowed,
        weight,
        gain,
        limits,
        least,
        grain,
        rest,
        partners,
        pairs,
        main,
        is_covered,
        others,
        largest_pairs(gain - weight),
        largest_pairs(gain),
    )
    n_children[0] = first_concepts(length, tables, threshold[WEIGHT], children[0], bounds[0])
    # ``holds`` is right for so many of the prefixes; most have no other that begins with them.
    depth, filled = 0, 0
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
        filled = min(filled, depth)
        if depth == 0:
            own[0, G], own[0, P], effects[0] = weight[c, c], gain[c, c], np.inf
            rows[0, :, G], rows[0, :, P] = weight[c], gain[c]
        else:
            if filled < depth:
                _fill(depth - 1, chain, sets, holds)
                filled = depth
            effects[depth] = _extend(
                depth,
                c,
                code & 3,
                sets,
                weights,
                weight,
                gain,
                rows,
                holds,
                own,
                met,
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
                weight,
                chain,
                used,
                concepts,
                incumbent,
                kept,
            )
        if depth + 2 < length:
            n_children[depth + 1] = next_steps(
                depth,
                length,
                tables,
                rows,
                own,
                effects,
                chain,
                used,
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
def _fill(depth: int, chain: NDArray[np.int64], sets: MergedSets, holds: NDArray[np.bool_]) -> None:
    """Mark the sets on which a prefix holds, from those of its parent, one place above."""
    c, operator = chain[depth] >> 2, chain[depth] & 3
    after = holds[depth]
    if depth == 0 or operator == AND:
        after[:] = False
    else:
        after[:] = holds[depth - 1]
    for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
        each = sets.postings[posting]
        if depth > 0 and operator == AND:
            after[each] = holds[depth - 1, each]
        else:
            after[each] = operator == OR


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
    met: NDArray[np.float64],
) -> float:
    """Fill in what is known of a prefix from its parent, one place above; return the effect."""
    above = depth - 1
    met[:] = 0.0
    before = holds[above]
    for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
        each = sets.postings[posting]
        if before[each]:
            g = weights[each]
            if g > 0:
                for entry in range(sets.indptr[each], sets.indptr[each + 1]):
                    met[sets.labels[entry], G] += g
                    met[sets.labels[entry], P] += g
            else:
                for entry in range(sets.indptr[each], sets.indptr[each + 1]):
                    met[sets.labels[entry], G] += g
    g_met, p_met = rows[above, c, G], rows[above, c, P]
    own[depth, G] = joined(operator, own[above, G], weight[c, c], g_met)
    own[depth, P] = joined(operator, own[above, P], gain[c, c], p_met)
    if operator == OR:
        for d in range(len(gain)):
            rows[depth, d, G] = rows[above, d, G] + weight[c, d] - met[d, G]
            rows[depth, d, P] = rows[above, d, P] + gain[c, d] - met[d, P]
        return float(gain[c, c] - p_met)
    if operator == AND:
        rows[depth] = met
        return float((own[above, P] - own[above, G]) - (p_met - g_met))
    rows[depth] = rows[above] - met
    return float(p_met - g_met)


@kernel
def _keep_extensions(
    depth: int,
    length: int,
    allowed: NDArray[np.bool_],
    sets: MergedSets,
    rows: NDArray[np.float64],
    holds: NDArray[np.bool_],
    own: NDArray[np.float64],
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
    own_hits, own_total, own_signature = 0, -1, np.uint64(0)
    for c in range(len(weight)):
        if used[c]:
            continue
        g_met = rows[depth, c, G]
        for operator in range(3):
            if not allowed[operator] or not in_order(depth, chain[depth], c, operator):
                continue
            reached = joined(operator, g, weight[c, c], g_met)
            if reached < incumbent.threshold[WEIGHT]:
                continue
            if own_total < 0:
                own_total = 0
                _fill(depth, chain, sets, holds)
                for each in range(len(sets.totals)):
                    if holds[depth, each]:
                        own_hits += sets.hits[each]
                        own_total += sets.totals[each]
                        own_signature ^= sets.signatures[each]
            hits, total, signature, concept_total = 0, 0, np.uint64(0), 0
            for posting in range(sets.posting_indptr[c], sets.posting_indptr[c + 1]):
                each = sets.postings[posting]
                concept_total += sets.totals[each]
                if holds[depth, each] != (operator == OR):
                    hits += sets.hits[each]
                    total += sets.totals[each]
                    signature ^= sets.signatures[each]
            # What holds on the pixels of a shorter chain is left to that.
            if operator == OR:
                if total == 0 or concept_total - total == own_total:
                    continue
                hits += own_hits
                total += own_total
            elif operator == AND:
                if total == 0 or total == concept_total or total == own_total:
                    continue
            else:
                if total == 0 or total == own_total:
                    continue
                hits = own_hits - hits
                total = own_total - total
            if operator != AND:
                signature ^= own_signature
            for i in range(depth + 1):
                row[i] = 4 * concepts[chain[i] >> 2] + (chain[i] & 3)
            row[depth + 1] = 4 * concepts[c] + operator
            keep_chain(incumbent, kept, row, depth + 2, hits, total, signature)
