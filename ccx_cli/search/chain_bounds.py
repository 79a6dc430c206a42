r"""What a walk over chains of any length leaves out, by bounds: compiled.

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
- *The main concept* ``m`` has the largest ``p``, or is named by the caller. If it is joined by OR
  after ``X``, only ``X \ m`` counts of ``X``, and only what a step does outside ``m``; if not,
  ``F`` gains no more over ``X`` than the ``r`` largest ``p`` of the others, or than a chain that
  does not begin with ``m`` or join it by OR. Where one concept is most of what can be explained,
  every chain needs it, and this leaves few prefixes without it: fewer still where the caller covers
  the chains that have ``m`` in their last run, for then something must cut into it, or be added.
- *What can follow.* Without an AND among what follows, ``F`` adds to ``X`` parts of the concepts
  joined by OR, and takes from it parts of those joined by AND NOT: each counts ``p(c \ X)`` or
  ``n(X & c)`` at most, and the last one exactly ``g(c \ X)`` or ``-g(X & c)``, as nothing undoes
  it; if ``m`` is among those joined by OR, as if it were joined first. What is joined by OR counts
  no more than ``g(c \ X)`` and what the ``r - 1`` other steps may take out of ``c`` (``cuts``).
- *After an AND.* With an ``AND c`` among what follows, what is left of ``X`` is in ``X & c`` and
  counts ``p(X & c)`` at most, or ``g(X & c)`` and what the others may take out of ``c``; if it is
  the one step to come, exactly ``g(X & c)``. The rest of ``F`` is a chain itself
  (``cuts.after_and``), and at most the ``r - 1`` largest ``p``. The steps before count their
  effect inside of ``c`` only. A second AND leaves what is in both.

Before the rows of ``X = Y op d`` are made, they are bounded from those of ``Y`` and of ``d``; of
the triple ``Y & d & c`` only bounds are known.

The rows ``g(X & c)``, ``p(X & c)`` for all ``c`` make the last step exact. They are one pass over
the sets of the last concept, as the rows of ``X OR d`` and ``X AND NOT d`` are sums of those of
``X``, ``d`` and ``X & d``.

Steps that commute are taken in one order only: within a run of ORs by position, within a run of
AND and AND NOT first the ANDs, each by position; the first concept belongs to the run that follows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.search.cuts import after_and, cut_without, enter
from ccx_cli.search.kept_chains import AND, NOT, OR

# What a node knows of itself.
G, P = 0, 1


class Tables(NamedTuple):
    """What a walk knows before it begins.

    Attributes
    ----------
    allowed, weight, gain, limits, least, grain
        As ``walk_chains`` is given them.
    rest
        ``(length,)``, the largest ``p`` of so many concepts but the main one, joined by OR.
    partners, pairs
        From ``cuts.partners_of`` and ``cuts.largest_pairs``.
    main, is_covered
        The main concept, and whether chains that have it in their last run are not sought: joined
        by OR, and then only ORs, or by AND, and then no OR.
    others
        ``(length,)``, as ``limits``, of chains without the main concept, or with it only cutting.
    n_pair, p_pair
        ``(n,)``, the largest ``n(c & d)`` and ``p(c & d)`` of another concept ``d``.
    """

    allowed: NDArray[np.bool_]
    weight: NDArray[np.float64]
    gain: NDArray[np.float64]
    limits: NDArray[np.float64]
    least: float
    grain: float
    rest: NDArray[np.float64]
    partners: NDArray[np.int32]
    pairs: NDArray[np.float64]
    main: int
    is_covered: bool
    others: NDArray[np.float64]
    n_pair: NDArray[np.float64]
    p_pair: NDArray[np.float64]


@kernel
def limits_without(
    main: int,
    allowed: NDArray[np.bool_],
    weight: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bound ``g`` of chains that do not begin with the main concept, nor have it joined by OR."""
    found, slack = limits.copy(), limits[0]
    single, pair = 0.0, 0.0
    for a in range(len(weight)):
        if a == main:
            continue
        single = max(single, weight[a, a])
        for b in range(len(weight)):
            if a == b:
                continue
            if allowed[OR] and b != main:
                pair = max(pair, weight[a, a] + weight[b, b] - weight[a, b])
            if allowed[AND]:
                pair = max(pair, weight[a, b])
            if allowed[NOT]:
                pair = max(pair, weight[a, a] - weight[a, b])
    found[1] = min(found[1], single + slack)
    if len(found) > 2:
        found[2] = min(found[2], max(single, pair) + slack)
    return found


@kernel
def may_join_main(to_come: int, c: int, operator: int, tables: Tables) -> bool:
    """Tell whether the main concept may be joined by OR after this step of a chain that is sought.

    Where it must not be among the last ORs, a step that cuts into it follows; and one that cuts is
    before it if it would otherwise precede this step.
    """
    if not tables.allowed[OR]:
        return False
    if not tables.is_covered:
        return True
    if not (tables.allowed[AND] or tables.allowed[NOT]):
        return False
    return to_come >= (3 if operator == OR and c > tables.main else 2)


@kernel
def bound_after(
    to_come: int,
    c: int,
    operator: int,
    g: float,
    p: float,
    g_met: float,
    p_met: float,
    p_above: float,
    off: float,
    tables: Tables,
    cuts: NDArray[np.float64],
    rows: NDArray[np.float64],
    used: NDArray[np.bool_],
    top: NDArray[np.float64],
) -> float:
    """Bound the chains that begin with ``Y = X operator c``, of which ``g`` and ``p`` are given.

    ``g_met`` and ``p_met`` are those of ``X & c``, ``p_above`` that of ``X``, whose ``rows`` these
    are. ``cuts`` are those of ``find_cuts``. ``top`` is space for ``to_come`` values.
    """
    allowed, weight, gain = tables.allowed, tables.weight, tables.gain
    pairs, limits, least, main = tables.pairs, tables.limits, tables.least, tables.main
    n, n_met, p_c = p - g, p_met - g_met, gain[c, c]
    others = to_come - 1
    top[:] = 0.0
    # Where the main concept is joined last, what is outside of it counts; where another step is
    # last, that one counts exactly, and the others may also cut into the main concept.
    top_outside, top_with_main = np.zeros(to_come + 1), np.zeros(to_come + 1)
    last_with_main = -np.inf
    has_main = not used[main] and may_join_main(to_come, c, operator, tables)
    cut_after = tables.is_covered and has_main
    g_main = -np.inf
    joined, joined_count = 0.0, 0
    best_last, best_and, inside_twice = -np.inf, -np.inf, np.full(2, -np.inf)
    first, largest, second = -1, -np.inf, -np.inf
    for d in range(len(gain)):
        if used[d]:
            continue
        if first < 0:
            first, largest = d, gain[d, d]
        elif second < 0:
            second = gain[d, d]
        if allowed[OR] and joined_count < others and d != main:
            joined += gain[d, d]
            joined_count += 1
        if second >= 0 and joined_count >= others:
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
        # ``acts`` is what the step of c can do on d.
        if operator == OR:
            outside, lost, acts = p_d - p_x - p_y + p_most, min(n_x + n_y, n), p_y - p_least
            g_or, g_not = g_d - g_x - g_y + p_most, p_most - g_x - g_y
            g_and, inside = g_x + g_y - p_least + n_most, p_x + p_y - p_least
        elif operator == AND:
            outside, lost, acts = p_d - p_least, n_most, n_x
            g_or, g_not = g_d + n_most, n_most
            g_and, inside = p_most, p_most
        else:
            outside, lost, acts = p_d - p_x + p_most, min(n_x, n), n_most
            g_or, g_not = g_d - g_x + p_most, p_most - g_x
            g_and, inside = g_x + n_most, p_x - p_least
        inside = min(inside, min(p, p_d))
        if not allowed[OR] or (d == main and not has_main):
            outside = 0.0
        cut = lost if allowed[NOT] else 0.0
        taken = cut_without(cuts[d], others, n_y)
        if d == main and has_main:
            g_main = min(g_or, outside)
            outside = 0.0
        elif allowed[OR] and d != main and (others > 0 or outside >= least):
            best_last = max(best_last, min(g_or, outside))
        if allowed[NOT] and (others > 0 or cut >= least):
            best_last = max(best_last, min(g_not, cut))
        # After an AND NOT, an AND comes only once something is joined by OR.
        other = second if d == first else largest
        if (
            allowed[AND]
            and acts >= least
            and (operator != NOT or (others > 0 and allowed[OR] and other >= least))
        ):
            if d == main and tables.is_covered and others < 2:
                if others == 1:
                    best_and = max(best_and, inside + min(joined, tables.others[1]))
            elif others == 0:
                best_and = max(best_and, min(g_and, inside))
            else:
                enter(inside_twice, 2, inside)
                inside = min(inside, g_and + taken)
                is_first = operator != NOT
                most = after_and(inside, p_d, to_come, is_first, pairs[d], tables.others)
                best_and = max(best_and, min(most, inside + joined))
                if has_main and d != main:
                    inside = min(inside, off)
                    is_first = is_first and not (cut_after and to_come == 2)
                    most = after_and(inside, p_d, to_come, is_first, pairs[d], limits)
                    best_and = max(best_and, most)
        if others > 0:
            outside = min(outside, g_or + taken)
            enter(top, others, max(outside, cut))
            if has_main and d != main:
                off_d, n_main = p_d - gain[d, main], gain[d, main] - weight[d, main]
                added = min(outside, off_d)
                removed = cut + n_main if allowed[NOT] else 0.0
                enter(top_outside, others, max(added, cut))
                enter(top_with_main, others, max(added, removed))
                if not cut_after:
                    last_with_main = max(last_with_main, min(added, g_d - weight[d, main] + lost))
                if allowed[NOT]:
                    if others == 1 or not cut_after:
                        removed = min(removed, cut - weight[d, main])
                    last_with_main = max(last_with_main, removed)
    bound, main_last = g + best_last, g + g_main
    for place in range(others):
        bound += top[place]
        main_last += top_outside[place]
    bound = max(bound, best_and)
    if not cut_after:
        bound = max(bound, main_last)
    if others == 0:
        return float(bound)
    main_before = g + g_main + last_with_main
    for place in range(others - 1):
        main_before += top_with_main[place]
    bound = max(bound, main_before)
    # Two ANDs leave what is in both concepts.
    inside = inside_twice[1]
    if others > 1:
        most = inside + min(joined, tables.others[to_come])
        inside = max(most, min(inside, off) + limits[to_come]) if has_main else most
    return float(max(bound, inside))
