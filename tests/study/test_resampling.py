"""Bootstrap intervals and permutation tests, against all permutations and on simulated units."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ccx_cli.study import resampling
from ccx_cli.study.resampling import (
    bootstrap_interval,
    difference_interval,
    paired_p,
    two_sample_p,
)

VALUES = st.lists(st.integers(-20, 20).map(lambda value: value / 8), min_size=1, max_size=5)


Interval = list[float] | None


def share_that_hold(interval_of: Callable[[np.random.Generator], Interval], truth: float) -> float:
    rng = np.random.default_rng(5)
    ends = [interval_of(rng) or [0, 0] for _ in range(400)]
    return float(np.mean([low <= truth <= high for low, high in ends]))


def test_intervals_hold_the_truth_in_95_of_100_samples() -> None:
    held = share_that_hold(lambda rng: bootstrap_interval(rng.normal(3, 2, 60), rounds=500), 3)
    assert 0.92 <= held <= 0.97
    held = share_that_hold(
        lambda rng: difference_interval(rng.normal(1, 1, 40), rng.normal(1.5, 3, 90), rounds=500),
        0.5,
    )
    assert 0.92 <= held <= 0.97


def test_an_interval_of_the_mean_is_about_two_standard_errors_wide() -> None:
    values = np.random.default_rng(2).normal(0, 1, 400)
    error = values.std() / 20
    expected = [values.mean() - 1.96 * error, values.mean() + 1.96 * error]
    assert bootstrap_interval(values) == pytest.approx(expected, abs=0.1 * error)


def test_one_unit_has_no_interval() -> None:
    assert bootstrap_interval([0.5]) is None
    assert bootstrap_interval([]) is None
    assert difference_interval([0.5], [0.1, 0.2]) is None
    assert paired_p([]) is None
    assert two_sample_p([], [1.0]) is None


@given(VALUES)
def test_the_p_value_of_few_pairs_is_exact(differences: list[float]) -> None:
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences, strict=True)))
        for signs in product([1, -1], repeat=len(differences))
    ]
    expected = np.mean([each >= observed for each in sums])
    assert paired_p(differences) == expected
    assert paired_p(differences, rounds=60) == pytest.approx(expected, abs=0.3)


@given(VALUES, VALUES)
def test_the_p_value_of_few_units_is_exact(a: list[float], b: list[float]) -> None:
    # In eighths over the product of the sizes, whole numbers: no two sums differ by rounding.
    every = np.round(8 * np.array([*a, *b])).astype(int)
    observed = abs(len(a) * every[len(a) :].sum() - len(b) * every[: len(a)].sum())
    found = []
    for group in combinations(range(len(every)), len(a)):
        ours = every[list(group)].sum()
        found.append(abs(len(a) * (every.sum() - ours) - len(b) * ours) >= observed)
    assert two_sample_p(a, b) == pytest.approx(np.mean(found), abs=1e-12)


def test_p_values_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 7), rng.normal(0.7, 1, 7)

    def apart(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
        return float(abs(x.mean() - y.mean()))

    theirs = stats.permutation_test((a, b), apart, alternative="greater", n_resamples=100_000)
    assert two_sample_p(a, b) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert two_sample_p(a, b, rounds=3400) == pytest.approx(theirs.pvalue, abs=0.02)

    def mean(x: NDArray[np.float64]) -> float:
        return float(x.mean())

    theirs = stats.permutation_test((b - a,), mean, permutation_type="samples", n_resamples=100_000)
    assert paired_p(b - a) == pytest.approx(theirs.pvalue, abs=1e-12)
    assert paired_p(b - a, rounds=127) == pytest.approx(theirs.pvalue, abs=0.1)


def test_p_values_of_no_difference_are_uniform() -> None:
    rng = np.random.default_rng(3)
    paired = [paired_p(rng.normal(0, 1, 30), rounds=199) for _ in range(400)]
    apart = [
        two_sample_p(rng.normal(0, 1, 25), rng.normal(0, 1, 25), rounds=199) for _ in range(400)
    ]
    for found in (paired, apart):
        assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.025)
        assert np.mean(np.array(found) <= 0.5) == pytest.approx(0.5, abs=0.06)


def test_a_sampled_p_value_counts_what_was_observed() -> None:
    assert paired_p(np.ones(40), rounds=999) == 1 / 1000
    assert two_sample_p(np.zeros(40), np.ones(40), rounds=999) == 1 / 1000
    assert paired_p(np.zeros(40), rounds=999) == 1
    assert two_sample_p(np.ones(40), np.ones(40), rounds=999) == 1


def test_parts_of_the_rounds_change_neither_their_number_nor_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(4).normal(0.1, 1, 50)
    whole = bootstrap_interval(values, rounds=1000), paired_p(values, rounds=1000)
    assert whole == (bootstrap_interval(values, rounds=1000), paired_p(values, rounds=1000))
    monkeypatch.setattr(resampling, "_CHUNK", 333)
    assert bootstrap_interval(values, rounds=1000) == pytest.approx(whole[0], abs=1e-12)
    assert paired_p(values, rounds=1000) == whole[1]
    assert bootstrap_interval(values, rounds=1000, seed=1) != whole[0]
