"""What an observed mean is worth: bootstrap intervals, permutation tests, false discovery rates.

The sample are units. Intervals are percentile intervals of the bootstrap (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13). Tests are two-sided; their p-value is exact where
there are no more permutations than rounds, and counts the observed value among the permutations
otherwise (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9/1, 2010).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10_000
CONFIDENCE = 0.95
# Numbers held at once, whatever the number of units.
_CHUNK = 1 << 20
# Sums of the same numbers in another order differ by less than this share of all.
_ROUNDING = 1e-12


def of_known(
    values: Iterable[float | None], statistic: Callable[[Any], Any] = np.mean
) -> float | None:
    """Return a statistic of the values that are known, ``None`` without any."""
    known = [value for value in values if value is not None]
    return float(statistic(known)) if known else None


def bootstrap_interval(
    values_of_units: Sequence[float] | NDArray[np.float64], rounds: int = ROUNDS, seed: int = 0
) -> list[float] | None:
    """Return the 95 % interval of the mean of ``(n_units,)`` values, by resampling units.

    No value is NaN. ``None`` for fewer than two units: one says nothing of others.
    """
    values = np.asarray(values_of_units, dtype=np.float64)
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    found = [values[taken].mean(axis=1) for taken in _resamples(values, rounds, rng)]
    return _percentiles(np.concatenate(found))


def difference_interval(
    a: Sequence[float] | NDArray[np.float64],
    b: Sequence[float] | NDArray[np.float64],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> list[float] | None:
    """Return the 95 % interval of ``mean(b) - mean(a)``, by resampling either alone.

    ``None`` where either has fewer than two units.
    """
    samples = [np.asarray(each, dtype=np.float64) for each in (a, b)]
    if min(map(len, samples)) < 2:
        return None
    rng = np.random.default_rng(seed)
    means = [
        np.concatenate([each[taken].mean(axis=1) for taken in _resamples(each, rounds, rng)])
        for each in samples
    ]
    return _percentiles(means[1] - means[0])


def paired_p(
    differences: Sequence[float] | NDArray[np.float64], rounds: int = ROUNDS, seed: int = 0
) -> float | None:
    """Return the p-value of a mean difference of pairs: signs are flipped at random.

    ``None`` without any pair.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if not n:
        return None
    least = abs(values.sum()) - _ROUNDING * abs(values).sum()
    if n < 63 and 2**n <= rounds:
        flips = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return float((abs((1 - 2 * flips) @ values) >= least).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for size in _sizes(n, rounds):
        flipped = rng.integers(0, 2, (size, n), dtype=np.uint8) @ values
        extreme += int((abs(values.sum() - 2 * flipped) >= least).sum())
    return (1 + extreme) / (1 + rounds)


def two_sample_p(
    a: Sequence[float] | NDArray[np.float64],
    b: Sequence[float] | NDArray[np.float64],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> float | None:
    """Return the p-value of a difference of two means: units change groups at random.

    ``None`` where either is empty.
    """
    if not len(a) or not len(b):
        return None
    values = np.concatenate([np.asarray(each, dtype=np.float64) for each in (a, b)])
    n, n_smaller = len(values), min(len(a), len(b))
    # With centered values, the sum of either group tells the difference of the means.
    values = values - values.mean()
    least = abs(values[: len(a)].sum()) - _ROUNDING * abs(values).sum()
    if comb(n, n_smaller) <= rounds:
        groups = map(list, combinations(range(n), n_smaller))
        return float(np.mean([abs(values[group].sum()) >= least for group in groups]))
    rng = np.random.default_rng(seed)
    extreme = 0
    for _ in range(rounds):
        group = rng.choice(n, n_smaller, replace=False, shuffle=False)
        extreme += int(abs(values[group].sum()) >= least)
    return (1 + extreme) / (1 + rounds)


def _resamples(
    values: NDArray[np.float64], rounds: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield positions of units with replacement, ``(n_samples, n_units)``, of all rounds."""
    for size in _sizes(values.size, rounds):
        yield rng.integers(0, len(values), (size, len(values)))


def _sizes(n_values: int, rounds: int) -> Iterator[int]:
    """Divide the rounds into parts that take little memory."""
    most = max(1, _CHUNK // max(1, n_values))
    for start in range(0, rounds, most):
        yield min(most, rounds - start)


def _percentiles(found: NDArray[np.float64]) -> list[float]:
    tail = (1 - CONFIDENCE) / 2
    ends: list[float] = np.quantile(found, [tail, 1 - tail]).tolist()
    return ends
