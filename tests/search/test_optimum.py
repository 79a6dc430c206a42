from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING
from unittest.mock import ANY

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.hits import count_hits
from ccx_cli.search import longer_chains
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.optimum import OptimumSettings, find_optimum, near_optima
from ccx_cli.search.space import SearchSpace

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.search.brute_force import (
        SmallRange,
        all_chains,
        best_by_length,
        holds,
        small_ranges,
    )
else:
    from brute_force import SmallRange, all_chains, best_by_length, holds, small_ranges
    from golden_data import GoldenNetwork

UNLIMITED = 10**6


@settings(max_examples=150)
@given(small_ranges(most_concepts=7), st.integers(1, 5))
def test_no_formula_beats_the_optimum_and_no_tie_is_missed(small: SmallRange, length: int) -> None:
    expected = best_by_length(small, length)
    found = find_optimum(RangeCounts(small.counts, small.in_range), OptimumSettings(length))
    if not expected[-1][0]:
        assert found.best is None
        return
    assert found.best is not None
    assert found.proven
    for level, (iou, ties) in zip(found.levels, expected, strict=True):
        best = level.best[0]
        assert Fraction(best.both, sum(small.hits) + best.total - best.both) == iou
        assert len(level.best) == ties
    assert len(found.ties) == expected[-1][1]
    assert {small.iou(holds(tie.chain, small)) for tie in found.ties} == {expected[-1][0]}
    assert len({holds(tie.chain, small) for tie in found.ties}) == len(found.ties)


def test_what_rounding_allows_for_stays_below_a_range_of_one_pixel() -> None:
    sets = tuple(map(frozenset, combinations(range(12), 4)))
    totals = np.random.default_rng(0).integers(10**6, 7 * 10**6, len(sets)).tolist()
    large = SmallRange(sets, tuple(totals), (1, *[0] * (len(sets) - 1)))
    found = find_optimum(RangeCounts(large.counts, large.in_range), OptimumSettings(3))
    assert found.proven
    assert found.best is not None
    (*_, (iou, ties)) = best_by_length(large, 3)
    assert large.iou(holds(found.best.chain, large)) == iou
    assert len(found.ties) == ties
    # Of the 1,760 triples in their orders, most cannot reach it.
    assert found.nodes < 300


@settings(max_examples=60)
@given(small_ranges(most_concepts=7), st.integers(4, 6), st.integers(0, 30), st.booleans())
def test_the_bound_of_an_unfinished_search_holds(
    small: SmallRange, length: int, nodes: int, timed: bool
) -> None:
    expected = best_by_length(small, length)
    assume(expected[-1][0] > 0)
    ends = OptimumSettings(length, UNLIMITED if timed else nodes, 0.0 if timed else None)
    found = find_optimum(RangeCounts(small.counts, small.in_range), ends)
    assert found.best is not None
    assert found.best.iou <= float(expected[-1][0]) <= found.bound
    assert found.bound <= 1
    for level, (iou, _) in zip(found.levels, expected, strict=True):
        assert level.best[0].iou <= float(iou) <= level.bound
    if found.proven:
        assert found.best.iou == float(expected[-1][0])


@settings(max_examples=100)
@given(
    small_ranges(most_concepts=7),
    st.data(),
    st.sets(st.sampled_from(tuple(Operator)), min_size=1).map(lambda some: tuple(sorted(some))),
    st.integers(3, 5),
)
def test_a_restricted_optimum_is_the_optimum_of_what_is_left(
    small: SmallRange, data: st.DataObject, operators: tuple[Operator, ...], length: int
) -> None:
    assume(small.n_concepts)
    concepts = sorted(data.draw(st.sets(st.integers(0, small.n_concepts - 1), min_size=1)))
    mask = np.zeros(small.n_concepts, dtype=np.bool_)
    mask[concepts] = True
    space = SearchSpace(mask, operators)
    expected = best_by_length(small, length, concepts, operators)[-1][0]
    found = find_optimum(RangeCounts(small.counts, small.in_range, space), OptimumSettings(length))
    assert (found.best.iou if found.best else 0.0) == float(expected)
    if found.best is not None:
        assert set(found.best.chain.concepts) <= set(concepts)
    wide = beam_search(RangeCounts(small.counts, small.in_range, space), BeamSettings(length)).best
    assert (wide.iou if wide else 0.0) <= float(expected)


@settings(max_examples=60)
@given(small_ranges(), st.floats(0.5, 1))
def test_a_length_penalty_changes_what_is_best(small: SmallRange, penalty: float) -> None:
    expected = best_by_length(small, 3)
    assume(expected[-1][0] > 0)
    found = find_optimum(
        RangeCounts(small.counts, small.in_range), OptimumSettings(length_penalty=penalty)
    )
    scores = [float(iou) * penalty**position for position, (iou, _) in enumerate(expected)]
    # The same products, so the same rounding.
    assert found.score == max(scores)
    assert found.proven


@settings(max_examples=60)
@given(small_ranges(most_concepts=5), st.floats(0, 0.5), st.integers(3, 5))
def test_near_optima_are_all_formulas_within_the_tolerance(
    small: SmallRange, within: float, length: int
) -> None:
    counts = RangeCounts(small.counts, small.in_range)
    settings = OptimumSettings(length, within=within)
    best = find_optimum(counts, settings)
    assume(best.best is not None)
    threshold = float(best_by_length(small, length)[-1][0]) * (1 - within)
    expected = {
        value: shorter
        for shorter in range(length, 0, -1)
        for chain in all_chains(range(small.n_concepts), shorter)
        if float(small.iou(value := holds(chain, small))) >= threshold
    }
    bounds = [level.bound for level in best.levels]
    near = near_optima(counts, settings, threshold, bounds)
    assert near.complete
    assert near.more == 0
    assert len(near.formulas) == len(expected)
    assert {holds(each.chain, small): len(each.chain) for each in near.formulas} == expected


@settings(max_examples=60)
@given(
    small_ranges(most_concepts=6),
    st.floats(0, 0.9),
    st.integers(4, 5),
    st.sampled_from([0, 1, 3]),
)
def test_no_formula_is_missed_where_too_many_chains_come_close_to_be_listed(
    small: SmallRange, within: float, length: int, capacity: int
) -> None:
    counts, settings = RangeCounts(small.counts, small.in_range), OptimumSettings(length)
    best = find_optimum(counts, settings)
    assume(best.best is not None)
    bounds = [level.bound for level in best.levels]
    threshold = best.score * (1 - within)
    roomy = near_optima(counts, settings, threshold, bounds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(longer_chains, "NEAR_CAPACITY", capacity)
        assert find_optimum(counts, settings) == replace(best, nodes=ANY, rounds=ANY)
        assert near_optima(counts, settings, threshold, bounds) == roomy
    assert roomy.complete


@settings(max_examples=60)
@given(
    small_ranges(most_concepts=6),
    st.integers(0, 100),
    st.floats(0, 0.5),
    st.integers(4, 5),
    st.sampled_from([0, 3, 4_000]),
)
def test_chains_that_end_in_the_main_concept_are_the_same_searched_apart(
    small: SmallRange, more: int, within: float, length: int, capacity: int
) -> None:
    # One concept explains nearly all.
    totals = [t + more * (0 in labels) for labels, t in zip(small.sets, small.totals, strict=True)]
    hits = [h + more * (0 in labels) for labels, h in zip(small.sets, small.hits, strict=True)]
    small = replace(small, totals=tuple(totals), hits=tuple(hits))
    counts, settings = RangeCounts(small.counts, small.in_range), OptimumSettings(length)
    results = []
    for apart in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(longer_chains, "MANY_CONCEPTS", 0)
            if not apart:
                patch.setattr(longer_chains._Search, "_main", lambda *_: None)
            patch.setattr(longer_chains, "NEAR_CAPACITY", capacity)
            best = find_optimum(counts, settings)
            assume(best.best is not None)
            bounds = [level.bound for level in best.levels]
            near = near_optima(counts, settings, best.score * (1 - within), bounds)
            results.append((replace(best, nodes=0, rounds=0), near))
    assert results[0] == results[1]


@settings(max_examples=40)
@given(small_ranges(most_concepts=6), st.integers(0, 5))
def test_near_optima_that_a_limit_cuts_short_say_so(small: SmallRange, nodes: int) -> None:
    counts = RangeCounts(small.counts, small.in_range)
    best = find_optimum(counts, OptimumSettings(4))
    assume(best.best is not None)
    threshold = best.score * 0.5
    bounds = [level.bound for level in best.levels]
    whole = near_optima(counts, OptimumSettings(4), threshold, bounds)
    some = near_optima(counts, OptimumSettings(4, nodes), threshold, bounds)
    assert {each.signature for each in some.formulas} <= {each.signature for each in whole.formulas}
    assert not some.complete or len(some.formulas) == len(whole.formulas)


def test_what_is_inserted_may_come_before_steps_that_commute() -> None:
    # (3 OR 6) AND 0 AND 2 AND NOT 4 ties with the best four: 6 adds a set that weighs nothing.
    labels = "02 023 02346 0236 024 0246 026 03 0346 036 06 136 2 23 234 235 236 3 36"
    small = SmallRange(
        tuple(frozenset(map(int, each)) for each in labels.split()),
        (2, 4, 9, 8, 3, 8, 11, 10, 3, 3, 8, 6, 3, 2, 2, 3, 2, 6, 9),
        (0, 3, 0, 3, 0, 0, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    )
    found = find_optimum(RangeCounts(small.counts, small.in_range), OptimumSettings(5))
    assert [len(level.best) for level in found.levels] == [1, 1, 1, 1, 2]


def test_nothing_in_range_has_no_formula() -> None:
    small = SmallRange((frozenset({0}), frozenset({1})), (3, 4), (0, 0))
    found = find_optimum(RangeCounts(small.counts, small.in_range), OptimumSettings())
    assert found.best is None
    assert found.proven


def test_pixels_without_a_concept_have_no_formula() -> None:
    small = SmallRange((frozenset(), frozenset({0})), (3, 4), (2, 0))
    assert find_optimum(RangeCounts(small.counts, small.in_range), OptimumSettings()).best is None


def test_one_concept_is_enough_for_any_length() -> None:
    small = SmallRange((frozenset(), frozenset({0})), (3, 4), (1, 4))
    found = find_optimum(RangeCounts(small.counts, small.in_range), OptimumSettings(6))
    assert found.best is not None
    assert found.best.chain.concepts == (0,)
    assert found.best.iou == 0.8
    assert [level.proven for level in found.levels] == [True] * 6


def test_the_optimum_is_never_below_a_recorded_search(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    better = compared = 0
    for recorded in golden_network.explanations:
        if recorded.heuristic != "none" or recorded.length != 3:
            continue
        hits = count_hits(golden_network.activations[recorded.unit], [recorded.range], golden_index)
        found = find_optimum(RangeCounts(golden_counts, hits.per_set[0]), OptimumSettings())
        assert found.best is not None
        assert found.proven
        # The program computed its IoU in float32.
        assert found.best.iou >= recorded.iou - 1e-7
        compared += 1
        better += found.best.iou > recorded.iou + 1e-6
    assert compared == 48
    assert better == {"none": 9, "places365": 14}[golden_network.name]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"length": 0}, "`length` 0 must be 1 or more."),
        ({"node_limit": -1}, "`node_limit` -1 must be 0 or more."),
        ({"time_limit": -2.0}, "`time_limit` -2 must be 0 or more."),
        ({"time_limit": math.nan}, "`time_limit` nan must be 0 or more."),
        ({"length_penalty": 0.0}, "`length_penalty` 0 must be above 0 and at most 1."),
        ({"length_penalty": 1.5}, "`length_penalty` 1.5 must be above 0 and at most 1."),
    ],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        OptimumSettings(**wrong)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
