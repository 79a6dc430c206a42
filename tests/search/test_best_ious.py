from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.hits import count_hits
from ccx_cli.search import best_ious as best_ious_module
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.best_ious import best_formulas, best_ious
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.space import SearchSpace
from ccx_cli.search.strategy import Strategy

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.search.brute_force import SmallRange, best_by_length, small_ranges
else:
    from brute_force import SmallRange, best_by_length, small_ranges
    from golden_data import GoldenNetwork


def one_by_one(strategy: Strategy, data: DataCounts, hits: PixelCounts) -> list[Scored | None]:
    return [strategy.answer(data, each).best for each in hits]


@settings(max_examples=200)
@given(small_ranges(most_concepts=7), st.integers(1, 3), st.data())
def test_the_best_of_all_chains_is_found_in_every_range(
    small: SmallRange, length: int, data: st.DataObject
) -> None:
    row = st.tuples(*(st.integers(0, total) for total in small.totals))
    rows = [small.hits, *data.draw(st.lists(row, max_size=4)), (0,) * len(small.totals)]
    n = small.n_concepts
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.bool_)
    chosen = data.draw(st.sets(st.sampled_from(list(Operator)), min_size=1))
    operators = [each for each in Operator if each in chosen]
    space = SearchSpace(mask, tuple(operators))
    strategy = OptimalStrategy(OptimumSettings(length), space)
    hits = np.array(rows, dtype=small.counts.sets.hits_type)
    found = best_ious(strategy, small.counts, hits)
    assert best_formulas(strategy, small.counts, hits) == one_by_one(strategy, small.counts, hits)
    for iou, row_of_hits in zip(found, rows, strict=True):
        of_row = replace(small, hits=row_of_hits)
        best, _ = best_by_length(of_row, length, np.flatnonzero(mask).tolist(), operators)[-1]
        assert iou == best.numerator / best.denominator


@pytest.mark.parametrize(
    "strategy",
    [
        OptimalStrategy(OptimumSettings(3)),
        OptimalStrategy(OptimumSettings(2, within=0.1)),
        OptimalStrategy(OptimumSettings(3, length_penalty=0.8)),
        OptimalStrategy(OptimumSettings(3, objective="mcc")),
        OptimalStrategy(OptimumSettings(4)),
        BeamStrategy(BeamSettings()),
    ],
    ids=["plain", "within", "penalty", "mcc", "longer", "beam"],
)
def test_every_search_finds_what_its_answers_say(
    strategy: Strategy,
    golden_network: GoldenNetwork,
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
) -> None:
    for unit in (2, 4):
        maps, ranges = golden_network.activations[unit], golden_network.ranges(5)[unit]
        hits = count_hits(maps, ranges, golden_index).per_set
        found = best_ious(strategy, golden_counts, hits)
        formulas = one_by_one(strategy, golden_counts, hits)
        assert found == [each.iou for each in formulas if each is not None]
        assert min(found) > 0
        assert best_formulas(strategy, golden_counts, hits) == formulas


def test_more_ties_than_are_kept_are_searched_one_by_one() -> None:
    n = 2 * best_ious_module._MOST_TIES
    sets = tuple(frozenset({concept}) for concept in range(n))
    small = SmallRange(sets, (2,) * n, (1,) * n)
    strategy = OptimalStrategy(OptimumSettings(1))
    hits = np.array([small.hits], dtype=np.int32)
    (found,) = best_formulas(strategy, small.counts, hits)
    assert [found] == one_by_one(strategy, small.counts, hits)
    assert found is not None
    assert found.chain.concepts == (0,)
