"""The shortest formulas of up to four concepts, by exhaustive search over truth tables.

A truth table of ``n`` concepts is a whole number below ``2 ** 2 ** n``: bit ``p`` tells whether the
formula holds where the concepts are there that are ones in ``p``, concept ``i`` being bit ``i``.
Conjunctions suffice to find how many concepts a table needs: its complement needs as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or
from ccx_cli.formulas.truth import points

MAX_CONCEPTS = 4


@lru_cache(maxsize=MAX_CONCEPTS + 1)
def concepts_needed(n_concepts: int) -> NDArray[np.uint8]:
    """Count the concepts, with repetitions, in the shortest formula of every truth table.

    Returns ``(2 ** 2 ** n_concepts,)`` uint8, 0 for the two constants.
    """
    n_points = 1 << n_concepts
    full = (1 << n_points) - 1
    weights = 1 << np.arange(n_points)
    permuted = _permuted_points(n_concepts)
    needed = np.zeros(full + 1, dtype=np.uint8)
    unknown = np.ones(full + 1, dtype=np.bool_)
    unknown[[0, full]] = False
    kinds: list[list[int]] = [[]]
    members: list[NDArray[np.uint16]] = [np.empty(0, dtype=np.uint16)]
    found = np.array([points(n_concepts)[0] @ weights])
    while unknown.any():
        # Renaming or negating concepts changes nothing, so one table of a kind stands for all.
        kinds.append([])
        for table in found.tolist():
            if unknown[table]:
                kind = (table >> np.arange(n_points) & 1)[permuted] @ weights
                unknown[kind] = unknown[full - kind] = False
                needed[kind] = needed[full - kind] = len(members)
                kinds[-1] += [table, full - table]
        members.append(np.flatnonzero(needed == len(members)).astype(np.uint16))
        new = np.zeros(full + 1, dtype=np.bool_)
        for few in range(1, len(members) // 2 + 1):
            many = members[len(members) - few]
            for table in kinds[few]:
                new[many & np.uint16(table)] = True
        found = np.flatnonzero(new & unknown)
    return needed


def shortest(table: int, n_concepts: int) -> Formula:
    """Return the shortest formula of a truth table, its concepts numbered 0 to ``n_concepts - 1``.

    Among the formulas with the fewest concepts it is one with the fewest ``NOT``; then one that
    reads as a chain, ``(b OR c) AND NOT a``; then one whose concepts, read from the left, come
    first. The table is no constant.
    """
    return _candidates(table, n_concepts)[0].formula


class _Candidate(NamedTuple):
    """A formula, after what ranks it among those with as many concepts."""

    n_nots: int
    off_chain: int
    concepts: tuple[int, ...]
    formula: Formula


@lru_cache(maxsize=1 << 16)
def _candidates(table: int, n_concepts: int) -> tuple[_Candidate, ...]:
    """Return the best formula with an operator outside and the best with a ``NOT``, best first."""
    full = (1 << (1 << n_concepts)) - 1
    if concepts_needed(n_concepts)[table] == 1:
        return (_single(table, n_concepts),)
    found = [_joined(table, n_concepts), _negated(_joined(full - table, n_concepts))]
    return tuple(sorted(found, key=lambda each: each[:3]))


def _single(table: int, n_concepts: int) -> _Candidate:
    weights = 1 << np.arange(1 << n_concepts)
    tables = (points(n_concepts) @ weights).tolist()
    if table in tables:
        concept = tables.index(table)
        return _Candidate(0, 0, (concept,), Concept(concept))
    full = (1 << (1 << n_concepts)) - 1
    return _negated(_single(full - table, n_concepts))


def _negated(found: _Candidate) -> _Candidate:
    return _Candidate(found.n_nots + 1, found.off_chain, found.concepts, Not(found.formula))


@lru_cache(maxsize=1 << 16)
def _joined(table: int, n_concepts: int) -> _Candidate:
    best: _Candidate | None = None
    for operator, one, other in _splits(table, n_concepts):
        for left in _candidates(one, n_concepts):
            for right in _candidates(other, n_concepts):
                n_nots = left.n_nots + right.n_nots
                if best is None or n_nots <= best.n_nots:
                    candidate = _Candidate(
                        n_nots,
                        left.off_chain
                        + right.off_chain
                        + 2 * isinstance(left.formula, Not)
                        + (len(right.concepts) > 1),
                        left.concepts + right.concepts,
                        operator(left.formula, right.formula),
                    )
                    if best is None or candidate[:3] < best[:3]:
                        best = candidate
    assert best is not None
    return best


def _splits(table: int, n_concepts: int) -> Iterator[tuple[type[And] | type[Or], int, int]]:
    """Yield the pairs of tables, in both orders, whose shortest formulas make a shortest one."""
    needed = concepts_needed(n_concepts)
    tables = np.arange(len(needed))
    supersets = tables[(tables & table) == table]
    subsets = tables[(tables & table) == tables]
    for few in range(1, int(needed[table]) // 2 + 1):
        many = int(needed[table]) - few
        for operator, sets in ((And, supersets), (Or, subsets)):
            one, other = sets[needed[sets] == few], sets[needed[sets] == many]
            join = np.bitwise_and if operator is And else np.bitwise_or
            for i, j in np.argwhere(join.outer(one, other) == table).tolist():
                yield operator, int(one[i]), int(other[j])
                yield operator, int(other[j]), int(one[i])


def _permuted_points(n_concepts: int) -> NDArray[np.int64]:
    """Where each point goes as concepts are renamed and negated, a row for each combination."""
    numbers = np.arange(1 << n_concepts)
    rows = []
    for order in permutations(range(n_concepts)):
        renamed = np.zeros_like(numbers)
        for position, concept in enumerate(order):
            renamed |= (numbers >> concept & 1) << position
        rows.append(renamed ^ numbers[:, None])
    return np.concatenate(rows)
