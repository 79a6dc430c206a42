from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.probe.ranges import (
    Range,
    RangeMethod,
    active_values,
    find_ranges,
    top_threshold,
)

if TYPE_CHECKING:
    from tests.sparse_activations import sparse_of
else:
    from sparse_activations import sparse_of

INF = math.inf


@pytest.mark.parametrize("ends", [(0.25, 1.5), (-INF, 0.1), (0.1, INF), (-INF, INF), (0.5, 0.5)])
def test_ranges_survive_json(ends: tuple[float, float]) -> None:
    found = Range(*ends)
    assert Range.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_an_infinite_end_is_null() -> None:
    assert Range(0.5, INF).to_json() == [0.5, None]


def test_a_negative_zero_is_written_as_in_sparse_activations() -> None:
    assert json.dumps(Range(-1.5, -0.0).to_json()) == "[-1.5, 0.0]"


@pytest.mark.parametrize(
    ("quantile", "step"), [(0.005, 994), (0.01, 989), (0.5, 499), (0.995, 4), (0.9999, 0)]
)
def test_the_threshold_is_a_step_of_the_sketch(quantile: float, step: int) -> None:
    # 1,000 values, so that a step of 1/999 is a value.
    values = np.random.default_rng(0).permutation(1000).astype(np.float32)
    assert top_threshold(values, quantile) == pytest.approx(step)


def test_the_threshold_counts_zeros_and_leaves_about_the_quantile_above() -> None:
    maps = np.random.default_rng(0).exponential(1, (100, 7, 7)).astype(np.float32)
    maps[maps < 1] = 0
    (found,) = find_ranges(maps, RangeMethod(1, quantile=0.05))
    assert found.upper == INF
    assert (maps > found.lower).mean() == pytest.approx(0.05, abs=2e-3)


def test_zeros_are_clustered_only_where_something_is_negative() -> None:
    rectified = np.array([[[0, 2], [0, 1]]], dtype=np.float32)
    assert active_values(rectified).tolist() == [2, 1]
    assert active_values(rectified - 1).tolist() == [-1, 1, -1, 0]
    signed = np.array([[[-1, 0], [0, 1]]], dtype=np.float32)
    assert find_ranges(signed, RangeMethod(3)) == (Range(-1, -1), Range(0, 0), Range(1, 1))
    assert find_ranges(rectified, RangeMethod(2)) == (Range(1, 1), Range(2, 2))


@pytest.mark.parametrize(
    "method", [RangeMethod(1), RangeMethod(5), RangeMethod(5, kmeans="sklearn")]
)
def test_a_unit_that_never_fires_has_no_range(method: RangeMethod) -> None:
    assert find_ranges(np.zeros((3, 7, 7), dtype=np.float32), method) == ()


@pytest.mark.parametrize("kmeans", ["exact", "sklearn"])
def test_a_unit_of_few_values_has_fewer_ranges(kmeans: str) -> None:
    maps = np.array([[[0, 0.5], [0.5, 2]]], dtype=np.float32)
    method = RangeMethod(5, kmeans="exact" if kmeans == "exact" else "sklearn")
    assert find_ranges(maps, method) == (Range(0.5, 0.5), Range(2, 2))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"num_clusters": 0}, "`num_clusters` 0 must be 1 or more."),
        ({"quantile": 0.0}, "`quantile` 0 must be between 0 and 1."),
        ({"quantile": 1.0}, "`quantile` 1 must be between 0 and 1."),
        ({"n_init": 0}, "`n_init` 0 must be 1 or more."),
    ],
)
def test_methods_that_cannot_be_meant_are_refused(options: dict[str, int], fault: str) -> None:
    with pytest.raises(UsageError) as raised:
        RangeMethod(**options)  # type: ignore[arg-type]
    assert str(raised.value) == fault


def test_a_method_is_named_by_what_its_ranges_depend_on() -> None:
    assert RangeMethod(1, n_init=1) == RangeMethod(1, n_init=1)
    assert RangeMethod(1, n_init=1).identity() == RangeMethod(1, n_init=7).identity()
    assert RangeMethod(1, 0.01).identity() != RangeMethod(1, 0.02).identity()
    assert RangeMethod(5, 0.01).identity() == RangeMethod(5, 0.02).identity()
    assert RangeMethod(5).identity() == RangeMethod(5, n_init=3).identity()
    sklearn = [RangeMethod(5, kmeans="sklearn", n_init=n).identity() for n in (1, 10)]
    assert sklearn[0] != sklearn[1]
    assert RangeMethod(5).identity() not in sklearn
    assert RangeMethod(5).identity() != RangeMethod(4).identity()


@st.composite
def rare_maps(draw: st.DrawFn) -> NDArray[np.float32]:
    """Maps with many zeros, equal values, and at times negative ones."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4)))
    least = draw(st.sampled_from([-4, 0]))
    numbers = st.one_of(st.integers(least, 4).map(float), st.floats(least, 4, width=32))
    maps = draw(hnp.arrays(np.float32, shape, elements=numbers))
    maps[draw(hnp.arrays(np.bool_, shape))] = 0
    return maps


@given(rare_maps(), st.floats(1e-4, 0.999), st.integers(2, 6))
@settings(max_examples=300)
def test_sparse_maps_have_the_ranges_of_dense_ones(
    maps: NDArray[np.float32], quantile: float, k: int
) -> None:
    sparse = sparse_of(maps)
    assert top_threshold(sparse, quantile) == top_threshold(maps, quantile)
    np.testing.assert_array_equal(active_values(sparse), active_values(maps))
    for method in (RangeMethod(1, quantile), RangeMethod(k)):
        ranges = find_ranges(maps, method)
        assert find_ranges(sparse, method) == ranges
        for each in (*ranges, Range(-1, 1), Range(0, INF), Range(-INF, 0), Range(0.0, 0.0)):
            assert each.count(sparse) == each.count(maps)


@given(rare_maps())
@settings(max_examples=20, deadline=None)
def test_sklearn_clusters_sparse_maps_as_dense_ones(maps: NDArray[np.float32]) -> None:
    method = RangeMethod(3, kmeans="sklearn", n_init=1)
    assert find_ranges(sparse_of(maps), method) == find_ranges(maps, method)
