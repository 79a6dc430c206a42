"""What the other steps of a chain may take out of a concept, and what an AND may leave of two.

Of a concept ``d`` a chain keeps ``d`` less parts of it that lie in other concepts. Each part counts
``n(d & e)`` at most, so ``k`` other steps add no more to ``g(d)`` than the ``k`` largest of these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel


@kernel
def partners_of(
    count: int, weight: NDArray[np.float64], gain: NDArray[np.float64]
) -> NDArray[np.int32]:
    """List the ``count`` concepts with the largest ``n(d & e)`` for every ``d``, -1 for none."""
    n = len(gain)
    partners = np.full((n, count), -1, dtype=np.int32)
    largest = np.zeros(count)
    for d in range(n):
        found = 0
        for e in range(n):
            value = gain[d, e] - weight[d, e]
            if e == d or (found == count and value <= largest[count - 1]):
                continue
            place = min(found, count - 1)
            while place > 0 and largest[place - 1] < value:
                largest[place], partners[d, place] = largest[place - 1], partners[d, place - 1]
                place -= 1
            largest[place], partners[d, place] = value, e
            found = min(found + 1, count)
    return partners


@kernel
def largest_pairs(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """For every ``d`` the largest ``g(d & e)`` of another concept, 0 if none is above."""
    n = len(weight)
    largest = np.zeros(n)
    for d in range(n):
        for e in range(n):
            if e != d:
                largest[d] = max(largest[d], weight[d, e])
    return largest


@kernel
def find_cuts(
    count: int,
    used: NDArray[np.bool_],
    partners: NDArray[np.int32],
    weight: NDArray[np.float64],
    gain: NDArray[np.float64],
    cuts: NDArray[np.float64],
) -> None:
    """Sum what ``count`` unused concepts may take out of each.

    ``cuts[d]`` becomes the sum of the ``count`` largest ``n(d & e)``, the last of them, and the sum
    of one more. There are more partners than concepts in a chain and ``count`` together.
    """
    for d in range(len(cuts)):
        cuts[d] = 0.0
        found = 0
        for e in partners[d]:
            if e < 0 or found > count:
                break
            if used[e]:
                continue
            value = gain[d, e] - weight[d, e]
            cuts[d, 2] += value
            if found < count:
                cuts[d, 0] += value
                cuts[d, 1] = value
            found += 1
        if found < count:
            cuts[d, 1] = 0.0


@kernel
def cut_without(cuts: NDArray[np.float64], count: int, taken: float) -> float:
    """Leave one concept out of a sum of ``find_cuts``, of which ``n(d & e)`` is ``taken``."""
    if count == 0:
        return 0.0
    return float(cuts[2] - taken if taken >= cuts[1] else cuts[0])


@kernel
def after_and(
    inside: float,
    concept: float,
    to_come: int,
    first: bool,
    pair: float,
    limits: NDArray[np.float64],
) -> float:
    """Bound what begins with ``Y`` and has an ``AND d``, its only one, among the steps to come.

    What is left of ``Y`` counts ``inside`` at most; the rest is a chain itself. If the AND is the
    first step, that has one concept less. Else the chain up to the AND is in ``d``, whose positive
    part ``concept`` is, and no more than ``to_come - 2`` steps follow; with two steps to come, the
    rest is at most the ``pair`` of ``d`` and the concept joined before.
    """
    rest = pair if to_come == 2 else limits[to_come]
    most = min(inside + rest, concept + limits[to_come - 2])
    if first:
        most = max(most, inside + limits[to_come - 1])
    return float(most)


@kernel
def enter(top: NDArray[np.float64], count: int, value: float) -> None:
    """Put a value among the ``count`` largest, which are in descending order."""
    place = count - 1
    if value <= top[place]:
        return
    while place > 0 and top[place - 1] < value:
        top[place] = top[place - 1]
        place -= 1
    top[place] = value
