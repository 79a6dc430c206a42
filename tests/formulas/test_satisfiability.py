"""Whether clauses can hold together, and the proofs that rest on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.formulas.algebra import equivalent, is_constant, simplify
from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, length_of
from ccx_cli.formulas.satisfiability import is_satisfiable
from ccx_cli.formulas.truth import MAX_TABLE_CONCEPTS, canonical_key

N_VARIABLES = 4
CLAUSES = st.lists(
    st.lists(
        st.sampled_from([*range(-N_VARIABLES, 0), *range(1, N_VARIABLES + 1)]),
        max_size=3,
        unique=True,
    ),
    max_size=16,
)
MANY = range(MAX_TABLE_CONCEPTS + 3)


@settings(deadline=None, max_examples=300)
@given(CLAUSES)
def test_clauses_hold_together_where_some_point_says_so(clauses: list[list[int]]) -> None:
    some = any(
        all(any(point[abs(literal) - 1] == (literal > 0) for literal in each) for each in clauses)
        for point in product((False, True), repeat=N_VARIABLES)
    )
    assert is_satisfiable(clauses, N_VARIABLES) == some


def _tree(chance: np.random.Generator, numbers: Sequence[int]) -> Formula:
    """A formula of any shape in which each concept stands once."""
    if len(numbers) == 1:
        return Concept(numbers[0]) if chance.random() < 0.7 else Not(Concept(numbers[0]))
    cut = int(chance.integers(1, len(numbers)))
    operator = And if chance.random() < 0.5 else Or
    return operator(_tree(chance, numbers[:cut]), _tree(chance, numbers[cut:]))


def _turned(formula: Formula) -> Formula:
    """The same by De Morgan's laws, operands the other way round."""
    match formula:
        case And(left, right):
            return Not(Or(Not(_turned(right)), Not(_turned(left))))
        case Or(left, right):
            return Not(And(Not(_turned(right)), Not(_turned(left))))
    return formula


@pytest.mark.parametrize("seed", range(10))
def test_what_has_too_many_concepts_for_a_table_is_proved(seed: int) -> None:
    chance = np.random.default_rng(seed)
    numbers = chance.permutation(MANY).tolist()
    formula = _tree(chance, numbers)
    assert equivalent(formula, _turned(formula))
    assert equivalent(formula, Or(formula, And(formula, _tree(chance, numbers))))
    for other in (_tree(chance, numbers), Or(formula, Concept(99)), And(formula, Not(Concept(3)))):
        assert equivalent(formula, other) == (canonical_key(formula) == canonical_key(other))


def _chain(numbers: range) -> Formula:
    chain: Formula = Concept(numbers[0])
    for number in numbers[1:]:
        chain = Or(chain, Concept(number)) if number % 2 else And(chain, Not(Concept(number)))
    return chain


def test_long_constants_and_long_detours_are_seen() -> None:
    chain = _chain(range(30))
    assert is_constant(Or(chain, Not(chain))) is True
    assert is_constant(And(chain, Not(chain))) is False
    assert is_constant(chain) is None
    assert length_of(simplify(Or(chain, And(chain, Concept(99))))) == 30


def test_the_solver_of_pyeda_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyeda.boolalg import picosat

    monkeypatch.delattr(picosat, "satisfy_one")
    monkeypatch.delattr(picosat, "satisfy_all")
    chain = _chain(range(30))
    assert equivalent(chain, Or(chain, chain))
    assert length_of(simplify(Or(chain, chain))) == 30
