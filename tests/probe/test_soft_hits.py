from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import CcxError
from ccx_cli.probe.soft_hits import MOST_PIXELS, QUANTA, SoftHits, sum_activations
from ccx_cli.probe.upsampling import upsample

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
    from tests.sparse_activations import sparse_of
else:
    from labelled_pixels import LabelledPixels, labelled_pixels
    from sparse_activations import sparse_of

Floats = NDArray[np.float32]


def plain_sums(maps: Floats, index: ConceptIndex, zero: float, width: float) -> SoftHits:
    """Pixel by pixel: scale, round, and add to the pixel's label set."""
    values = upsample(maps, index.mask_shape).reshape(-1).astype(np.float64)
    quanta = np.rint((values - zero) * (QUANTA / width)) if width else np.zeros_like(values)
    rows = (index.maps.astype(np.int64) + index.offsets[:-1, None]).reshape(-1)
    sums = np.zeros(len(index.sets), dtype=np.int64)
    np.add.at(sums, index.local_sets[rows], quanta.astype(np.int64))
    squares = sum(int(each) ** 2 for each in quanta)
    return SoftHits(sums / QUANTA, Fraction(squares, QUANTA**2))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, LabelledPixels]:
    """Maps of whole numbers from -3 to 5, and labels."""
    pixels = draw(labelled_pixels())
    shape = (len(pixels.images), *draw(st.tuples(st.integers(1, 6), st.integers(1, 6))))
    whole = st.integers(draw(st.sampled_from([-3, 0])), 5).map(float)
    maps = draw(hnp.arrays(np.float32, shape, elements=whole))
    if draw(st.booleans()):
        maps[draw(hnp.arrays(np.bool_, shape))] = 0
    return maps, pixels


@given(cases(), st.booleans())
@settings(max_examples=100)
def test_the_kernel_sums_what_a_plain_pass_sums(
    case: tuple[Floats, LabelledPixels], signed: bool
) -> None:
    maps, pixels = case
    low, high = float(maps.min()), float(maps.max())
    zero, width = (0.0, max(high, -low)) if signed else (low, high - low)
    expected = plain_sums(maps, pixels.index(), zero, width)
    for each in (maps, sparse_of(maps)):
        found = sum_activations(each, pixels.index(), signed=signed)
        np.testing.assert_array_equal(found.per_set, expected.per_set)
        assert found.squares == expected.squares


def test_soft_hits_are_shares_of_the_largest_activation() -> None:
    index = LabelledPixels([[frozenset({1})], [frozenset({2})], [frozenset()]], (1, 1)).index()
    maps = np.array([-2, 2, 1], dtype=np.float32).reshape(3, 1, 1)
    found = sum_activations(maps, index)
    assert found.per_set.tolist() == [0.0, 1.0, 0.75]
    assert found.squares == Fraction(25, 16)
    signed = sum_activations(maps, index, signed=True)
    assert signed.per_set.tolist() == [-1.0, 1.0, 0.5]
    assert signed.squares == Fraction(9, 4)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30])
def test_a_constant_activation_has_no_soft_hits(value: float) -> None:
    index = LabelledPixels([[frozenset({1})]], (1, 1)).index()
    maps = np.full((1, 1, 1), value, dtype=np.float32)
    found = sum_activations(maps, index)
    assert found.per_set.tolist() == [0.0]
    assert found.squares == 0


def test_squares_of_an_image_are_summed_past_64_bits() -> None:
    side = 1 << 12
    one = LabelledPixels([[frozenset()], [frozenset()]], (1, 1)).index()
    index = replace(
        one,
        sets=replace(one.sets, totals=one.sets.totals << 24),
        local_totals=one.local_totals << 24,
        maps=np.zeros((2, side * side), dtype=np.uint8),
        mask_shape=(side, side),
    )
    # The pixels of one image are all of the largest activation: 2^24 squares of 2^40.
    for low in (0.0, -1.0):
        maps = np.array([low, low + 1], dtype=np.float32).reshape(2, 1, 1)
        for each in (maps, sparse_of(maps)):
            found = sum_activations(each, index)
            assert found.per_set.tolist() == [1 << 24]
            assert found.squares == 1 << 24


def test_more_pixels_than_are_summed_exactly_are_refused() -> None:
    pixels = LabelledPixels([[frozenset({1}), frozenset()]], (1, 2))
    maps = np.array([[[1.0, 2.0]]], dtype=np.float32)
    for more, refused in ((MOST_PIXELS - 1, False), (MOST_PIXELS, True)):
        index = pixels.index()
        index.sets.totals[0] = more
        if refused:
            with pytest.raises(CcxError, match="take an `objective` of ranges"):
                sum_activations(maps, index)
        else:
            assert sum_activations(maps, index).per_set.tolist() == [0.0, 1.0]
