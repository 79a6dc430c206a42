from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import Hits, count_hits, cut_intervals
from ccx_cli.probe.hits_kernel import TILE, axis_of
from ccx_cli.probe.permuted_hits import count_permuted_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.upsampling import axis_weights

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from tests.sparse_activations import sparse_of
else:
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
    from sparse_activations import sparse_of

Floats = NDArray[np.float32]
INF = math.inf
EVERYTHING = Range(-INF, INF)
SIZES = [(1, 1), (7, 7), (13, 13), (2, 5), (30, 31)]


def fused(x: Floats, y: Floats, z: Floats) -> Floats:
    """``x * y + z`` in float32, rounded once: to odd in float64 first, then to nearest."""
    product, added = x.astype(np.float64) * y, z.astype(np.float64)
    total = product + added
    other = total - product
    error = (product - (total - other)) + (added - other)
    even = total.view(np.int64) % 2 == 0
    odd = np.where(even & (error != 0), np.nextafter(total, np.copysign(INF, error)), total)
    return odd.astype(np.float32)


def upsampled(maps: Floats, shape: tuple[int, int]) -> Floats:
    """Bilinear upsampling, ``(n_images, height, width)`` float32."""
    rows, columns = axis_weights(maps.shape[1], shape[0]), axis_weights(maps.shape[2], shape[1])
    wide = fused(maps[:, :, columns.i0], columns.w0, maps[:, :, columns.i1] * columns.w1)
    v0, v1 = rows.w0[:, None], rows.w1[:, None]
    return fused(wide[:, rows.i0], v0, wide[:, rows.i1] * v1)


def plain_hits(maps: Floats, ranges: list[Range], index: ConceptIndex) -> Hits:
    """Pixel by pixel: which are in range, and whose row of which table they are."""
    values = upsampled(maps, index.mask_shape).reshape(len(maps), -1).astype(np.float64)
    rows = index.maps.astype(np.int64) + index.offsets[:-1, None]
    per_local = np.zeros((len(ranges), len(index.local_sets)), dtype=np.int32)
    per_set = np.zeros((len(ranges), len(index.sets)), dtype=np.int32)
    for place, ends in enumerate(ranges):
        found = rows[(ends.lower < values) & (values < ends.upper)]
        np.add.at(per_local[place], found, 1)
        np.add.at(per_set[place], index.local_sets[found], 1)
    return Hits(per_set, per_local, per_set.sum(axis=1, dtype=np.int64))


def assert_equal_hits(found: Hits, expected: Hits) -> None:
    assert found.per_local is not None
    assert expected.per_local is not None
    np.testing.assert_array_equal(found.per_local, expected.per_local)
    np.testing.assert_array_equal(found.per_set, expected.per_set)
    np.testing.assert_array_equal(found.totals, expected.totals)
    assert found.per_set.dtype == np.int32
    assert found.totals.dtype == np.int64


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, list[Range], LabelledPixels]:
    """Maps, labels, and ranges whose ends are often values of upsampled pixels."""
    pixels = draw(labelled_pixels())
    map_shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    plain = st.floats(-8, 8, width=32, allow_subnormal=False)
    wild = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
    whole = st.integers(-2, 3).map(float)
    maps = draw(
        hnp.arrays(
            np.float32,
            (len(pixels.images), *map_shape),
            elements=draw(st.sampled_from([plain, wild, whole, st.just(0.0)])),
        )
    )
    if draw(st.booleans()):
        maps[draw(hnp.arrays(np.bool_, maps.shape))] = 0
    values = np.unique(upsampled(maps, pixels.shape)).astype(np.float64).tolist()
    end = st.one_of(
        st.sampled_from(values),
        st.sampled_from(values).map(lambda value: float(np.nextafter(value, INF))),
        st.sampled_from([-INF, INF, 0.0, -0.0, 1e300, -1e300, 1e-300]),
        st.floats(-8, 8),
    )
    ranges = st.tuples(end, end).map(lambda ends: Range(min(ends), max(ends)))
    return maps, draw(st.lists(ranges, max_size=5)), pixels


@given(cases())
@settings(max_examples=300)
def test_the_kernel_counts_what_a_plain_pass_counts(
    case: tuple[Floats, list[Range], LabelledPixels],
) -> None:
    maps, ranges, pixels = case
    index = pixels.index()
    expected = plain_hits(maps, ranges, index)
    found = count_hits(maps, ranges, index, per_image=True)
    assert_equal_hits(found, expected)
    without = count_hits(maps, ranges, index)
    assert without.per_local is None
    np.testing.assert_array_equal(without.per_set, expected.per_set)
    assert_equal_hits(count_hits(sparse_of(maps), ranges, index, per_image=True), expected)


@pytest.mark.parametrize("map_shape", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_counts_are_right_at_many_map_sizes(
    map_shape: tuple[int, int], dtype: type[np.unsignedinteger]
) -> None:
    rng = np.random.default_rng(map_shape)
    index = random_pixels(rng, 4, (16, 24), [1, 2, 3, 4, 5]).index(dtype)
    assert index.maps.dtype == dtype
    maps = np.maximum(rng.normal(0, 1, (4, *map_shape)), 0).astype(np.float32)
    ranges = [Range(0.0, 0.3), Range(0.3, 0.8), Range(0.8, INF), EVERYTHING, Range(0.2, 0.9)]
    expected = plain_hits(maps, ranges, index)
    assert_equal_hits(count_hits(maps, ranges, index, per_image=True), expected)
    assert_equal_hits(count_hits(sparse_of(maps), ranges, index, per_image=True), expected)
    assert expected.totals[3] == 4 * 16 * 24


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_permuted_images_are_counted_as_maps_in_another_order(
    case: tuple[Floats, list[Range], LabelledPixels], random: Random
) -> None:
    maps, ranges, pixels = case
    index = pixels.index()
    images = range(len(maps))
    orders = np.array([images, *(random.sample(images, len(images)) for _ in range(3))])
    expected = [count_hits(maps[order], ranges, index).per_set for order in orders]
    for own in (maps, sparse_of(maps)):
        found = count_permuted_hits(own, ranges, index, orders)
        assert found.shape == (len(ranges), len(orders), len(index.sets))
        np.testing.assert_array_equal(found, np.swapaxes(expected, 0, 1))


@pytest.mark.parametrize("map_shape", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_permuted_images_are_counted_at_many_map_sizes(
    map_shape: tuple[int, int], dtype: type[np.unsignedinteger]
) -> None:
    rng = np.random.default_rng(map_shape)
    # Images differ in how many label sets they have.
    few = random_pixels(rng, 3, (16, 24), [1, 2]).images
    many = random_pixels(rng, 4, (16, 24), [1, 2, 3, 4, 5]).images
    index = LabelledPixels([*few, *many], (16, 24)).index(dtype)
    maps = np.maximum(rng.normal(0, 1, (7, *map_shape)), 0).astype(np.float32)
    maps[2] = 0
    ranges = [Range(0.0, 0.3), Range(0.3, 0.8), Range(0.8, INF), EVERYTHING, Range(0.2, 0.9)]
    orders = np.array([rng.permutation(7) for _ in range(5)])
    for own in (maps, sparse_of(maps)):
        found = count_permuted_hits(own, ranges, index, orders)
        for number, order in enumerate(orders):
            expected = plain_hits(maps[order], ranges, index).per_set
            np.testing.assert_array_equal(found[:, number], expected)


@pytest.mark.parametrize("map_shape", SIZES)
def test_some_images_are_counted_alone(map_shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(map_shape)
    index = random_pixels(rng, 9, (16, 24), [1, 2, 3, 4, 5]).index()
    maps = rng.normal(0, 1, (9, *map_shape)).astype(np.float32)
    maps[rng.random(maps.shape) < 0.8] = 0
    images = np.array([1, 2, 5, 8])
    ranges = [Range(-0.1, 0.1), Range(0.0, INF), Range(-INF, -0.5), EVERYTHING]
    expected = plain_hits(maps[images], ranges, index.of_images(images))
    found = count_hits(sparse_of(maps)[images], ranges, index.of_images(images), per_image=True)
    assert_equal_hits(found, expected)


@pytest.mark.parametrize("map_shape", [*SIZES, (7, 13), (60, 3)])
def test_tiles_without_hits_are_skipped_and_no_others(map_shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(map_shape)
    index = random_pixels(rng, 3, (50, 113), [1, 2, 3]).index()
    maps = rng.normal(0, 1, (3, *map_shape)).astype(np.float32)
    maps[:, rng.random(map_shape) < 0.7] = 0
    least, most = float(maps.min()), float(maps.max())
    for ranges in (
        [Range(0.0, INF)],
        [Range(-INF, 0.0)],
        [Range(0.5, 0.7), Range(1.5, 1.6)],
        [Range(least, 0.0), Range(-0.1, 0.1), Range(0.9 * most, most)],
    ):
        expected = plain_hits(maps, ranges, index)
        assert_equal_hits(count_hits(maps, ranges, index, per_image=True), expected)
        assert_equal_hits(count_hits(sparse_of(maps), ranges, index, per_image=True), expected)


@pytest.mark.parametrize(
    ("n_in", "n_out"), [(1, 1), (1, 40), (7, 112), (7, 113), (13, 112), (56, 9)]
)
def test_tiles_cover_an_axis_and_end_where_cells_change(n_in: int, n_out: int) -> None:
    weights = axis_weights(n_in, n_out)
    starts = axis_of(weights)[4]
    assert starts[0] == 0
    assert starts[-1] == n_out
    sizes = np.diff(starts)
    assert sizes.min() >= 1
    assert sizes.max() <= TILE
    if (n_in, n_out) == (7, 112):
        assert starts.tolist() == [0, 8, 24, 40, 56, 72, 88, 104, 112]


def one_row(values: list[float]) -> tuple[Floats, ConceptIndex]:
    """One image of one row, as large as its map, each pixel a label set of its own."""
    numbers = range(1, len(values) + 1)
    pixels = LabelledPixels([[frozenset({number}) for number in numbers]], (1, len(values)))
    return np.array([[values]], dtype=np.float32), pixels.index()


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((1.0, 3.0), [2.0]),
        ((0.5, 3.5), [1.0, 2.0, 3.0]),
        ((-INF, 2.0), [-1.0, 0.0, 1.0]),
        ((2.0, INF), [3.0]),
        ((-INF, INF), [-1.0, 0.0, 1.0, 2.0, 3.0]),
        ((2.0, 2.0), []),
        ((1.5, 1.75), []),
        ((3.0, 9.0), []),
        ((-9.0, -1.0), []),
        ((1.0 - 1e-12, 1.0 + 1e-12), [1.0]),
        ((1.0, 1.0 + 1e-12), []),
        ((-1e-300, 1e-300), [0.0]),
        ((0.0, 1e-300), []),
        ((-1e300, 1e300), [-1.0, 0.0, 1.0, 2.0, 3.0]),
        ((1e300, INF), []),
        ((-INF, -1e300), []),
        ((INF, INF), []),
        ((-INF, -INF), []),
    ],
)
def test_both_ends_of_a_range_are_outside_it(
    ends: tuple[float, float], expected: list[float]
) -> None:
    values = [-1.0, 0.0, 1.0, 2.0, 3.0]
    maps, index = one_row(values)
    found = count_hits(maps, [Range(*ends)], index)
    assert [v for v, n in zip(values, found.per_set[0], strict=True) if n] == expected
    assert found.totals[0] == len(expected)


def test_ranges_that_touch_overlap_and_repeat_are_counted_each_on_its_own() -> None:
    rng = np.random.default_rng(1)
    index = random_pixels(rng, 3, (9, 9), [1, 2, 3]).index()
    maps = rng.normal(0, 1, (3, 4, 4)).astype(np.float32)
    ranges = [
        Range(-0.5, 0.0),
        Range(0.0, 0.5),
        Range(-0.25, 0.25),
        Range(0.0, 0.5),
        Range(-INF, 0.0),
        Range(0.3, 0.3),
        Range(-0.5, INF),
    ]
    together = count_hits(maps, ranges, index, per_image=True)
    for place, ends in enumerate(ranges):
        alone = count_hits(maps, [ends], index, per_image=True)
        np.testing.assert_array_equal(together.per_set[place], alone.per_set[0])
    assert_equal_hits(together, plain_hits(maps, ranges, index))


def test_counts_by_image_add_up_to_the_counts_by_set() -> None:
    rng = np.random.default_rng(2)
    index = random_pixels(rng, 6, (8, 8), [1, 2, 3, 4]).index()
    maps = rng.normal(0, 1, (6, 3, 3)).astype(np.float32)
    found = count_hits(maps, [Range(0.1, 1.0), EVERYTHING], index, per_image=True)
    assert found.per_local is not None
    for place in range(2):
        summed = np.bincount(index.local_sets, found.per_local[place], len(index.sets))
        np.testing.assert_array_equal(summed, found.per_set[place])
    np.testing.assert_array_equal(found.per_local[1], index.local_totals)


def test_a_unit_that_never_fires_has_no_hits_above_zero() -> None:
    index = random_pixels(np.random.default_rng(3), 2, (5, 5), [1, 2]).index()
    maps = np.zeros((2, 7, 7), dtype=np.float32)
    ranges = [Range(0.0, INF), Range(-1.0, 1.0), Range(-INF, 0.0)]
    assert count_hits(maps, ranges, index).totals.tolist() == [0, 50, 0]


def test_no_ranges_are_no_hits() -> None:
    index = random_pixels(np.random.default_rng(4), 2, (5, 5), [1, 2]).index()
    found = count_hits(np.ones((2, 3, 3), dtype=np.float32), [], index, per_image=True)
    assert found.per_set.shape == (0, len(index.sets))
    assert found.totals.shape == (0,)


def test_maps_may_be_strided_views() -> None:
    rng = np.random.default_rng(5)
    index = random_pixels(rng, 3, (6, 6), [1, 2, 3]).index()
    maps = rng.normal(0, 1, (3, 8, 8)).astype(np.float32)[:, ::2, ::-2]
    ranges = [Range(0.0, 0.7)]
    assert_equal_hits(
        count_hits(maps, ranges, index, per_image=True), plain_hits(maps, ranges, index)
    )


@pytest.mark.parametrize("map_shape", [(7, 7), (13, 13), (2, 5)])
def test_a_range_that_begins_at_the_largest_activation_is_not_skipped_wrongly(
    map_shape: tuple[int, int],
) -> None:
    rng = np.random.default_rng(6)
    index = LabelledPixels([[frozenset({1})] * 112 * 112], (112, 112)).index()
    for value in rng.uniform(0.5, 2, 20).astype(np.float32):
        maps = np.full((1, *map_shape), value, dtype=np.float32)
        maps[0, 0, 0] = np.nextafter(value, np.float32(0))
        below = float(np.nextafter(value, np.float32(0)))
        ranges = [Range(float(value), INF), Range(below, INF), Range(0.0, float(value))]
        expected = plain_hits(maps, ranges, index)
        assert_equal_hits(count_hits(maps, ranges, index, per_image=True), expected)
        assert_equal_hits(count_hits(sparse_of(maps), ranges, index, per_image=True), expected)


def test_edges_are_the_distinct_ends_as_float32() -> None:
    cut = cut_intervals([Range(0.0, 1.0), Range(1.0, INF), Range(-INF, 0.1)])
    below_one = np.nextafter(np.float32(1), np.float32(0))
    assert cut.edges.dtype == np.float32
    assert cut.edges.tolist() == sorted(
        [0.0, float(below_one), 1.0, float(np.nextafter(np.float32(0.1), np.float32(0)))]
    )
    assert cut.first.tolist() == [1, 4, 0]
    assert cut.last.tolist() == [2, 4, 1]


def test_hits_take_64_bits_only_where_a_label_set_has_more_pixels_than_32_bits_count() -> None:
    maps, index = one_row([1.0, 0.0])
    expected = count_hits(maps, [EVERYTHING], index).per_set
    for total, dtype in ((2**31 - 1, np.int32), (2**33, np.int64)):
        index.sets.totals[0] = total
        assert index.sets.hits_type == dtype
        for counted in (
            count_hits(maps, [EVERYTHING], index).per_set,
            count_permuted_hits(maps, [EVERYTHING], index, np.array([[0]]))[:, 0],
        ):
            assert counted.dtype == dtype
            np.testing.assert_array_equal(counted, expected)
        # What is not zero is counted, and taken from the pixels of the set.
        (left,) = count_hits(sparse_of(maps), [Range(-1.0, 0.5)], index).per_set.tolist()
        assert left == [total - 1, 1]
