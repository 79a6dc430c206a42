from __future__ import annotations

from itertools import permutations, product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain, in_best_order, sum_of

if TYPE_CHECKING:
    from tests.search.brute_force import SmallRange, holds
else:
    from brute_force import SmallRange, holds


def everything(n: int) -> SmallRange:
    """All label sets over ``n`` concepts: chains hold on the same ones if they are equivalent."""
    sets = tuple(frozenset(c for c in range(n) if bits >> c & 1) for bits in range(1 << n))
    return SmallRange(sets, (1,) * len(sets), (1,) * len(sets))


@given(
    st.integers(2, 4).flatmap(
        lambda n: st.tuples(
            st.permutations(range(n)),
            st.lists(st.sampled_from(tuple(Operator)), min_size=n - 1, max_size=n - 1),
        )
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_chosen_is_equivalent_and_its_prefixes_score_best(
    drawn: tuple[list[int], list[Operator]], random: Random
) -> None:
    concepts, operators = drawn
    chain = Chain(tuple(concepts), tuple(operators))
    n = len(chain)
    small = everything(n)
    scores: dict[tuple[bool, ...], float] = {}

    def iou_of(prefix: Chain) -> float:
        return scores.setdefault(holds(prefix, small), random.random())

    def rank(candidate: Chain) -> tuple[float, ...]:
        return tuple(
            -iou_of(Chain(candidate.concepts[:k], candidate.operators[: k - 1]))
            for k in range(n - 1, 0, -1)
        )

    equivalent = [
        candidate
        for order in permutations(range(n))
        for joins in product(Operator, repeat=n - 1)
        if holds(candidate := Chain(order, joins), small) == holds(chain, small)
    ]
    assert in_best_order(chain, iou_of) == min(
        equivalent, key=lambda c: (rank(c), c.concepts, c.operators)
    )


def test_the_left_part_is_the_one_that_explains_most() -> None:
    scores = {(0,): 0.1, (1,): 0.3, (2,): 0.2, (0, 2): 0.25, (0, 1): 0.4}

    def iou_of(prefix: Chain) -> float:
        return scores.get(tuple(sorted(prefix.concepts)), 0.0)

    chain = Chain((0, 2, 1), (Operator.AND_NOT, Operator.AND))
    written = in_best_order(chain, iou_of)
    assert written == Chain((1, 0, 2), (Operator.AND, Operator.AND_NOT))


CHAINS = st.integers(1, 5).flatmap(
    lambda n: st.builds(
        Chain,
        st.permutations(range(5)).map(lambda concepts: tuple(concepts[:n])),
        st.tuples(*[st.sampled_from(tuple(Operator))] * (n - 1)),
    )
)


@given(CHAINS)
def test_the_sum_of_a_chain_is_that_of_the_label_sets_on_which_it_holds(chain: Chain) -> None:
    small = everything(5)
    values = np.random.default_rng(3).normal(0, 1, len(small.sets))
    expected = values[np.array(holds(chain, small))].sum()
    assert sum_of(values, chain, small.counts) == pytest.approx(expected, rel=0, abs=1e-12)
