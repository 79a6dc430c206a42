from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activation_levels import LEVELS, TOGETHER, ActivationLevels, count_levels
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.probe.upsampling import upsample

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
    from tests.sparse_activations import sparse_of
else:
    from labelled_pixels import LabelledPixels, labelled_pixels
    from sparse_activations import sparse_of

Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
Case = tuple[Floats, LabelledPixels, Masks]


def masks_of(formulas: Masks, index: ConceptIndex) -> Masks:
    """Pixels on which formulas hold, ``(n_formulas, n_pixels)``, of label sets."""
    rows = (index.maps.astype(np.int64) + index.offsets[:-1, None]).reshape(-1)
    found: Masks = formulas[:, index.local_sets[rows]]
    return found


def plain_levels(maps: Floats, index: ConceptIndex) -> NDArray[np.int64]:
    """Each pixel's activation in multiples of the step, none but zero being zero of them."""
    low, high = float(maps.min()), float(maps.max())
    values = upsample(maps, index.mask_shape).reshape(-1).astype(np.float64)
    if low == high:
        return np.zeros(values.shape, dtype=np.int64)
    scale = LEVELS / (high - low)
    steps = np.rint(np.clip(values, low, high) * scale)
    steps[(steps == 0) & (values != 0)] = 1
    steps[(steps == 1) & (values < 0)] = -1
    return np.clip(steps, round(low * scale), round(high * scale)).astype(np.int64)


def found_levels(maps: Maps, formulas: Masks, index: ConceptIndex) -> ActivationLevels:
    found = count_levels(maps, list(formulas), index)
    assert found is not None
    return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Maps with or without values below zero and zeros, labels, and up to seven formulas."""
    pixels = draw(labelled_pixels())
    shape = (len(pixels.images), *draw(st.tuples(st.integers(1, 6), st.integers(1, 6))))
    least = draw(st.sampled_from([-3.0, 0.0, 2.5]))
    maps = draw(hnp.arrays(np.float32, shape, elements=st.floats(least, 5, width=16)))
    if draw(st.booleans()):
        maps[draw(hnp.arrays(np.bool_, shape))] = 0
    n_formulas = draw(st.integers(0, TOGETHER + 2))
    formulas = draw(hnp.arrays(np.bool_, (n_formulas, len(pixels.distinct))))
    return maps, pixels, formulas


@given(cases())
@settings(max_examples=150)
def test_the_kernel_counts_what_a_plain_pass_counts(case: Case) -> None:
    maps, pixels, formulas = case
    index = pixels.index()
    steps, masks = plain_levels(maps, index), masks_of(formulas, index)
    low, high = float(maps.min()), float(maps.max())
    scale = LEVELS / (high - low) if low < high else 1.0
    for each in (maps, sparse_of(maps)):
        found = found_levels(each, formulas, index)
        level_of = {round(value * scale): level for level, value in enumerate(found.values)}
        levels = [0] * len(steps) if low == high else [level_of[step] for step in steps.tolist()]
        n_levels = len(found.values)
        assert found.pixels.tolist() == np.bincount(levels, minlength=n_levels).tolist()
        assert found.pixels.all()
        for inside, mask in zip(found.inside, masks, strict=True):
            weights = np.bincount(levels, mask, minlength=n_levels)
            assert inside.tolist() == weights.tolist()
        assert found.peaks.tolist() == maps.max(axis=(1, 2)).tolist()


@given(cases())
def test_a_level_is_within_half_a_step_of_the_activation_but_next_to_zero(case: Case) -> None:
    maps, pixels, formulas = case
    index = pixels.index()
    found = found_levels(maps, formulas, index)
    assert (np.diff(found.values) > 0).all()
    rounded = np.repeat(found.values, found.pixels)
    exact = np.sort(upsample(maps, index.mask_shape).reshape(-1).astype(np.float64))
    step = float(maps.max() - maps.min()) / LEVELS
    # Upsampling rounds to float32.
    most = np.where(np.abs(exact) < step, 1.0001, 0.5001) * step + 1e-6
    assert (np.abs(rounded - exact) <= most).all()
    assert not (exact == 0).any() or 0 in found.values


def test_the_smallest_activations_are_not_tied_with_zero() -> None:
    labels = [[frozenset({number})] for number in range(1, 6)]
    index = LabelledPixels(labels, (1, 1)).index()
    maps = np.array([-1, -1e-9, 0, 1e-9, 1], dtype=np.float32).reshape(5, 1, 1)
    formulas = np.array([[False, True, False, True, False]])
    step = 2 / LEVELS
    for each in (maps, sparse_of(maps)):
        found = found_levels(each, formulas, index)
        assert found.values.tolist() == [-1, -step, 0, step, 1]
        assert found.inside.tolist() == [[0, 1, 0, 1, 0]]


def test_offsets_far_from_zero_keep_their_differences() -> None:
    index = LabelledPixels([[frozenset({1})], [frozenset({2})], [frozenset()]], (1, 1)).index()
    maps = np.array([4096, 4096.5, 4097], dtype=np.float32).reshape(3, 1, 1)
    formulas = np.array([[False, True, False]])
    found = found_levels(maps, formulas, index)
    assert found.values.tolist() == [4096, 4096.5, 4097]
    assert found.inside.tolist() == [[0, 1, 0]]


def test_the_largest_and_the_least_numbers_are_counted() -> None:
    index = LabelledPixels([[frozenset({1})], [frozenset({2})]], (1, 1)).index()
    for ends in ((-3e38, 3e38), (1e-45, 3e-45), (-1e-45, 0.0)):
        maps = np.array(ends, dtype=np.float32).reshape(2, 1, 1)
        for each in (maps, sparse_of(maps)):
            found = found_levels(each, np.array([[True, False]]), index)
            assert found.pixels.tolist() == [1, 1]
            assert found.inside.tolist() == [[1, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_is_counted_of_what_is_no_number(value: float) -> None:
    index = LabelledPixels([[frozenset({1})], [frozenset({2})]], (1, 1)).index()
    maps = np.array([value, 1], dtype=np.float32).reshape(2, 1, 1)
    for each in (maps, sparse_of(maps)):
        assert count_levels(each, [np.array([True, False])], index) is None
