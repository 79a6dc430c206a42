"""One-dimensional k-means: the optimum, and what scikit-learn finds."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel

# Of the rounding errors that the fast pass may make, as a share of the inertia that it found.
_TOLERANCE = 1e-6


def exact_kmeans(values: NDArray[np.float32], k: int, zeros: int = 0) -> list[tuple[float, float]]:
    """Cluster ``values`` into ``k`` clusters of least inertia; return their ends, the lowest first.

    So many ``zeros`` are clustered as well, where none is among ``values``.

    Dynamic programming over the sorted distinct values (Wang and Song, "Ckmeans.1d.dp", The R
    Journal 3/2, 2011), divide and conquer over the split positions: O(k n log n). There are fewer
    clusters where there are fewer distinct values. The result depends on no seed. Where sums in
    float64 could lose the inertia, as beside an outlier of 10^9, they are made again with twice the
    digits.
    """
    found, multiplicities = np.unique(values, return_counts=True)
    if zeros:
        place = np.searchsorted(found, 0)
        found = np.insert(found, place, 0)
        multiplicities = np.insert(multiplicities, place, zeros)
    distinct, counts = found.astype(np.float64), multiplicities.astype(np.float64)
    k = min(k, len(distinct))
    if not k:
        return []
    starts = _optimal_starts(distinct, counts, k, False)
    if _may_be_wrong(distinct, counts, starts):
        starts = _optimal_starts(distinct, counts, k, True)
    ends = np.append(starts[1:], len(distinct)) - 1
    return [(float(found[s]), float(found[e])) for s, e in zip(starts, ends, strict=True)]


def _may_be_wrong(
    distinct: NDArray[np.float64], counts: NDArray[np.float64], starts: NDArray[np.int64]
) -> bool:
    """Return whether rounding in the fast pass could matter beside the inertia that it found.

    A sum of ``n`` squares carries an error of at most ``n`` times the float64 epsilon of it.
    """
    total = np.add.reduceat(counts, starts)
    mean = np.add.reduceat(distinct * counts, starts) / total
    lengths = np.diff(np.append(starts, len(distinct)))
    inertia = float((counts * (distinct - np.repeat(mean, lengths)) ** 2).sum())
    center = (distinct * counts).sum() / counts.sum()
    largest = float((counts * (distinct - center) ** 2).sum())
    error = len(distinct) * np.finfo(np.float64).eps * largest
    return len(distinct) > len(starts) and bool(error > _TOLERANCE * inertia)


def sklearn_kmeans(values: NDArray[np.float32], k: int, n_init: int) -> list[tuple[float, float]]:
    """Cluster ``values`` as scikit-learn does, ``random_state=0``, in float64 and as ordered.

    Parameters and result are those of ``exact_kmeans``; ``n_init`` is the number of starts.
    """
    # Slow to import, and not needed for the exact optimum.
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    column = values.astype(np.float64).reshape(-1, 1)
    k = min(k, len(np.unique(values)))
    if not k:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(n_clusters=k, random_state=0, n_init=n_init).fit(column).labels_
    clusters = (values[labels == cluster] for cluster in range(k))
    return sorted((float(c.min()), float(c.max())) for c in clusters if c.size)


@kernel
def _two_sum(a: float, b: float) -> tuple[float, float]:
    """Return ``a + b`` and its rounding error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def _two_product(a: float, b: float) -> tuple[float, float]:
    """Return ``a * b`` and its rounding error (Dekker)."""
    product = a * b
    scaled = 134217729.0 * a  # 2^27 + 1 halves the digits
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = 134217729.0 * b
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def _fill_sums(
    distinct: NDArray[np.float64],
    counts: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Fill ``sums`` outward from zero: weight, and first and second moment in two parts."""
    n = len(distinct)
    middle = np.searchsorted(distinct, 0.0)
    for side in range(2):
        position = middle
        while position < n if side == 0 else position > 0:
            index = position if side == 0 else position - 1
            sign = 1.0 if side == 0 else -1.0
            target = position + 1 if side == 0 else position - 1
            value = distinct[index]
            count = sign * counts[index]
            sums[0, target] = sums[0, position] + count
            high, low = _two_product(count, value)
            total, error = _two_sum(sums[1, position], high)
            sums[1, target], sums[2, target] = _two_sum(total, error + low + sums[2, position])
            square, square_low = _two_product(value, value)
            high, low = _two_product(count, square)
            total, error = _two_sum(sums[3, position], high)
            low += count * square_low
            sums[3, target], sums[4, target] = _two_sum(total, error + low + sums[4, position])
            position = target


@kernel
def _precise_inertia(sums: NDArray[np.float64], start: int, stop: int) -> float:
    """Inertia of the values ``start`` to ``stop - 1``, its sums in two parts each."""
    w = sums[0, stop] - sums[0, start]
    f, f_low = _two_sum(sums[1, stop], -sums[1, start])
    f_low += sums[2, stop] - sums[2, start]
    s, s_low = _two_sum(sums[3, stop], -sums[3, start])
    s_low += sums[4, stop] - sums[4, start]
    square, square_low = _two_product(f, f)
    square_low += 2.0 * f * f_low
    quotient = square / w
    back, back_low = _two_product(quotient, w)
    rest = ((square - back) - back_low + square_low) / w
    difference, error = _two_sum(s, -quotient)
    cost: float = max(0.0, difference + (error + s_low - rest))
    return cost


@kernel
def _optimal_starts(
    distinct: NDArray[np.float64], counts: NDArray[np.float64], k: int, precise: bool
) -> NDArray[np.int64]:
    """First index of each of ``k`` clusters in the sorted ``distinct`` values; leftmost on ties.

    Values are centered first, so that the running sums keep their digits. ``splits[c, e]`` is where
    cluster ``c`` starts if clusters ``0..c`` share the values ``0..e`` best; it never decreases
    with ``e``, so that each half of an interval searches only its own side of the middle's. With
    ``precise``, sums run outward from zero, so that none holds a value larger than its own, and
    carry twice the digits: no difference of two float32 is lost in them.
    """
    n = len(distinct)
    sums = np.zeros((5, n + 1))
    if precise:
        _fill_sums(distinct, counts, sums)
    else:
        center = (distinct * counts).sum() / counts.sum()
        for i in range(n):
            value = distinct[i] - center
            sums[0, i + 1] = sums[0, i] + counts[i]
            sums[1, i + 1] = sums[1, i] + counts[i] * value
            sums[3, i + 1] = sums[3, i] + counts[i] * value * value
    weight, first, second = sums[0], sums[1], sums[3]
    best = np.empty(n)
    for end in range(n):
        if precise:
            best[end] = _precise_inertia(sums, 0, end + 1)
        else:
            best[end] = second[end + 1] - first[end + 1] * first[end + 1] / weight[end + 1]
    splits = np.zeros((k, n), dtype=np.int32)
    stack = np.empty((128, 4), dtype=np.int64)
    for cluster in range(1, k):
        following = np.full(n, np.inf)
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = cluster, n - 1, cluster, n - 1
        depth = 1
        while depth > 0:
            depth -= 1
            low, high = stack[depth, 0], stack[depth, 1]
            least, most = stack[depth, 2], stack[depth, 3]
            if low > high:
                continue
            end = (low + high) // 2
            lowest, chosen = np.inf, least
            w_end, f_end, s_end = weight[end + 1], first[end + 1], second[end + 1]
            for start in range(least, min(most, end) + 1):
                if precise:
                    cost = best[start - 1] + _precise_inertia(sums, start, end + 1)
                else:
                    w = w_end - weight[start]
                    f = f_end - first[start]
                    cost = best[start - 1] + (s_end - second[start]) - f * f / w
                if cost < lowest:
                    lowest, chosen = cost, start
            following[end] = lowest
            splits[cluster, end] = chosen
            stack[depth, 0], stack[depth, 1] = low, end - 1
            stack[depth, 2], stack[depth, 3] = least, chosen
            depth += 1
            stack[depth, 0], stack[depth, 1] = end + 1, high
            stack[depth, 2], stack[depth, 3] = chosen, most
            depth += 1
        best = following
    starts = np.zeros(k, dtype=np.int64)
    end = n - 1
    for cluster in range(k - 1, 0, -1):
        starts[cluster] = splits[cluster, end]
        end = starts[cluster] - 1
    return starts
