from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.heuristic_search import heuristic_search
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.chains import Chain
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.space import SearchSpace

if TYPE_CHECKING:
    from tests.dense_search import best_chain, dense_beam, iou_of, mask_of
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from tests.search.brute_force import SmallRange, best_by_length, holds, small_ranges
else:
    from brute_force import SmallRange, best_by_length, holds, small_ranges
    from dense_search import best_chain, dense_beam, iou_of, mask_of
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels

Mask = NDArray[np.bool_]


def found_by_beam(
    pixels: LabelledPixels,
    in_range: Mask,
    beam: BeamSettings,
    space: SearchSpace | None = None,
) -> Chain | None:
    """The beam's chain, once its counts are checked against the pixels."""
    data = DataCounts(pixels.index())
    best = beam_search(RangeCounts(data, pixels.hits_by_set(in_range), space), beam).best
    if best is None:
        return None
    mask = mask_of(best.chain, pixels.masks)
    assert best.both == (mask & in_range).sum()
    assert best.total == mask.sum()
    assert best.iou == float(iou_of(mask, in_range))
    return best.chain


@st.composite
def cases(draw: st.DrawFn) -> tuple[LabelledPixels, Mask]:
    pixels = draw(labelled_pixels())
    size = len(pixels.pixels)
    in_range = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return pixels, np.array(in_range, dtype=np.bool_)


@given(cases(), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=150)
def test_the_beam_is_the_plain_beam(
    case: tuple[LabelledPixels, Mask], length: int, beam_limit: int
) -> None:
    pixels, in_range = case
    found = found_by_beam(pixels, in_range, BeamSettings(length, beam_limit))
    assert found == dense_beam(pixels.masks, in_range, length, beam_limit)


@given(cases())
@settings(max_examples=60)
def test_a_wide_beam_of_two_concepts_is_the_best_of_all(
    case: tuple[LabelledPixels, Mask],
) -> None:
    pixels, in_range = case
    found = found_by_beam(pixels, in_range, BeamSettings(2, 1000))
    assert found == best_chain(pixels.masks, in_range, 2)


@given(small_ranges(most_concepts=5, large=True), st.integers(1, 2))
def test_a_beam_counts_past_32_bits_exactly(small: SmallRange, length: int) -> None:
    counts, settings = RangeCounts(small.counts, small.in_range), BeamSettings(length, 1000)
    found = beam_search(counts, settings)
    everything = np.full((3, small.n_concepts), np.inf)
    visited = heuristic_search(counts, settings, lambda _: everything)
    assert [best.iou for best in visited.levels] == [best.iou for best in found.levels]
    best = best_by_length(small, length)[-1][0]
    if found.best is None:
        assert best == 0
        return
    # Of those that round to the same number, any.
    assert found.best.iou == float(best)
    union = sum(small.hits) + found.best.total - found.best.both
    assert Fraction(found.best.both, union) == small.iou(holds(found.best.chain, small))


@given(cases())
@settings(max_examples=25)
def test_a_wide_beam_of_three_concepts_is_as_good_as_the_best_of_all(
    case: tuple[LabelledPixels, Mask],
) -> None:
    pixels, in_range = case
    found = found_by_beam(pixels, in_range, BeamSettings(3, 100_000))
    best = best_chain(pixels.masks, in_range, 3)
    assert (found is None) == (best is None)
    if found is not None and best is not None:
        ious = [iou_of(mask_of(chain, pixels.masks), in_range) for chain in (found, best)]
        assert ious[0] == ious[1]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("beam_limit", [1, 5])
def test_the_beam_is_the_plain_beam_with_many_concepts(seed: int, beam_limit: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = random_pixels(rng, 3, (8, 9), range(1, 25))
    in_range = rng.random(len(pixels.pixels)) < rng.choice([0.05, 0.3, 0.7])
    # Hits that follow a formula, with noise, make a search that has something to find.
    if seed % 2:
        in_range ^= pixels.masks[0] & ~pixels.masks[1]
    for length in (1, 2, 3, 4):
        found = found_by_beam(pixels, in_range, BeamSettings(length, beam_limit))
        assert found == dense_beam(pixels.masks, in_range, length, beam_limit)


@given(cases(), st.data())
@settings(max_examples=60)
def test_a_search_keeps_to_its_concepts_and_operators(
    case: tuple[LabelledPixels, Mask], draws: st.DataObject
) -> None:
    pixels, in_range = case
    n_concepts = len(pixels.numbers)
    used = draws.draw(st.lists(st.booleans(), min_size=n_concepts, max_size=n_concepts))
    operators = tuple(sorted(draws.draw(st.sets(st.sampled_from(Operator), min_size=1))))
    space = SearchSpace(np.array(used, dtype=np.bool_), operators)
    found = found_by_beam(pixels, in_range, BeamSettings(3, 2), space)
    concepts = np.flatnonzero(used).tolist()
    assert found == dense_beam(pixels.masks, in_range, 3, 2, concepts, operators)


def image(*label_sets: set[int]) -> LabelledPixels:
    """One row of pixels."""
    return LabelledPixels([[frozenset(labels) for labels in label_sets]], (1, len(label_sets)))


def where(pixels: LabelledPixels, *positions: int) -> Mask:
    in_range = np.zeros(len(pixels.pixels), dtype=np.bool_)
    in_range[list(positions)] = True
    return in_range


def test_no_hits_are_no_formula_and_no_search() -> None:
    pixels = image({1}, {2})
    data = DataCounts(pixels.index())
    found = beam_search(RangeCounts(data, np.zeros(2, dtype=np.int32)), BeamSettings())
    assert (found.best, found.visited) == (None, 0)


def test_hits_where_no_concept_is_are_no_formula() -> None:
    pixels = image({1}, {2}, set(), set())
    assert found_by_beam(pixels, where(pixels, 2, 3), BeamSettings()) is None


def test_hits_in_a_data_set_without_concepts_are_no_formula() -> None:
    pixels = image(set(), set())
    assert found_by_beam(pixels, where(pixels, 0), BeamSettings()) is None


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_one_concept_is_the_only_formula_at_any_length(length: int) -> None:
    pixels = image({7}, {7}, set())
    assert found_by_beam(pixels, where(pixels, 0, 2), BeamSettings(length)) == Chain((0,))


def test_a_formula_is_as_short_as_it_can_be() -> None:
    pixels = image({1, 2}, {1, 2}, {3}, set())
    assert found_by_beam(pixels, where(pixels, 0, 1), BeamSettings(3)) == Chain((0,))


def test_ties_break_to_lower_label_numbers() -> None:
    # 2 OR 3 and 1 OR 4 are as good: which is seen first must not matter.
    pixels = image({2}, {3}, {1}, {4}, set(), set())
    found = found_by_beam(pixels, where(pixels, 0, 1, 2, 3), BeamSettings(2))
    assert found == Chain((0, 1), (Operator.OR,))
    # 1 AND 2 is 2 AND 1.
    pixels = image({1, 2}, {1}, {2}, set())
    found = found_by_beam(pixels, where(pixels, 0), BeamSettings(2))
    assert found == Chain((0, 1), (Operator.AND,))


def test_ties_break_to_the_operator_that_is_listed_first() -> None:
    # 1 OR 2 covers all 6 hits and 3 more pixels, 1 AND NOT 2 covers 4 hits and nothing else.
    pixels = image(*[{1}] * 4, *[{2}] * 2, *[{1, 2}] * 2, {2})
    in_range = where(pixels, *range(6))
    masks = [mask_of(Chain((0, 1), (o,)), pixels.masks) for o in (Operator.OR, Operator.AND_NOT)]
    assert iou_of(masks[0], in_range) == iou_of(masks[1], in_range)
    found = found_by_beam(pixels, in_range, BeamSettings(2))
    assert found == Chain((0, 1), (Operator.OR,))


def test_equal_formulas_do_not_crowd_the_beam() -> None:
    # Five names of one concept would fill a beam of two (four at first), and 6 would be lost.
    twins = {1, 2, 3, 4, 5}
    pixels = image(twins, twins, twins, {6}, {6}, {7}, set())
    in_range = where(pixels, 0, 1, 2, 3, 4)
    found = found_by_beam(pixels, in_range, BeamSettings(2, 2))
    assert found == Chain((0, 5), (Operator.OR,))


def test_every_formula_whose_iou_was_computed_is_counted() -> None:
    pixels = image({1}, {2}, {3}, {1, 2}, {3, 1}, set())
    data = DataCounts(pixels.index())
    hits = pixels.hits_by_set(where(pixels, 0, 1, 2, 3))
    assert beam_search(RangeCounts(data, hits), BeamSettings(1)).visited == 3
    # Three singles, each with two others by three operators.
    assert beam_search(RangeCounts(data, hits), BeamSettings(2)).visited == 3 + 3 * 2 * 3


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"length": 0}, "`length` 0 must be 1 or more."),
        ({"beam_limit": 0}, "`beam_limit` 0 must be 1 or more."),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(UsageError) as raised:
        BeamSettings(**options)
    assert str(raised.value) == fault
