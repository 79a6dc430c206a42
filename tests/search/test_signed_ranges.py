"""Ranges of units with negative activations: hits and formulas equal those of a plain pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges, top_threshold
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings

if TYPE_CHECKING:
    from tests.dense_search import best_chain, iou_of, mask_of
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
else:
    from dense_search import best_chain, iou_of, mask_of
    from labelled_pixels import LabelledPixels, labelled_pixels

Floats = NDArray[np.float32]
METHODS = [RangeMethod(1, 0.3), RangeMethod(1, 0.9), RangeMethod(2), RangeMethod(3)]
BY_HAND = (Range(-math.inf, -0.5), Range(-math.inf, 0), Range(-1, 1), Range(0, math.inf))


@st.composite
def signed(draw: st.DrawFn) -> tuple[LabelledPixels, Floats]:
    """Labels, and activations of the same grid that are often negative, zero or equal."""
    pixels = draw(labelled_pixels())
    shape = (len(pixels.images), *pixels.shape)
    some = st.sampled_from([-3.0, -1.5, -0.5, -0.25, 0.0, 0.25, 1.0, 2.5])
    any_ = st.floats(-4, 4, width=32, allow_subnormal=False)
    return pixels, draw(hnp.arrays(np.float32, shape, elements=draw(st.sampled_from([some, any_]))))


def holds(formula: Formula, labels: frozenset[int]) -> bool:
    """Evaluate a formula on one pixel's labels."""
    match formula:
        case Concept(number):
            return number in labels
        case Not(operand):
            return not holds(operand, labels)
        case And(left, right):
            return holds(left, labels) and holds(right, labels)
        case Or(left, right):
            return holds(left, labels) or holds(right, labels)


def explainer_of(pixels: LabelledPixels, **settings: Any) -> Explainer:
    index = pixels.index()
    strategy = OptimalStrategy(OptimumSettings(length=2))
    return Explainer(index, DataCounts(index), "layer", 3, strategy, **settings)


@given(signed(), st.sampled_from([*METHODS, *BY_HAND]))
def test_hits_and_formulas_are_those_of_a_plain_pass(
    case: tuple[LabelledPixels, Floats], how: RangeMethod | Range
) -> None:
    pixels, maps = case
    ranges = (how,) if isinstance(how, Range) else find_ranges(maps, how)
    records = explainer_of(pixels).explain(0, maps, ranges)
    assert len(records) == max(1, len(ranges))
    for found, record in zip(ranges, records, strict=False):
        in_range = (maps.reshape(-1) > found.lower) & (maps.reshape(-1) < found.upper)
        assert record.hits == in_range.sum()
        best = best_chain(pixels.masks, in_range, 2) if len(pixels.numbers) else None
        assert (record.formula is None) == (best is None)
        if best is not None:
            expected = float(iou_of(mask_of(best, pixels.masks), in_range))
            assert record.iou == expected
            assert record.tree is not None
            own = np.array([holds(record.tree, labels) for labels in pixels.pixels])
            assert float(iou_of(own, in_range)) == expected
        assert record.holds_zero is (True if found.lower < 0 < found.upper else UNSET)


@given(signed(), st.integers(1, 4))
def test_zero_is_in_the_cluster_next_to_it(case: tuple[LabelledPixels, Floats], k: int) -> None:
    """No cluster overlaps another, all values are in one, and at most one holds zero."""
    _, maps = case
    values = maps[maps > 0] if maps.min() >= 0 else maps.reshape(-1)
    for method in (RangeMethod(max(k, 2)), RangeMethod(max(k, 2), kmeans="sklearn")):
        ranges = find_ranges(maps, method)
        ends = [end for each in ranges for end in (each.lower, each.upper)]
        assert ends == sorted(ends)
        inside = [(values >= each.lower) & (values <= each.upper) for each in ranges]
        assert np.all(np.sum(inside, axis=0) == 1) if len(values) else ranges == ()
        assert sum(each.lower < 0 < each.upper for each in ranges) <= 1
    if maps.any():
        (top,) = find_ranges(maps, RangeMethod(1, 0.4))
        assert top == Range(top_threshold(maps, 0.4), math.inf)


def test_the_range_that_holds_zero_is_skipped_and_the_others_keep_their_numbers() -> None:
    sets = [frozenset({1}), frozenset({1, 2}), frozenset({2}), frozenset({5})]
    pixels = LabelledPixels([sets * 3], (3, 4))
    maps = np.linspace(-3, 3.3, 12, dtype=np.float32).reshape(1, 3, 4)
    ranges = (Range(-4, -1), Range(-1, 1), Range(1, 4))
    plain = explainer_of(pixels).explain(0, maps, ranges)
    skipping = explainer_of(pixels, skip_zero_range=True)
    lowest, zero, highest = skipping.explain(0, maps, ranges)
    assert [lowest, highest] == [plain[0], plain[2]]
    assert (zero.cluster, zero.hits) == (1, plain[1].hits)
    assert zero.holds_zero is zero.skipped is True
    assert (zero.formula, zero.iou, zero.mcc, zero.by_length) == (None, 0.0, None, [])
    assert zero.why_none == "holds zero, skipped"
    assert plain[1].formula is not None
    assert plain[1].skipped is UNSET
    rectified = (Range(0, 1), Range(1, math.inf))
    assert not any(skipping.skips(each) for each in rectified)
