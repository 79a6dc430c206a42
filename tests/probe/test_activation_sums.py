"""Sums of activations by label set, and correlations with formulas, against NumPy on all pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import pearsonr

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe import activation_sums
from ccx_cli.probe.activation_sums import ActivationSummer, ActivationSums
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.probe.upsampling import axis_weights

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
    from tests.sparse_activations import sparse_of
else:
    from labelled_pixels import LabelledPixels, labelled_pixels
    from sparse_activations import sparse_of

Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
Case = tuple[Floats, LabelledPixels, Masks]


def upsampled(maps: Floats, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Every pixel of all images, in float64."""
    values = maps.astype(np.float64)
    for axis, n_out in zip((1, 2), shape, strict=True):
        weights = axis_weights(maps.shape[axis], n_out)
        share = weights.w1.astype(np.float64).reshape(-1, *(1,) * (2 - axis))
        above, below = np.take(values, weights.i0, axis), np.take(values, weights.i1, axis)
        values = above * (1 - share) + below * share
    return values.reshape(-1)


def sets_of_pixels(index: ConceptIndex) -> NDArray[np.int32]:
    rows = (index.maps.astype(np.int64) + index.offsets[:-1, None]).reshape(-1)
    found: NDArray[np.int32] = index.local_sets[rows]
    return found


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Maps above, below, or far from zero, or the same everywhere; labels; one formula."""
    pixels = draw(labelled_pixels())
    shape = (len(pixels.images), *draw(st.tuples(st.integers(1, 6), st.integers(1, 6))))
    least, most = draw(st.sampled_from([(-3.0, 5.0), (0.0, 5.0), (1000.0, 1001.0), (2.5, 2.5)]))
    maps = draw(hnp.arrays(np.float32, shape, elements=st.floats(least, most, width=16)))
    if draw(st.booleans()):
        maps[draw(hnp.arrays(np.bool_, shape))] = 0
    return maps, pixels, draw(hnp.arrays(np.bool_, len(pixels.distinct)))


def check(found: ActivationSums | None, maps: Floats, holds: Masks, index: ConceptIndex) -> None:
    assert found is not None
    values, sets = upsampled(maps, index.mask_shape), sets_of_pixels(index)
    scale = float(np.abs(values).max(initial=0))
    near = {"rel": 0, "abs": 1e-6 * scale * len(values)}
    per_set = np.bincount(sets, values - found.zero, len(index.sets))
    np.testing.assert_allclose(found.per_set, per_set, 0, near["abs"])
    inside = holds[sets]
    size, within = int(inside.sum()), float(found.per_set[holds].sum())
    pearson, cosine = found.pearson(within, size), found.cosine(within, size)
    if np.ptp(values) > 1e-9 * scale and 0 < size < len(values):
        assert pearson == pytest.approx(pearsonr(values, inside)[0], rel=0, abs=1e-5)
    else:
        assert pearson is None
    if scale > 0 and size:
        product = float((values * inside).sum())
        expected = product / np.sqrt((values**2).sum() * size)
        assert cosine == pytest.approx(expected, rel=0, abs=1e-6)
    else:
        assert cosine is None


@given(cases(), st.booleans(), st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=200)
def test_correlations_are_those_of_all_pixels(case: Case, is_sparse: bool, dtype: type) -> None:
    maps, pixels, holds = case
    index = pixels.index(dtype)
    given_maps: Maps = sparse_of(maps) if is_sparse else maps
    check(ActivationSummer(index).sums(given_maps), maps, holds, index)


def large_case(shape: tuple[int, int], size: tuple[int, int]) -> Case:
    """Return three images whose maps are far smaller than the mask grid."""
    random = np.random.default_rng(5)
    labels = [frozenset({1}), frozenset({2}), frozenset({1, 2}), frozenset[int]()]
    images = [[labels[each] for each in random.integers(0, 4, size[0] * size[1])] for _ in range(3)]
    pixels = LabelledPixels(images, size)
    maps = np.maximum(random.normal(0, 1, (3, *shape)), 0).astype(np.float32)
    return maps, pixels, random.integers(0, 2, len(pixels.distinct)) > 0


SIZES = [((7, 7), (113, 112)), ((13, 13), (56, 40)), ((1, 1), (9, 9)), ((3, 40), (30, 20))]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_maps_of_sizes_without_a_whole_ratio(shape: tuple[int, int], size: tuple[int, int]) -> None:
    maps, pixels, holds = large_case(shape, size)
    check(ActivationSummer(pixels.index()).sums(maps), maps, holds, pixels.index())


def test_nothing_is_summed_where_weights_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, pixels, holds = large_case((4, 4), (16, 16))
    index = pixels.index()
    weights = ActivationSummer(index).prepare(maps).weights
    assert weights is not None
    n_weights = int(weights.counts.sum())
    monkeypatch.setattr(activation_sums, "FEW", 0)
    limits = [
        ("MOST_SHARE", (n_weights + 0.5) / index.maps.size, (n_weights - 0.5) / index.maps.size),
        ("MOST_BYTES", 5 * n_weights, 5 * n_weights - 1),
        ("_CELLS_TIMES_SETS", 64, 63),
    ]
    for name, enough, too_few in limits:
        with monkeypatch.context() as patched:
            patched.setattr(activation_sums, "MOST_SHARE", 1)
            patched.setattr(activation_sums, name, enough)
            check(ActivationSummer(index).sums(maps), maps, holds, index)
            patched.setattr(activation_sums, name, too_few)
            assert ActivationSummer(index).sums(maps) is None


def test_maps_of_another_size_are_summed_with_other_weights() -> None:
    maps, pixels, holds = large_case((4, 4), (16, 16))
    summer = ActivationSummer(pixels.index())
    for some in (maps, maps[:, :2, :3], maps):
        check(summer.sums(some), some, holds, pixels.index())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_correlates_with_nothing(value: float) -> None:
    maps, pixels, holds = large_case((4, 4), (16, 16))
    maps[1, 2, 2] = value
    for each in (maps, maps + 1, sparse_of(maps)):
        found = ActivationSummer(pixels.index()).sums(each)
        assert found is not None
        within, size = float(found.per_set[holds].sum()), 100
        assert found.pearson(within, size) is None
        assert found.cosine(within, size) is None


@pytest.mark.parametrize("ends", [(-3e38, 3e38), (1e-45, 3e-45), (-1e-45, 0.0), (0.0, 1e30)])
def test_the_largest_and_the_least_numbers_are_correlated(ends: tuple[float, float]) -> None:
    index = LabelledPixels([[frozenset({1})], [frozenset({2})]], (1, 1)).index()
    maps = np.array(ends, dtype=np.float32).reshape(2, 1, 1)
    for each in (maps, sparse_of(maps)):
        found = ActivationSummer(index).sums(each)
        assert found is not None
        assert found.pearson(float(found.per_set[1]), 1) == pytest.approx(1)


def test_an_activation_of_which_no_pixel_takes_the_differences_is_constant() -> None:
    """Of nine cells in a row, three pixels take the middle one of three each."""
    index = LabelledPixels([[frozenset({1}), frozenset({2}), frozenset()]], (1, 3)).index()
    maps = np.array([5, 0.1, 5] * 3, dtype=np.float32).reshape(1, 1, 9)
    found = ActivationSummer(index).sums(maps)
    assert found is not None
    assert found.pearson(float(found.per_set[0]), 1) is None
    assert found.cosine(float(found.per_set[0]), 1) == pytest.approx(np.sqrt(1 / 3))
