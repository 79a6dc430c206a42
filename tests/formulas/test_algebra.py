from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from functools import reduce
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.formulas.algebra import (
    as_expression,
    canonical_key,
    equivalent,
    from_expression,
    is_constant,
    same_here,
    simplify,
)
from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Operator,
    Or,
    concepts_of,
    evaluate,
    join,
    length_of,
)
from ccx_cli.formulas.shortest import concepts_needed

A, B, C, D, E, F = map(Concept, (11, 22, 33, 44, 55, 66))


def formulas(n_concepts: int, max_leaves: int) -> st.SearchStrategy[Formula]:
    literals = st.builds(Concept, st.integers(1, n_concepts))
    return st.recursive(
        literals | st.builds(Not, literals),
        lambda inner: (
            st.builds(And, inner, inner) | st.builds(Or, inner, inner) | st.builds(Not, inner)
        ),
        max_leaves=max_leaves,
    )


def table(formula: Formula, numbers: list[int]) -> list[bool]:
    """Evaluate a formula on every label set over ``numbers``, one at a time."""
    return [
        bool(evaluate(formula, lambda number, at=at: np.array(at[numbers.index(number)])))  # type: ignore[misc]
        for at in product((False, True), repeat=len(numbers))
    ]


def same_table(one: Formula, other: Formula) -> bool:
    numbers = sorted({*concepts_of(one), *concepts_of(other)})
    return table(one, numbers) == table(other, numbers)


def any_of(numbers: Iterable[int]) -> Formula:
    concepts: Iterable[Formula] = map(Concept, numbers)
    return reduce(Or, concepts)


def none_of(numbers: Iterable[int]) -> Formula:
    absent: Iterable[Formula] = (Not(Concept(number)) for number in numbers)
    return reduce(And, absent)


@pytest.mark.parametrize(
    ("formula", "short"),
    [
        (And(Or(A, B), Not(A)), And(B, Not(A))),
        (Or(And(A, B), A), A),
        (And(A, A), A),
        (Not(Not(A)), A),
        (Or(And(A, B), And(A, C)), And(Or(B, C), A)),
        (Or(And(A, B), Not(Or(Not(A), Not(B)))), And(A, B)),
        (Or(And(A, B), And(A, Not(B))), A),
        (And(And(A, Not(B)), Not(And(B, C))), And(A, Not(B))),
        (And(Or(A, B), Or(Not(A), B)), B),
        (Or(Or(Or(And(A, D), And(A, E)), And(B, D)), And(B, E)), And(Or(A, B), Or(D, E))),
    ],
)
def test_simplifies(formula: Formula, short: Formula) -> None:
    assert simplify(formula) == short


@pytest.mark.parametrize(
    "formula",
    [
        A,
        And(Or(B, A), Not(C)),
        And(And(C, Not(A)), Not(B)),
        Or(Or(Or(Or(F, E), D), C), A),
        Or(And(A, Not(B)), And(B, Not(A))),
        And(Or(A, B), Or(C, And(A, B))),
        Or(And(A, B), Not(And(A, B))),
        And(A, Not(A)),
    ],
)
def test_keeps_what_is_short_already(formula: Formula) -> None:
    assert simplify(formula) == formula


@given(
    st.permutations(range(20)),
    st.lists(st.sampled_from(list(Operator)), max_size=19),
)
def test_keeps_chains_of_different_concepts(numbers: list[int], operators: list[Operator]) -> None:
    chain: Formula = Concept(numbers[0])
    for operator, number in zip(operators, numbers[1:], strict=False):
        chain = join(chain, operator, number)
    assert simplify(chain) == chain


@settings(deadline=None)
@given(formulas(4, 10))
def test_nothing_of_up_to_four_concepts_is_shorter(formula: Formula) -> None:
    short = simplify(formula)
    assert same_table(formula, short)
    if is_constant(formula) is None:
        values = table(formula, [4, 3, 2, 1])
        number = sum(1 << point for point, value in enumerate(values) if value)
        assert length_of(short) == concepts_needed(4)[number]


@settings(deadline=None)
@given(formulas(8, 20))
def test_simplifying_keeps_the_meaning_and_never_lengthens(formula: Formula) -> None:
    short = simplify(formula)
    assert same_table(formula, short)
    assert length_of(short) <= length_of(formula)
    if is_constant(formula) is not None:
        assert short == formula


@settings(deadline=None, max_examples=25)
@given(formulas(30, 60))
def test_simplifies_many_concepts_by_proof(formula: Formula) -> None:
    short = simplify(formula)
    assert equivalent(formula, short)
    assert length_of(short) <= length_of(formula)


def test_drops_what_makes_no_difference_among_many_concepts() -> None:
    wide = any_of(range(1, 21))
    assert simplify(And(wide, Or(wide, Concept(30)))) == wide
    assert simplify(And(Or(wide, Concept(30)), Or(wide, Not(Concept(30))))) == wide


def test_simplifying_is_the_same_in_every_process() -> None:
    program = (
        "import random\n"
        "from ccx_cli.formulas.algebra import simplify\n"
        "from ccx_cli.formulas.formula import And, Concept, Not, Or\n"
        "chance = random.Random(3)\n"
        "for _ in range(10):\n"
        "    found = Concept(0)\n"
        "    for _ in range(20):\n"
        "        one, other = Concept(chance.randrange(7)), Concept(chance.randrange(7))\n"
        "        part = chance.choice((And, Or))(one, Not(other))\n"
        "        found = chance.choice((And, Or))(found, part)\n"
        "    print(simplify(found))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


@given(formulas(4, 6), formulas(4, 6))
def test_equivalence_and_keys_are_those_of_the_truth_tables(one: Formula, other: Formula) -> None:
    same = same_table(one, other)
    assert equivalent(one, other) == same
    assert (canonical_key(one) == canonical_key(other)) == same


@given(formulas(3, 6))
def test_constants_are_those_of_the_truth_table(formula: Formula) -> None:
    values = set(table(formula, sorted(set(concepts_of(formula)))))
    assert is_constant(formula) is (values.pop() if len(values) == 1 else None)


def test_constants_of_many_concepts() -> None:
    wide = any_of(range(40))
    assert is_constant(wide) is None
    assert is_constant(Or(wide, Not(wide))) is True
    assert is_constant(And(wide, Not(wide))) is False
    always = Or(wide, Not(wide))
    assert simplify(always) == always


def test_keys_of_many_concepts() -> None:
    up = any_of(range(40))
    down = any_of(reversed(range(40)))
    assert canonical_key(up) == canonical_key(down)
    assert canonical_key(up) != canonical_key(Not(down))
    assert canonical_key(Not(up)) == canonical_key(none_of(range(40)))
    assert hash(canonical_key(up)) == hash(canonical_key(down))
    # Concepts that make no difference leave no trace, on either side of the limit for tables.
    assert canonical_key(Or(And(up, A), And(Not(up), A))) == canonical_key(A)
    assert canonical_key(Or(up, And(A, Not(A)))) == canonical_key(up)
    assert canonical_key(And(A, Not(A))) != canonical_key(Or(A, Not(A)))
    assert canonical_key(And(B, Not(B))) == canonical_key(And(up, Not(up)))


@settings(deadline=None)
@given(formulas(20, 40), formulas(20, 40))
def test_keys_agree_with_proofs(one: Formula, other: Formula) -> None:
    assert (canonical_key(one) == canonical_key(other)) == equivalent(one, other)
    assert canonical_key(one) == canonical_key(Not(And(Not(one), Or(Not(one), other))))


def test_keys_of_long_chains_are_quick() -> None:
    chance = np.random.default_rng(0)
    chain: Formula = Concept(0)
    for number in chance.permutation(np.arange(1, 150)).tolist():
        chain = join(chain, list(Operator)[chance.integers(3)], number)
    start = time.perf_counter()
    canonical_key(chain)
    assert time.perf_counter() - start < 5


@settings(deadline=None)
@given(formulas(6, 10))
def test_expressions_keep_the_shape(formula: Formula) -> None:
    back = from_expression(as_expression(formula))
    assert equivalent(back, formula)
    assert length_of(back) == length_of(formula)
    assert list(concepts_of(back)) == list(concepts_of(formula))


def test_reads_other_operators_of_expressions() -> None:
    from pyeda.boolalg.expr import ITE, Implies, Xor, expr, exprvar
    from pyeda.boolalg.expr import And as AndOf

    a, b, c = (as_expression(concept) for concept in (A, B, C))
    three = from_expression(AndOf(a, b, c))
    assert equivalent(three, And(And(A, B), C))
    assert length_of(three) == 3
    assert equivalent(from_expression(Xor(a, b)), Or(And(A, Not(B)), And(B, Not(A))))
    assert equivalent(from_expression(Implies(a, b)), Or(Not(A), B))
    assert equivalent(from_expression(ITE(a, b, c)), Or(And(A, B), And(Not(A), C)))
    for wrong in (expr(True), expr(False), Xor(a, a), exprvar("other"), exprvar("other", 3)):
        with pytest.raises(ValueError, match=r"no formula|no concept"):
            from_expression(wrong)


def test_same_here_depends_on_the_data() -> None:
    carries = {11: np.array([True, False, True]), 22: np.array([True, False, True])}
    assert same_here(A, Or(A, B), carries.__getitem__)
    assert not same_here(A, Not(B), carries.__getitem__)
    assert not equivalent(A, Or(A, B))


def test_pyeda_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, ccx_cli.formulas.algebra; sys.exit('pyeda' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
