from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from ccx_cli.probe.kmeans import exact_kmeans, sklearn_kmeans

if TYPE_CHECKING:
    from tests.probe.inertia import inertia
else:
    from inertia import inertia

Clusters = list[tuple[float, float]]


def column(values: ArrayLike) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def spread(values: NDArray[np.float32]) -> float:
    """Inertia of one cluster: what rounding errors are measured against."""
    exact = values.astype(np.float64)
    return float(((exact - exact.mean()) ** 2).sum())


def least_inertia(values: NDArray[np.float32], k: int) -> float:
    """The least inertia over all ways to split the sorted values, duplicates apart or not."""
    ordered = np.sort(values).astype(np.float64)
    best = np.inf
    for cuts in combinations(range(1, len(ordered)), min(k, len(ordered)) - 1):
        parts = np.split(ordered, cuts)
        best = min(best, sum(((part - part.mean()) ** 2).sum() for part in parts))
    return float(best)


def assert_clusters(clusters: Clusters, values: NDArray[np.float32], k: int) -> None:
    """Every value is in one cluster, and every end is a value."""
    assert len(clusters) == min(k, len(np.unique(values)))
    assert clusters == sorted(clusters)
    for (_, upper), (lower, _) in pairwise(clusters):
        assert upper < lower
    members = [(values >= lower) & (values <= upper) for lower, upper in clusters]
    assert np.sum(members, axis=0).tolist() == [1] * len(values)
    assert {end for ends in clusters for end in ends} <= {float(value) for value in values}


NUMBERS = st.one_of(
    st.integers(-4, 4).map(float),
    st.floats(-100, 100, width=32),
    st.sampled_from([float(column(v)) for v in (1e-30, -1e-30, 1e30, -1e30, 3e38, 1e-45)]),
)
SAMPLES = st.lists(NUMBERS, min_size=1, max_size=9).map(column)


@given(SAMPLES, st.integers(1, 6))
@settings(max_examples=300)
def test_no_split_has_less_inertia(values: NDArray[np.float32], k: int) -> None:
    clusters = exact_kmeans(values, k)
    assert_clusters(clusters, values, k)
    least = least_inertia(values, k)
    assert inertia(values, clusters) <= least + 1e-12 * spread(values)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=400), st.integers(1, 8))
@settings(max_examples=60)
def test_scikit_learn_is_never_better(numbers: list[int], k: int) -> None:
    values = column(numbers)
    exact, sklearn = exact_kmeans(values, k), sklearn_kmeans(values, k, 1)
    assert_clusters(exact, values, k)
    assert inertia(values, exact) <= inertia(values, sklearn) * (1 + 1e-12)


def test_the_order_of_the_values_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    values = column(rng.exponential(1, 5000))
    assert exact_kmeans(values, 5) == exact_kmeans(rng.permutation(values), 5)


def test_ties_break_to_the_lower_split() -> None:
    assert exact_kmeans(column([0, 1, 2]), 2) == [(0, 0), (1, 2)]
    assert exact_kmeans(column([0, 1, 2, 3, 4]), 4) == [(0, 0), (1, 1), (2, 2), (3, 4)]


@pytest.mark.parametrize(
    ("values", "k", "expected"),
    [
        ([3], 1, [(3, 3)]),
        ([3], 5, [(3, 3)]),
        ([2, 2, 2], 2, [(2, 2)]),
        ([1, 5, 1, 5, 5], 2, [(1, 1), (5, 5)]),
        ([1, 5, 1, 5, 5], 7, [(1, 1), (5, 5)]),
        ([-3, -2, 4, 5], 2, [(-3, -2), (4, 5)]),
        ([-3, -2, 4, 5], 1, [(-3, 5)]),
        # Weights count: one far value costs less than parting the many.
        ([0] * 100 + [1] * 100 + [3], 2, [(0, 0), (1, 3)]),
    ],
)
@pytest.mark.parametrize("method", ["exact", "sklearn"])
def test_small_samples_cluster_as_by_hand(
    values: list[float], k: int, expected: Clusters, method: str
) -> None:
    sample = column(values)
    if method == "exact":
        assert exact_kmeans(sample, k) == expected
    else:
        assert sklearn_kmeans(sample, k, 10) == expected


def test_large_offsets_keep_their_digits() -> None:
    values = column([1e6, 1e6 + 1, 1e6 + 2, 1e6 + 10, 1e6 + 11])
    assert exact_kmeans(values, 2) == [(1e6, 1e6 + 2), (1e6 + 10, 1e6 + 11)]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_clusters_scale_with_the_values(scale: float) -> None:
    values = column([1, 1.5, 4, 4.5, 9])
    scaled = column(values * np.float32(scale))
    assert exact_kmeans(values, 3) == [(1, 1.5), (4, 4.5), (9, 9)]
    ends = [float(value) for value in scaled]
    assert exact_kmeans(scaled, 3) == [(ends[0], ends[1]), (ends[2], ends[3]), (ends[4], ends[4])]


def test_inertia_is_the_sum_of_squares_to_the_means() -> None:
    assert inertia(column([1, 3, 10]), [(1, 3), (10, 10)]) == 2


def test_values_far_below_the_median_keep_their_digits() -> None:
    values = column([1e-43, 1e-32, 1e-26, 1e-12, 7e9, 2e28, 4e29, 5e29])
    assert exact_kmeans(values, 6)[:2] == [
        (float(values[0]), float(values[2])),
        (float(values[3]), float(values[3])),
    ]


def exact_inertia(values: list[Fraction]) -> Fraction:
    mean = sum(values, Fraction()) / len(values)
    return sum(((value - mean) ** 2 for value in values), Fraction())


@settings(max_examples=60)
@given(
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=8),
    st.lists(
        st.builds(
            lambda sign, size, times: sign * times * 10.0**size,
            st.sampled_from([-1.0, 1.0]),
            st.integers(3, 30),
            st.floats(1, 9),
        ),
        min_size=1,
        max_size=2,
    ),
    st.integers(2, 5),
)
def test_outliers_of_any_size_leave_the_optimum_exact(
    bulk: list[float], outliers: list[float], k: int
) -> None:
    values = np.unique(column([*bulk, *outliers]))
    found = exact_kmeans(values, k)
    exact = [Fraction(float(value)) for value in values]
    parts = [[v for v in exact if lower <= v <= upper] for lower, upper in found]
    n = len(exact)
    least = min(
        sum(
            (exact_inertia(exact[a:b]) for a, b in pairwise([0, *cuts, n])),
            Fraction(),
        )
        for cuts in combinations(range(1, n), min(k, n) - 1)
    )
    # The pass is done again where its rounding may be more than a millionth of the inertia.
    assert sum(map(exact_inertia, parts), Fraction()) <= least * (1 + Fraction(1, 10**6))
