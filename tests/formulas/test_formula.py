from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Operator,
    Or,
    concepts_of,
    from_json,
    join,
    labels_in,
    left_of,
    length_of,
    names_in,
    positive_concepts,
    to_json,
    to_text,
)
from ccx_cli.formulas.truth import evaluate
from ccx_cli.search.chains import Chain

NAMES = {1: "water", 2: "river", 3: "blue-c", 4: "street-s"}
A, B, C, D = (Concept(number) for number in NAMES)

FORMULAS = st.recursive(
    st.sampled_from([A, B, C, D]),
    lambda inner: st.one_of(
        inner.map(Not), st.builds(And, inner, inner), st.builds(Or, inner, inner)
    ),
    max_leaves=8,
)
WORLDS = np.array([[bool(world >> bit & 1) for world in range(16)] for bit in range(4)])


def carries(number: int) -> NDArray[np.bool_]:
    """Where a concept is, among all sixteen combinations of four."""
    where: NDArray[np.bool_] = WORLDS[number - 1]
    return where


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (A, "water"),
        (Or(A, B), "water OR river"),
        (And(Or(A, B), Not(C)), "(water OR river) AND NOT blue-c"),
        (And(And(A, B), C), "(water AND river) AND blue-c"),
        (Or(A, And(B, C)), "water OR (river AND blue-c)"),
        (And(Not(A), B), "NOT water AND river"),
        (Not(Or(A, B)), "NOT (water OR river)"),
        (And(A, Not(And(B, D))), "water AND NOT (river AND street-s)"),
        (Not(Not(A)), "NOT NOT water"),
    ],
)
def test_formulas_are_written_as_people_read_them(formula: Formula, text: str) -> None:
    assert to_text(formula, NAMES.__getitem__) == text


@given(FORMULAS, FORMULAS)
def test_formulas_that_differ_have_different_texts(one: Formula, other: Formula) -> None:
    texts = [to_text(formula, NAMES.__getitem__) for formula in (one, other)]
    assert (texts[0] == texts[1]) == (one == other)


@given(FORMULAS)
def test_formulas_survive_json(formula: Formula) -> None:
    written = json.loads(json.dumps(to_json(formula)))
    assert from_json(written) == formula
    assert labels_in(written) == list(concepts_of(formula))


def test_json_is_a_tree_of_label_numbers() -> None:
    assert to_json(And(Or(A, B), Not(C))) == ["AND", ["OR", 1, 2], ["NOT", 3]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "water",
        1.0,
        True,
        [],
        ["NOT"],
        ["NOT", 1, 2],
        ["AND", 1],
        ["XOR", 1, 2],
        ["and", 1, 2],
        ["OR", 1, None],
        {"AND": [1, 2]},
    ],
)
def test_what_is_no_formula_is_refused(value: Any) -> None:
    for read in (from_json, labels_in):
        with pytest.raises(ValueError, match="is not a formula"):
            read(value)


@given(FORMULAS)
def test_formulas_are_evaluated_world_by_world(formula: Formula) -> None:
    def holds(part: Formula, world: int) -> bool:
        match part:
            case Concept(number):
                return bool(world >> (number - 1) & 1)
            case Not(operand):
                return not holds(operand, world)
            case And(left, right):
                return holds(left, world) and holds(right, world)
            case Or(left, right):
                return holds(left, world) or holds(right, world)

    assert evaluate(formula, carries).tolist() == [holds(formula, world) for world in range(16)]


def test_evaluation_leaves_the_masks_as_they_are() -> None:
    masks = {1: np.array([True, False]), 2: np.array([False, False])}
    evaluate(Not(Or(Concept(1), Not(Concept(2)))), masks.__getitem__)
    assert masks[1].tolist() == [True, False]
    assert masks[2].tolist() == [False, False]


def test_length_counts_concepts_with_repetitions() -> None:
    formula = And(Or(A, B), Not(A))
    assert list(concepts_of(formula)) == [1, 2, 1]
    assert length_of(formula) == 3


def test_chains_grow_to_the_right() -> None:
    assert join(A, Operator.OR, 2) == Or(A, B)
    assert join(A, Operator.AND, 2) == And(A, B)
    assert join(A, Operator.AND_NOT, 2) == And(A, Not(B))
    chain = Chain((2,)).extended(Operator.AND_NOT, 0).extended(Operator.OR, 3)
    assert len(chain) == 3
    assert chain.formula([10, 20, 30, 40]) == Or(And(Concept(30), Not(Concept(10))), Concept(40))


@pytest.mark.parametrize(
    ("tree", "left", "positive", "negated"),
    [
        (1, None, [1], []),
        (["NOT", 1], None, [], [1]),
        (["OR", 1, 2], 1, [1, 2], []),
        (["AND", ["OR", 1, 2], ["NOT", 3]], ["OR", 1, 2], [1, 2], [3]),
        (["OR", ["NOT", ["AND", 1, ["NOT", 2]]], 3], ["NOT", ["AND", 1, ["NOT", 2]]], [2, 3], [1]),
    ],
)
def test_parts_of_a_formula(tree: Any, left: Any, positive: list[int], negated: list[int]) -> None:
    formula = from_json(tree)
    assert left_of(formula) == (None if left is None else from_json(left))
    assert list(positive_concepts(formula)) == positive
    assert list(positive_concepts(formula, positive=False)) == negated


@given(st.lists(st.text(min_size=1), min_size=3, max_size=3))
def test_names_are_read_off_a_text(names: list[str]) -> None:
    formula = from_json(["AND", ["OR", 0, ["NOT", 1]], ["NOT", ["AND", 2, 0]]])
    assert names_in(to_text(formula, names.__getitem__)) == [*names, names[0]]
