"""Which concepts may begin a chain, and which steps may follow, by ``chain_bounds``: compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.search.chain_bounds import G, P, Tables, bound_after, may_join_main
from ccx_cli.search.cuts import find_cuts
from ccx_cli.search.kept_chains import AND, NOT, OR, in_order, joined


@kernel
def first_concepts(
    length: int,
    tables: Tables,
    threshold: float,
    children: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> int:
    """List the concepts that a chain may begin with, by descending bound."""
    weight, gain, limits, rest = tables.weight, tables.gain, tables.limits, tables.rest
    most, beside = 0.0, 0.0
    for c in range(min(len(gain), length - 1)):
        beside = most
        most += gain[c, c]
    found = 0
    for c in range(len(gain)):
        own = gain[c, c]
        bound = max(weight[c, c] + most, own + beside)
        bound = min(bound, own + limits[length - 1])
        without = own + min(rest[length - 1], tables.others[length - 1])
        if c == tables.main:
            bound = min(bound, without)
        elif may_join_main(length - 1, c, OR, tables):
            with_main = own - gain[c, tables.main] + limits[length - 1]
            bound = min(bound, max(with_main, without))
        else:
            bound = min(bound, without)
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
def next_steps(
    depth: int,
    length: int,
    tables: Tables,
    rows: NDArray[np.float64],
    own: NDArray[np.float64],
    effects: NDArray[np.float64],
    chain: NDArray[np.int64],
    used: NDArray[np.bool_],
    threshold: float,
    children: NDArray[np.int64],
    bounds: NDArray[np.float64],
) -> int:
    """List the prefixes of one more concept that may lead to the threshold, by descending bound."""
    allowed, weight, gain = tables.allowed, tables.weight, tables.gain
    limits, least, rest = tables.limits, tables.least, tables.rest
    to_come = length - depth - 2
    g, p = own[depth, G], own[depth, P]
    n = p - g
    main, others = tables.main, min(rest[to_come], tables.others[to_come])
    n_main = rows[depth, main, P] - rows[depth, main, G]
    off, n_off = p - rows[depth, main, P], n - n_main
    top = np.empty(to_come + 1)
    cuts = np.empty((len(gain), 3))
    find_cuts(to_come - 1, used, tables.partners, weight, gain, cuts)
    smallest = np.sort(effects[1 : depth + 1])
    most = largest_steps(rows[depth], used, cuts, tables) if to_come <= 2 else np.empty(0)
    found = 0
    for c in range(len(gain)):
        if used[c]:
            continue
        g_met, p_met = rows[depth, c, G], rows[depth, c, P]
        n_met = p_met - g_met
        off_c = gain[c, c] - gain[c, main]
        for operator in range(3):
            if not allowed[operator] or not in_order(depth, chain[depth], c, operator):
                continue
            if operator == OR:
                effect = gain[c, c] - p_met
                acts = 2 * effect - (weight[c, c] - g_met)
                if depth == 0 and p - p_met < least:
                    continue
            elif operator == AND:
                effect = n - n_met
                acts = effect + p - p_met
                if depth == 0 and gain[c, c] - weight[c, c] - n_met < least:
                    continue
            else:
                effect = n_met
                acts = n_met + p_met
            child_g = joined(operator, g, weight[c, c], g_met)
            child_p = joined(operator, p, gain[c, c], p_met)
            if acts < tables.grain or effect < least or child_p + limits[to_come] < threshold:
                continue
            child_off = np.inf
            if used[main] or c == main:
                if child_p + others < threshold:
                    continue
            else:
                if operator == OR:
                    child_off, off_effect = off + off_c, off_c
                elif operator == AND:
                    child_off, off_effect = min(off, off_c), n_off
                else:
                    n_off_c = off_c - weight[c, c] + weight[c, main]
                    child_off, off_effect = off, min(n_off, n_off_c)
                if child_p + others < threshold:
                    effect = min(effect, off_effect)
                    if (
                        effect < least
                        or child_off + limits[to_come] < threshold
                        or not may_join_main(to_come, c, operator, tables)
                    ):
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
            if to_come <= 2 and threshold > steps_at_most(
                to_come, c, operator, child_g, p_met, used, most, tables
            ):
                used[c] = False
                continue
            bound = bound_after(
                to_come,
                c,
                operator,
                child_g,
                child_p,
                g_met,
                p_met,
                p,
                child_off,
                tables,
                cuts,
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
def largest_steps(
    rows: NDArray[np.float64],
    used: NDArray[np.bool_],
    cuts: NDArray[np.float64],
    tables: Tables,
) -> NDArray[np.float64]:
    """Find the most that any concept ``d`` may add to a prefix ``X`` as one of the next steps.

    The largest ``g(d) - g(X & d)``, ``g(d)``, ``n(X & d)`` and ``p(X & d)``; the largest part of
    ``d`` outside of ``X``, of ``d`` and of ``X & d``, once the other step has cut into it; and
    the largest ``g`` of a pair.
    """
    most = np.full(8, -np.inf)
    for d in range(len(rows)):
        if not used[d]:
            p_d, g_d, p_x, g_x = tables.gain[d, d], tables.weight[d, d], rows[d, P], rows[d, G]
            cut = cuts[d, 0]
            most[0] = max(most[0], g_d - g_x)
            most[1] = max(most[1], g_d)
            most[2] = max(most[2], p_x - g_x)
            most[3] = max(most[3], p_x)
            most[4] = max(most[4], min(p_d - p_x, g_d - g_x + cut))
            most[5] = max(most[5], min(p_d, g_d + cut))
            most[6] = max(most[6], min(p_x, g_x + cut))
            most[7] = max(most[7], tables.pairs[d])
    return most


@kernel
def steps_at_most(
    to_come: int,
    c: int,
    operator: int,
    g: float,
    p_met: float,
    used: NDArray[np.bool_],
    most: NDArray[np.float64],
    tables: Tables,
) -> float:
    """Bound ``Y = X operator c`` and one or two steps more, looser than ``bound_after`` does.

    No concept is looked at: ``most`` is from ``largest_steps``, and what ``c`` shares with another
    is at most ``n_pair`` and ``p_pair``.
    """
    n_c, p_c = tables.n_pair[c], tables.p_pair[c]
    if operator == OR:
        last, other = most[0] + n_c, most[4] + n_c
        cut, inside = most[2] + n_c, most[6] + p_c
    elif operator == AND:
        last, other = most[1] + n_c, most[5] + n_c
        cut, inside = min(most[2], n_c), min(most[3], p_c)
    else:
        uncovered = min(p_c, p_met)
        last, other = most[0] + uncovered, most[4] + uncovered
        cut, inside = most[2], most[6] + min(most[2], n_c)
    if to_come == 1:
        # After an AND NOT, an AND comes only once something is joined by OR.
        return float(max(g + max(last, cut), -np.inf if operator == NOT else inside))
    has_main = not used[tables.main] and may_join_main(to_come, c, operator, tables)
    rest = most[7]
    if operator != NOT:
        rest = max(rest, tables.limits[1] if has_main else tables.others[1])
    bound = max(g + max(last, cut) + max(other, cut), inside + rest)
    if has_main:
        bound = max(bound, g + last + cut + tables.n_pair[tables.main])
    return float(bound)
