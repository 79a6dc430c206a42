"""Formulas as plain words."""

from __future__ import annotations

from itertools import product

import pytest

from ccx_cli.formulas.formula import Concept, Formula, Not, Operator, from_json, join
from ccx_cli.formulas.words import to_words


def words(formula: Formula) -> str:
    return to_words(formula, lambda number: "abcdefgh"[number - 1])


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (1, "a"),
        (["NOT", 1], "not a"),
        (["OR", ["OR", 1, 2], 3], "a or b or c"),
        (["AND", ["AND", 1, 2], 3], "a and b and c"),
        (["AND", ["AND", 1, ["NOT", 2]], ["NOT", 3]], "a, not b, not c"),
        (["AND", ["OR", 1, 2], 3], "a or b, and c"),
        (["OR", ["AND", 1, 2], 3], "a and b, or c"),
        (["OR", ["AND", 1, ["NOT", 2]], 3], "a, not b, or c"),
        (["OR", 1, ["NOT", 2]], "a or not b"),
        (["AND", 1, ["OR", 2, 3]], "a and (b or c)"),
        (["AND", 1, ["NOT", ["OR", 2, 3]]], "a, not (b or c)"),
        (["NOT", ["NOT", 1]], "not not a"),
    ],
)
def test_words_of_a_formula(tree: object, text: str) -> None:
    assert words(from_json(tree)) == text


def test_no_two_chains_have_the_same_words() -> None:
    """A reader must be able to tell what a description was made of."""
    chains: list[Formula] = [Concept(1)]
    for number in (2, 3, 4):
        chains += [
            join(chain, operator, number)
            for chain, operator in product(chains, Operator)
            if number - 1 in _numbers(chain)
        ]
    texts = [words(chain) for chain in chains]
    assert len(set(texts)) == len(texts) == 1 + 3 + 9 + 27


def _numbers(formula: Formula) -> set[int]:
    match formula:
        case Concept(number):
            return {number}
        case Not(operand):
            return _numbers(operand)
        case _:
            return _numbers(formula.left) | _numbers(formula.right)
