"""Why a formula is none of those that were searched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.formulas.formula import Concept, Formula, Operator, join
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.search.space import outside_space

ALLOWED = {1, 2, 3}
VOCABULARY = Vocabulary(dict(enumerate("abcd", start=1)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NOT a", "begins with a negation"),
        ("NOT a AND b", "begins with a negation"),
        ("NOT (a OR b)", "begins with a negation"),
        ("a OR NOT b", "is no left chain"),
        ("a AND NOT (b OR c)", "is no left chain"),
        ("(a OR b) AND (b OR c)", "is no left chain"),
        ("((a OR b) AND c) OR a", "more than 3 concepts"),
        ("a OR d", "has a concept that the run excluded"),
        ("(a OR b) AND NOT c", ""),
        ("a", ""),
    ],
)
def test_why_a_formula_was_not_searched(text: str, why: str) -> None:
    found = outside_space(parse_formula(text, VOCABULARY), 3, ALLOWED, tuple(Operator))
    assert why in found
    assert bool(found) == bool(why)


def test_an_operator_that_was_excluded() -> None:
    formula = parse_formula("a AND NOT b", VOCABULARY)
    operators = (Operator.OR, Operator.AND)
    assert outside_space(formula, 3, ALLOWED, operators) == "the run excluded AND NOT"


@given(st.lists(st.tuples(st.sampled_from(Operator), st.sampled_from([1, 2, 3])), max_size=2))
def test_every_chain_is_in_the_space(links: list[tuple[Operator, int]]) -> None:
    chain: Formula = Concept(1)
    for operator, number in links:
        chain = join(chain, operator, number)
    assert outside_space(chain, 3, ALLOWED, tuple(Operator)) == ""
