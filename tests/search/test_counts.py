from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search.chains import Chain, extended_rows, sets_in
from ccx_cli.search.counts import Counts, DataCounts, RangeCounts

if TYPE_CHECKING:
    from tests.dense_search import mask_of
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
else:
    from dense_search import mask_of
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels

Mask = NDArray[np.bool_]
SETTINGS = settings(max_examples=100)


@st.composite
def pixels_in_range(draw: st.DrawFn) -> tuple[LabelledPixels, Mask]:
    """Labelled pixels, some of them in range."""
    pixels = draw(labelled_pixels().filter(lambda found: found.numbers))
    size = len(pixels.pixels)
    in_range = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return pixels, np.array(in_range, dtype=np.bool_)


@st.composite
def chains(draw: st.DrawFn, n_concepts: int, longest: int = 4) -> Chain:
    order = draw(st.permutations(range(n_concepts)))
    length = draw(st.integers(1, min(longest, n_concepts)))
    operators = draw(st.lists(st.sampled_from(Operator), min_size=length - 1, max_size=length - 1))
    return Chain(tuple(order[:length]), tuple(operators))


def assert_equal_rows(rows: Counts, mask: Mask, pixels: LabelledPixels, in_range: Mask) -> None:
    """Counts of the formula that covers ``mask``, counted pixel by pixel."""
    both = pixels.masks & mask
    assert rows.totals.tolist() == both.sum(axis=1).tolist()
    assert rows.hits.tolist() == (both & in_range).sum(axis=1).tolist()


def chain_rows(chain: Chain, data: DataCounts, hits: NDArray[np.int32]) -> Counts:
    """Counts of a chain, built up concept by concept as the searches do."""
    counts = RangeCounts(data, hits)
    built, rows = Chain(chain.concepts[:1]), counts.rows(chain.concepts[0])
    for operator, concept in zip(chain.operators, chain.concepts[1:], strict=True):
        longer = built.extended(operator, concept)
        built, rows = longer, extended_rows(built, rows, longer, counts)
    return rows


@given(pixels_in_range())
@SETTINGS
def test_pairs_are_counted_as_pixels(case: tuple[LabelledPixels, Mask]) -> None:
    pixels, in_range = case
    data = DataCounts(pixels.index())
    masks = pixels.masks.astype(np.int64)
    assert data.n_concepts == len(masks)
    np.testing.assert_array_equal(data.totals, masks @ masks.T)
    hits = RangeCounts(data, pixels.hits_by_set(in_range)).pairs
    np.testing.assert_array_equal(hits, (masks * in_range) @ masks.T)
    assert data.totals.dtype == hits.dtype == np.int64


@given(pixels_in_range())
@SETTINGS
def test_postings_are_the_sets_of_every_concept(case: tuple[LabelledPixels, Mask]) -> None:
    pixels, _ = case
    data = DataCounts(pixels.index())
    for position, number in enumerate(pixels.numbers):
        expected = [row for row, labels in enumerate(pixels.distinct) if number in labels]
        assert data.postings.of(position).tolist() == expected


@given(pixels_in_range(), st.data())
@SETTINGS
def test_chains_hold_on_the_sets_of_their_pixels(
    case: tuple[LabelledPixels, Mask], draws: st.DataObject
) -> None:
    pixels, _ = case
    data = DataCounts(pixels.index())
    chain = draws.draw(chains(data.n_concepts))
    holds = sets_in(chain, data)
    by_pixel = [bool(holds[pixels.distinct.index(labels)]) for labels in pixels.pixels]
    assert by_pixel == mask_of(chain, pixels.masks).tolist()


@given(pixels_in_range(), st.data())
@SETTINGS
def test_rows_of_chains_are_counted_as_pixels(
    case: tuple[LabelledPixels, Mask], draws: st.DataObject
) -> None:
    pixels, in_range = case
    data = DataCounts(pixels.index())
    chain = draws.draw(chains(data.n_concepts))
    rows = chain_rows(chain, data, pixels.hits_by_set(in_range))
    assert_equal_rows(rows, mask_of(chain, pixels.masks), pixels, in_range)


@given(pixels_in_range(), st.data())
@SETTINGS
def test_rows_of_an_intersection_are_counted_as_pixels(
    case: tuple[LabelledPixels, Mask], draws: st.DataObject
) -> None:
    pixels, in_range = case
    data = DataCounts(pixels.index())
    chain = draws.draw(chains(data.n_concepts))
    concept = draws.draw(st.integers(0, data.n_concepts - 1))
    counts = RangeCounts(data, pixels.hits_by_set(in_range))
    rows = counts.rows_with(sets_in(chain, data), concept)
    mask = mask_of(chain, pixels.masks) & pixels.masks[concept]
    assert_equal_rows(rows, mask, pixels, in_range)


@given(pixels_in_range(), st.data())
@SETTINGS
def test_signatures_are_equal_where_the_pixels_are(
    case: tuple[LabelledPixels, Mask], draws: st.DataObject
) -> None:
    pixels, in_range = case
    data = DataCounts(pixels.index())
    hits = pixels.hits_by_set(in_range)
    pair = [draws.draw(chains(data.n_concepts)) for _ in range(2)]
    one, other = (chain_rows(chain, data, hits).signatures for chain in pair)
    masks = [pixels.masks & mask_of(chain, pixels.masks) for chain in pair]
    np.testing.assert_array_equal(one == other, (masks[0] == masks[1]).all(axis=1))


def test_many_concepts_and_sets_are_counted_as_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = random_pixels(rng, 12, (14, 15), range(1, 200, 5))
    in_range = rng.random(len(pixels.pixels)) < 0.2
    data = DataCounts(pixels.index())
    hits = pixels.hits_by_set(in_range)
    masks = pixels.masks.astype(np.int64)
    np.testing.assert_array_equal(data.totals, masks @ masks.T)
    np.testing.assert_array_equal(RangeCounts(data, hits).pairs, (masks * in_range) @ masks.T)
    for _ in range(50):
        order = rng.permutation(data.n_concepts)[:4].tolist()
        operators = [Operator(int(operator)) for operator in rng.integers(0, 3, 3)]
        chain = Chain(tuple(order), tuple(operators))
        rows = chain_rows(chain, data, hits)
        assert_equal_rows(rows, mask_of(chain, pixels.masks), pixels, in_range)


def test_hits_past_float32_are_counted_exactly() -> None:
    pixels = LabelledPixels([[frozenset({1}), frozenset({1, 2}), frozenset()]], (1, 3))
    data = DataCounts(pixels.index())
    hits = np.array([2**30 + 1, 2**30 + 1, 7], dtype=np.int32)
    assert RangeCounts(data, hits).pairs.tolist() == [
        [2**31 + 2, 2**30 + 1],
        [2**30 + 1, 2**30 + 1],
    ]


def test_a_data_set_without_labels_has_no_concepts() -> None:
    pixels = LabelledPixels([[frozenset()] * 6], (2, 3))
    data = DataCounts(pixels.index())
    assert data.n_concepts == 0
    assert RangeCounts(data, np.array([6], dtype=np.int32)).pairs.shape == (0, 0)
