from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.formulas.algebra import (
    canonical_key,
    equivalent,
    is_constant,
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
    join,
    length_of,
)
from ccx_cli.formulas.shortest import concepts_needed
from ccx_cli.formulas.truth import MAX_TABLE_CONCEPTS, evaluate

MANY = range(MAX_TABLE_CONCEPTS + 3)
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


@given(formulas(4, 10))
def test_nothing_of_up_to_four_concepts_is_shorter(formula: Formula) -> None:
    short = simplify(formula)
    assert same_table(formula, short)
    if is_constant(formula) is None:
        values = table(formula, [4, 3, 2, 1])
        number = sum(1 << point for point, value in enumerate(values) if value)
        assert length_of(short) == concepts_needed(4)[number]


@given(formulas(8, 20))
def test_simplifying_keeps_the_meaning_and_never_lengthens(formula: Formula) -> None:
    short = simplify(formula)
    assert same_table(formula, short)
    assert length_of(short) <= length_of(formula)
    if is_constant(formula) is not None:
        assert short == formula


@settings(max_examples=25)
@given(formulas(30, 60))
def test_simplifies_many_concepts(formula: Formula) -> None:
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


@given(formulas(20, 40), formulas(20, 40))
def test_keys_agree_with_equivalence(one: Formula, other: Formula) -> None:
    same = equivalent(one, other)
    assert (canonical_key(one) == canonical_key(other)) == same
    assert canonical_key(one) == canonical_key(Not(And(Not(one), Or(Not(one), other))))
    points = np.random.default_rng(0).random((21, 256)) < 0.5
    agree = np.array_equal(evaluate(one, points.__getitem__), evaluate(other, points.__getitem__))
    assert agree or not same


def test_keys_of_long_chains_are_quick() -> None:
    chance = np.random.default_rng(0)
    chain: Formula = Concept(0)
    for number in chance.permutation(np.arange(1, 150)).tolist():
        chain = join(chain, list(Operator)[chance.integers(3)], number)
    start = time.perf_counter()
    canonical_key(chain)
    assert time.perf_counter() - start < 5


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
def test_equivalence_of_many_concepts_is_seen(seed: int) -> None:
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


def test_pyeda_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, ccx_cli.formulas.algebra; sys.exit('pyeda' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
