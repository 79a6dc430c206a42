"""Chains with one concept more, wherever it is put: compiled, exact.

Where the last concept of the best chain adds next to nothing, the bounds of ``chain_walk`` rule
nothing out. But a chain with a step of small effect is, without that step, a shorter chain that
comes close to the threshold, and there are few of those. Here every concept is inserted into them,
at every place, with every operator.

For chains of the same ``k`` concepts the label sets fall into ``2 ** k`` parts by the concepts they
carry. One pass over the sets of another concept counts it in every part, and each chain with it is
a sum of parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.search.incumbent import WEIGHT, Incumbent
from ccx_cli.search.kept_chains import AND, OR, Kept, keep_chain
from ccx_cli.search.merged_sets import MergedSets

# Bits of a part's value: the chain without the new concept, with it, and as it was.
WITHOUT, WITH, BEFORE = 1, 2, 4


def orders_of(chain: NDArray[np.int64]) -> list[tuple[int, ...]]:
    """Write a chain in all orders of the steps that commute: each has other places to insert at."""
    found = [tuple(chain.tolist())]
    for order in found:
        for place in range(1, len(order)):
            before, step = order[place - 1], order[place]
            joined, operator = before & 3, step & 3
            if place == 1:
                if operator == Operator.AND_NOT:
                    continue
                before, step = before + operator, step - operator
            elif (joined == Operator.OR) != (operator == Operator.OR):
                continue
            swapped = (*order[: place - 1], step, before, *order[place + 1 :])
            if swapped not in found:
                found.append(swapped)
    return found


@kernel
def insert_everywhere(
    chains: NDArray[np.int64],
    candidates: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    sets: MergedSets,
    weights: NDArray[np.float64],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    least_inside: float,
    parts: NDArray[np.uint8],
    incumbent: Incumbent,
    kept: Kept,
) -> None:
    """Keep every chain that reaches the threshold once a concept is inserted.

    Parameters
    ----------
    chains
        ``(n, k)``, rows of ``4 * concept + operator``, all of the same concepts.
    candidates
        Concepts to insert.
    allowed
        ``(3,)``, which operators.
    sets, weights, weight, gain
        As in ``merged_sets.Problem``.
    least_inside
        What the positive part of a concept joined by AND must reach.
    parts
        ``(n_sets,)``, zero before and after: space.
    incumbent, kept
        What is known so far; changed.
    """
    k = chains.shape[1]
    members = np.empty(k, dtype=np.int64)
    for i in range(k):
        members[i] = chains[0, i] >> 2
    members.sort()
    n_parts = 1 << k
    all_g = np.zeros(n_parts)
    all_hits = np.zeros(n_parts, dtype=np.int64)
    all_totals = np.zeros(n_parts, dtype=np.int64)
    all_signatures = np.zeros(n_parts, dtype=np.uint64)
    for i in range(k):
        b = members[i]
        for posting in range(sets.posting_indptr[b], sets.posting_indptr[b + 1]):
            parts[sets.postings[posting]] |= 1 << i
    for i in range(k):
        b = members[i]
        for posting in range(sets.posting_indptr[b], sets.posting_indptr[b + 1]):
            each = sets.postings[posting]
            part = parts[each]
            if part & ((1 << i) - 1) == 0:  # the first of its concepts
                all_g[part] += weights[each]
                all_hits[part] += sets.hits[each]
                all_totals[part] += sets.totals[each]
                all_signatures[part] ^= sets.signatures[each]
    variants, values = _variants(chains, members, allowed)
    needed = np.inf
    for v in range(len(variants)):
        g = 0.0
        for part in range(n_parts):
            if values[v, part] & BEFORE:
                g += all_g[part]
        needed = min(needed, incumbent.threshold[WEIGHT] - g)
    row = np.empty(k + 1, dtype=np.int64)
    g_with = np.empty(n_parts)
    hits_with = np.empty(n_parts, dtype=np.int64)
    totals_with = np.empty(n_parts, dtype=np.int64)
    signatures_with = np.empty(n_parts, dtype=np.uint64)
    for x in candidates:
        is_member, lost = False, 0.0
        for i in range(k):
            is_member |= members[i] == x
            lost += gain[members[i], x] - weight[members[i], x]
        if is_member or (max(gain[x, x], lost) < needed and gain[x, x] < least_inside):
            continue
        g_with[:], hits_with[:], totals_with[:], signatures_with[:] = 0.0, 0, 0, 0
        for posting in range(sets.posting_indptr[x], sets.posting_indptr[x + 1]):
            each = sets.postings[posting]
            part = parts[each]
            g_with[part] += weights[each]
            hits_with[part] += sets.hits[each]
            totals_with[part] += sets.totals[each]
            signatures_with[part] ^= sets.signatures[each]
        for v in range(len(variants)):
            g, changed = 0.0, False
            for part in range(n_parts):
                value = values[v, part]
                if value & WITHOUT:
                    g += all_g[part] - g_with[part]
                if value & WITH:
                    g += g_with[part]
            if g < incumbent.threshold[WEIGHT]:
                continue
            hits, total, signature = 0, 0, np.uint64(0)
            for part in range(n_parts):
                value = values[v, part]
                rest = all_totals[part] - totals_with[part]
                changed |= bool(value & WITHOUT) != bool(value & BEFORE) and rest > 0
                changed |= bool(value & WITH) != bool(value & BEFORE) and totals_with[part] > 0
                if value & WITHOUT:
                    hits += all_hits[part] - hits_with[part]
                    total += rest
                    signature ^= all_signatures[part] ^ signatures_with[part]
                if value & WITH:
                    hits += hits_with[part]
                    total += totals_with[part]
                    signature ^= signatures_with[part]
            if not changed or total == 0:
                continue
            for i in range(k + 1):
                row[i] = variants[v, i] if variants[v, i] >= 0 else 4 * x + (-1 - variants[v, i])
            keep_chain(incumbent, kept, row, k + 1, hits, total, signature)
    for i in range(k):
        b = members[i]
        for posting in range(sets.posting_indptr[b], sets.posting_indptr[b + 1]):
            parts[sets.postings[posting]] = 0


@kernel
def _variants(
    chains: NDArray[np.int64], members: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Put a concept into every chain, and say on which parts the result holds.

    Returns
    -------
    variants
        ``(n, k + 1)``, rows of chains; ``-1 - operator`` stands for the new concept.
    values
        ``(n, 2 ** k)``, bits.
    """
    count, k = chains.shape
    variants = np.empty((3 * k * count, k + 1), dtype=np.int64)
    values = np.zeros((3 * k * count, 1 << k), dtype=np.uint8)
    bits = np.empty(k, dtype=np.int64)
    found = 0
    for i in range(count):
        for j in range(k):
            bits[j] = np.searchsorted(members, chains[i, j] >> 2)
        for place in range(1, k + 1):
            for operator in range(3):
                if not allowed[operator]:
                    continue
                # What commutes with the step that follows is put after that.
                if place < k and (operator == OR) == ((chains[i, place] & 3) == OR):
                    continue
                variants[found, :place] = chains[i, :place]
                variants[found, place] = -1 - operator
                variants[found, place + 1 :] = chains[i, place:]
                for part in range(1 << k):
                    before = without = with_it = (part >> bits[0]) & 1 == 1
                    for j in range(1, k + 1):
                        if j == place:
                            without = without and operator != AND
                            with_it = with_it if operator == AND else operator == OR
                        if j == k:
                            break
                        step, holds = chains[i, j] & 3, (part >> bits[j]) & 1 == 1
                        if step == OR:
                            before, without = before or holds, without or holds
                            with_it = with_it or holds
                        else:
                            holds = holds == (step == AND)
                            before, without = before and holds, without and holds
                            with_it = with_it and holds
                    values[found, part] = WITHOUT * without + WITH * with_it + BEFORE * before
                found += 1
    return variants[:found], values[:found]
