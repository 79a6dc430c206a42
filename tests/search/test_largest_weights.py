from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.counts import RangeCounts
from ccx_cli.search.largest_weights import largest_weights
from ccx_cli.search.merged_sets import whole_problem
from ccx_cli.search.space import SearchSpace

if TYPE_CHECKING:
    from tests.search.brute_force import SmallRange, all_chains, holds, small_ranges
else:
    from brute_force import SmallRange, all_chains, holds, small_ranges


@settings(max_examples=100)
@given(
    small_ranges(most_concepts=6),
    st.floats(0, 1),
    st.sets(st.sampled_from(tuple(Operator))).map(lambda some: tuple(sorted(some))),
)
def test_the_largest_weight_is_that_of_some_chain(
    small: SmallRange, tau: float, operators: tuple[Operator, ...]
) -> None:
    space = SearchSpace(np.ones(small.n_concepts, dtype=np.bool_), operators)
    counts = RangeCounts(small.counts, small.in_range, space)
    hits, totals = np.array(small.hits), np.array(small.totals)
    weights = hits - tau * (totals - hits)
    largest = [0.0]
    for length in range(1, 4):
        chains = all_chains(range(small.n_concepts), length, operators)
        reached = (weights[np.array(holds(chain, small))].sum() for chain in chains)
        largest.append(max([largest[-1], *reached]))
    slack = 1e-14 * float(totals.sum())
    found = largest_weights(counts, whole_problem(counts, tau), tau, slack)
    assert found == pytest.approx(largest, abs=10 * slack)
    assert (found >= largest).all()
