"""The chains that a search keeps: compiled, for chains of any length.

A chain is a row of ``4 * concept + operator``; the first operator means nothing and is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain, Scored
from ccx_cli.search.incumbent import KEPT, LOST, RAISED, Incumbent, reaches

OR, AND, NOT = 0, 1, 2
"""As in ``Operator``."""


class Kept(NamedTuple):
    """Chains that reached the threshold since it last rose.

    Attributes
    ----------
    chains
        ``(capacity, length)`` int64; -1 where a chain is shorter.
    counts
        ``(capacity, 2)`` int64, hits and total of each.
    signatures
        ``(capacity,)`` uint64, of the label sets on which each holds.
    slots
        ``(size,)`` int32, a hash table of signatures: the row of each, -1 where there is none;
        ``size`` is a power of two, twice the capacity at least.
    complete
        Keep all of those that are the same on this data, for only then others can be made from
        them; else of these the shortest, then the one of lowest concepts.
    """

    chains: NDArray[np.int64]
    counts: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    slots: NDArray[np.int32]
    complete: bool


def room_for(capacity: int, length: int, *, complete: bool) -> Kept:
    """Make room for so many chains of at most so many concepts."""
    size = 1 << (2 * capacity - 1).bit_length()
    return Kept(
        np.empty((capacity, length), dtype=np.int64),
        np.empty((capacity, 2), dtype=np.int64),
        np.empty(capacity, dtype=np.uint64),
        np.full(size, -1, dtype=np.int32),
        complete,
    )


def kept_formulas(kept: Kept, count: int, in_range: float) -> Iterator[Scored]:
    """Yield the first ``count`` chains, on a range of ``in_range`` pixels."""
    for row in range(count):
        codes = [int(code) for code in kept.chains[row] if code >= 0]
        chain = Chain(
            tuple(code >> 2 for code in codes), tuple(Operator(code & 3) for code in codes[1:])
        )
        both, total = kept.counts[row].tolist()
        iou = both / (in_range + total - both)
        yield Scored(chain, both, total, iou, int(kept.signatures[row]))


@kernel
def joined(operator: int, own: float, concept: float, met: float) -> float:
    """Sum over ``X operator c`` from the sums over ``X``, ``c`` and ``X & c``."""
    if operator == OR:
        return own + concept - met
    return met if operator == AND else own - met


@kernel
def keep_chain(
    incumbent: Incumbent,
    kept: Kept,
    chain: NDArray[np.int64],
    length: int,
    hits: int,
    total: int,
    signature: np.uint64,
) -> None:
    """Keep a chain that reaches the threshold; one that beats the best raises it.

    ``chain`` is changed: steps that commute are put in the order of their concepts.
    """
    state = incumbent.state
    raised = state[RAISED]
    if not reaches(incumbent, hits, total):
        return
    if state[RAISED] != raised:
        kept.slots[:] = -1
    _sort_runs(chain, length)
    row = state[KEPT]
    if not kept.complete:
        mask = len(kept.slots) - 1
        slot = np.int64(signature & np.uint64(mask))
        while kept.slots[slot] >= 0 and kept.signatures[kept.slots[slot]] != signature:
            slot = (slot + 1) & mask
        if kept.slots[slot] >= 0:
            row = kept.slots[slot]
            if not _precedes(chain, length, kept.chains[row]):
                return
        elif row < len(kept.chains):
            kept.slots[slot] = row
    if row == len(kept.chains):
        state[LOST] += 1
        return
    kept.chains[row] = -1
    kept.chains[row, :length] = chain[:length]
    kept.counts[row, 0], kept.counts[row, 1] = hits, total
    kept.signatures[row] = signature
    if row == state[KEPT]:
        state[KEPT] += 1


@kernel
def in_order(depth: int, last: int, c: int, operator: int) -> bool:
    """Tell whether a step after ``last`` is written as steps that commute are."""
    if depth == 0:
        return operator == NOT or c > last >> 2
    before = last & 3
    if operator == before:
        return c > last >> 2
    return not (before == NOT and operator == AND)


@kernel
def _sort_runs(chain: NDArray[np.int64], length: int) -> None:
    """Order steps that commute: ANDs before AND NOTs, then by concept."""
    for end in range(length, 1, -1):
        for i in range(1, end):
            concept, operator = chain[i] >> 2, chain[i] & 3
            before, joined = chain[i - 1] >> 2, chain[i - 1] & 3
            if i == 1:
                if operator != NOT and concept < before:
                    chain[0], chain[1] = 4 * concept, 4 * before + operator
            elif (operator == OR) == (joined == OR) and (operator, concept) < (joined, before):
                chain[i - 1], chain[i] = chain[i], chain[i - 1]


@kernel
def _precedes(chain: NDArray[np.int64], length: int, other: NDArray[np.int64]) -> bool:
    """Tell whether a chain is listed before one that is the same on this data."""
    for i in range(length):
        if other[i] < 0:
            return False
    if length < len(other) and other[length] >= 0:
        return True
    for i in range(length):
        if chain[i] >> 2 != other[i] >> 2:
            return bool(chain[i] >> 2 < other[i] >> 2)
    for i in range(length):
        if chain[i] & 3 != other[i] & 3:
            return bool(chain[i] & 3 < other[i] & 3)
    return False
