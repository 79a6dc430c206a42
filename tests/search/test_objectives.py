from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator
from ccx_cli.probe.soft_hits import QUANTA
from ccx_cli.search.counts import RangeCounts
from ccx_cli.search.objectives import (
    MCC,
    Goal,
    Objective,
    chord_of,
    level,
    score_of,
    spans,
    weight_to_reach,
)
from ccx_cli.search.optimum import OptimumSettings, find_optimum, near_optima
from ccx_cli.search.overlap import Overlap
from ccx_cli.search.space import SearchSpace

if TYPE_CHECKING:
    from tests.search.brute_force import (
        SmallRange,
        SmallUnit,
        all_chains,
        holds,
        small_ranges,
        small_units,
    )
else:
    from brute_force import SmallRange, SmallUnit, all_chains, holds, small_ranges, small_units

OBJECTIVES = ["iou", "mcc", "f-beta:1", "f-beta:2", "f-beta:0.5", "f-beta:0.1", "f-beta:100"]
SOFT = ["soft-iou", "pearson", "cosine"]


def asked(most_concepts: int) -> st.SearchStrategy[tuple[str, SmallRange]]:
    """Objectives, and what each is of."""
    return st.one_of(
        st.tuples(st.sampled_from(OBJECTIVES), small_ranges(most_concepts)),
        st.tuples(st.sampled_from(SOFT), small_units(most_concepts)),
        st.tuples(st.just("cosine"), small_units(most_concepts, -QUANTA)),
    )


def pixels_of(small: SmallRange, value: tuple[bool, ...]) -> tuple[Any, int]:
    """Pixels in range, and all, of a formula."""
    pairs = zip(small.hits, small.totals, value, strict=True)
    both, total = zip(*((h, t) if inside else (0, 0) for h, t, inside in pairs), strict=True)
    return sum(both), sum(total)


COVERAGE = 0.1


def scored(objective: str, small: SmallRange, value: tuple[bool, ...]) -> Fraction:
    """Score a formula exactly; of correlations and cosine the square, signed."""
    both, total = pixels_of(small, value)
    n, pixels = Fraction(sum(small.hits)), sum(small.totals)
    if objective in ("iou", "soft-iou"):
        return Fraction(both, n + total - both) if n + total - both else Fraction(0)
    if objective == "mcc":
        if both < Fraction(1, 10) * n:
            return Fraction(0)
        a, b, c, d = both, total - both, n - both, pixels - total - n + both
        spread = (a + b) * (a + c) * (d + b) * (d + c)
        gain = a * d - b * c
        return Fraction(gain * abs(gain), spread) if spread else Fraction(0)
    if objective in ("pearson", "cosine"):
        assert isinstance(small, SmallUnit)
        most = sum(max(each, 0) for each in small.hits)
        mean = n / pixels if objective == "pearson" else Fraction(0)
        variance = small.squares - pixels * mean**2
        inside = total - Fraction(total**2, pixels) if objective == "pearson" else Fraction(total)
        if both < Fraction(1, 10) * most or not variance or not inside:
            return Fraction(0)
        gain = both - total * mean
        return Fraction(gain * abs(gain), variance * inside)
    square = Fraction(objective.partition(":")[2]) ** 2
    below = square * n + total
    return (1 + square) * both / below if below else Fraction(0)


def best_by_length(
    objective: str,
    small: SmallRange,
    length: int,
    operators: tuple[Operator, ...] = tuple(Operator),
) -> list[tuple[Fraction, int]]:
    """Largest score of at most 1, 2, ... concepts, and how many distinct formulas reach it."""
    values: set[tuple[bool, ...]] = set()
    found = []
    for each in range(1, length + 1):
        chains = all_chains(range(small.n_concepts), each, operators)
        values |= {holds(chain, small) for chain in chains}
        scores = [scored(objective, small, value) for value in values]
        best = max(scores, default=Fraction(0))
        found.append((best, scores.count(best)))
    return found


@settings(max_examples=150)
@given(asked(most_concepts=6), st.integers(1, 3))
def test_no_formula_beats_the_optimum_and_no_tie_is_missed(
    question: tuple[str, SmallRange], length: int
) -> None:
    objective, small = question
    expected = best_by_length(objective, small, length)
    counts = RangeCounts(small.counts, small.in_range)
    found = find_optimum(
        counts, OptimumSettings(length, objective=objective, min_coverage=COVERAGE)
    )
    assert found.proven
    reached = [(best, ties) for best, ties in expected if best > 0]
    if not reached:
        assert found.best is None
        return
    assert found.best is not None
    assert [found.length for found in found.levels] == list(range(1, length + 1))[-len(reached) :]
    for one, (best, ties) in zip(found.levels, reached, strict=True):
        assert scored(objective, small, holds(one.best[0].chain, small)) == best
        assert len(one.best) == ties
    assert len(found.ties) == expected[-1][1]
    assert len({holds(tie.chain, small) for tie in found.ties}) == len(found.ties)
    is_square = objective in ("mcc", "pearson", "cosine")
    root = math.sqrt(expected[-1][0]) if is_square else float(expected[-1][0])
    assert found.score == pytest.approx(root, rel=1e-14)


@settings(max_examples=40)
@given(
    asked(most_concepts=5),
    st.sets(st.sampled_from(tuple(Operator)), min_size=1).map(lambda some: tuple(sorted(some))),
)
def test_a_restricted_optimum_is_the_optimum_of_what_is_left(
    question: tuple[str, SmallRange], operators: tuple[Operator, ...]
) -> None:
    objective, small = question
    expected = best_by_length(objective, small, 3, operators)[-1][0]
    assume(expected > 0)
    space = SearchSpace(np.ones(small.n_concepts, dtype=np.bool_), operators)
    counts = RangeCounts(small.counts, small.in_range, space)
    best = find_optimum(counts, OptimumSettings(objective=objective, min_coverage=COVERAGE)).best
    assert best is not None
    assert scored(objective, small, holds(best.chain, small)) == expected


@settings(max_examples=40)
@given(asked(most_concepts=5), st.floats(0, 0.5))
def test_near_optima_are_all_formulas_within_the_tolerance(
    question: tuple[str, SmallRange], within: float
) -> None:
    objective, small = question
    counts = RangeCounts(small.counts, small.in_range)
    best = find_optimum(counts, OptimumSettings(objective=objective, min_coverage=COVERAGE)).best
    assume(best is not None)
    assert best is not None
    measure = Objective.parse(objective, COVERAGE).on(counts)
    threshold = measure.score(best.both, best.total) * (1 - within)
    values = {
        holds(chain, small)
        for length in (1, 2, 3)
        for chain in all_chains(range(small.n_concepts), length)
    }
    wanted = OptimumSettings(objective=objective, min_coverage=COVERAGE)
    near = near_optima(counts, wanted, threshold, ())
    assert near.complete
    assert near.more == 0
    assert {holds(each.chain, small) for each in near.formulas} == {
        value for value in values if measure.score(*pixels_of(small, value)) >= threshold
    }
    scores = [measure.score(each.both, each.total) for each in near.formulas]
    assert scores == sorted(scores, reverse=True)


@given(
    (st.integers(2, 300_000_000) | st.integers(2, 1 << 35)).flatmap(
        lambda pixels: st.tuples(
            st.just(pixels), st.integers(1, pixels - 1), st.integers(1, pixels - 1), st.floats(0, 1)
        )
    ),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_formula_that_reaches_a_score_reaches_the_bound_of_its_span(
    sizes: tuple[int, int, int, float], known: float, least: float
) -> None:
    pixels, in_range, total, share = sizes
    fewest, most = max(0, total + in_range - pixels), min(total, in_range)
    both = fewest + round(share * (most - fewest))
    spread = float(in_range * (pixels - in_range))
    goal = Goal(MCC, float(in_range), float(pixels), 1.0, spread=spread)
    score = score_of(goal, both, total)
    assert score == pytest.approx(Overlap(in_range, both, total, pixels).mcc, rel=1e-13)
    assume(score > 0)
    rounding = 1e-7 * max(1, pixels / 300_000_000)
    assert level(goal, score, total) == pytest.approx(both, rel=1e-9, abs=10 * rounding)
    known, reached = score * known * least, score * known
    size = pixels * share
    (span,) = [(start, stop) for start, stop in spans(goal, known, size) if start <= total < stop]
    found = chord_of(goal, reached, *span)
    assert found is not None
    weight = both - found.misses * (total - both)
    for bar in (reached, score):
        assert weight >= weight_to_reach(goal, found, bar) - rounding * (1 + found.misses)


@pytest.mark.parametrize(
    "text",
    ["", "IOU", "f-beta", "f-beta:", "f-beta:0", "f-beta:-1", "f-beta:101", "f-beta:1e0", "f1"],
)
def test_what_is_no_objective_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be iou, f-beta:B"):
        OptimumSettings(objective=text)


@pytest.mark.parametrize("text", OBJECTIVES + SOFT)
def test_an_objective_is_written_as_it_is_read(text: str) -> None:
    assert str(Objective.parse(text)) == text


def test_other_objectives_stop_at_three_concepts() -> None:
    with pytest.raises(UsageError, match="works up to `length` 3"):
        OptimumSettings(4, objective="mcc")
