from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, concepts_of, length_of
from ccx_cli.formulas.shortest import concepts_needed, shortest
from ccx_cli.formulas.truth import holds

MANY = 99


def nots_needed(n_concepts: int, max_length: int) -> NDArray[np.int64]:
    """Fewest NOTs in any tree of each length for each table, ``(max_length + 1, n_tables)``."""
    n_tables = 1 << (1 << n_concepts)
    tables = np.arange(n_tables)
    nots = np.full((max_length + 1, n_tables), MANY)
    for position in range(n_concepts):
        points = np.arange(1 << n_concepts) >> position & 1
        nots[1, int(points @ (1 << np.arange(1 << n_concepts)))] = 0
    for length in range(1, max_length + 1):
        for left in range(1, length):
            one, other = np.nonzero(nots[left] < MANY)[0], np.nonzero(nots[length - left] < MANY)[0]
            costs = nots[left][one][:, None] + nots[length - left][other]
            for join in (np.bitwise_and, np.bitwise_or):
                np.minimum.at(nots[length], join.outer(one, other), costs)
        nots[length] = np.minimum(nots[length], nots[length][n_tables - 1 - tables] + 1)
        nots[length] = np.minimum(nots[length], MANY)
    return nots


def n_nots(formula: Formula) -> int:
    match formula:
        case Concept():
            return 0
        case Not(operand):
            return 1 + n_nots(operand)
        case And(left, right) | Or(left, right):
            return n_nots(left) + n_nots(right)


def number_of(formula: Formula, n_concepts: int) -> int:
    values = holds(formula, range(n_concepts))
    return sum(1 << point for point, value in enumerate(values.tolist()) if value)


@pytest.mark.parametrize(("n_concepts", "longest"), [(1, 1), (2, 4), (3, 10)])
def test_nothing_is_shorter(n_concepts: int, longest: int) -> None:
    nots = nots_needed(n_concepts, longest)
    lengths = (nots < MANY).argmax(axis=0)
    for table in range(1, nots.shape[1] - 1):
        formula = shortest(table, n_concepts)
        assert number_of(formula, n_concepts) == table
        assert length_of(formula) == lengths[table] == concepts_needed(n_concepts)[table]
        assert n_nots(formula) == nots[lengths[table], table]
    assert concepts_needed(n_concepts).max() == longest


def test_nothing_of_four_concepts_is_shorter_up_to_five() -> None:
    found: list[set[int]] = [set(), {0xAAAA, 0xCCCC, 0xF0F0, 0xFF00}]
    found[1] |= {0xFFFF - table for table in found[1]}
    for length in range(2, 6):
        found.append(set())
        for left in range(1, length // 2 + 1):
            for one in found[left]:
                found[length] |= {one & other for other in found[length - left]}
                found[length] |= {one | other for other in found[length - left]}
        found[length] -= {0, 0xFFFF}.union(*found[:length])
    needed = concepts_needed(4)
    for length in range(1, 6):
        assert found[length] == set(np.flatnonzero(needed == length).tolist())


def test_parity_of_four_needs_sixteen() -> None:
    parity = sum(1 << point for point in range(16) if point.bit_count() % 2)
    assert concepts_needed(4)[parity] == length_of(shortest(parity, 4)) == 16
    assert number_of(shortest(parity, 4), 4) == parity


@settings(max_examples=30)
@given(st.integers(1, 0xFFFE))
def test_the_formula_has_the_table(table: int) -> None:
    formula = shortest(table, 4)
    assert number_of(formula, 4) == table
    assert length_of(formula) == concepts_needed(4)[table]


@pytest.mark.parametrize(
    ("formula", "same"),
    [
        (And(Concept(1), Not(Concept(0))), And(Not(Concept(0)), Concept(1))),
        (Or(Concept(0), Concept(1)), Or(Concept(1), Concept(0))),
        (
            And(Or(Concept(1), Concept(2)), Concept(0)),
            Or(And(Concept(0), Concept(1)), And(Concept(0), Concept(2))),
        ),
        (Not(And(Concept(0), Concept(1))), Or(Not(Concept(0)), Not(Concept(1)))),
        (
            And(And(Concept(0), Concept(1)), Concept(2)),
            And(Concept(2), And(Concept(1), Concept(0))),
        ),
    ],
)
def test_of_several_shortest_it_reads_as_a_chain(formula: Formula, same: Formula) -> None:
    n_concepts = 1 + max(concepts_of(same))
    assert shortest(number_of(same, n_concepts), n_concepts) == formula
