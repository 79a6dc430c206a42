"""One-dimensional k-means: the exact optimum, and scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel


def exact_kmeans(values: NDArray[np.float32], k: int) -> list[tuple[float, float]]:
    """Cluster ``values`` into ``k`` clusters of least inertia.

    Dynamic programming over the sorted distinct values (Wang and Song, "Ckmeans.1d.dp", The R
    Journal 3/2, 2011), divide and conquer over the split places: O(k n log n). The answer depends
    on no seed.

    Parameters
    ----------
    values
        ``(n_values,)``.
    k
        Clusters; fewer where there are fewer distinct values.

    Returns
    -------
    list of (smallest, largest)
        Each cluster's ends, from the lowest cluster up.
    """
    distinct, counts = np.unique(values, return_counts=True)
    k = min(k, len(distinct))
    starts = _optimal_starts(distinct.astype(np.float64), counts.astype(np.float64), k)
    ends = np.append(starts[1:], len(distinct)) - 1
    return [(float(distinct[s]), float(distinct[e])) for s, e in zip(starts, ends, strict=True)]


def sklearn_kmeans(values: NDArray[np.float32], k: int, n_init: int) -> list[tuple[float, float]]:
    """Cluster ``values`` as scikit-learn does, ``random_state=0``, in float64 and as ordered.

    Parameters and result are those of ``exact_kmeans``; ``n_init`` is the number of starts.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    column = values.astype(np.float64).reshape(-1, 1)
    k = min(k, len(np.unique(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(n_clusters=k, random_state=0, n_init=n_init).fit(column).labels_
    clusters = (values[labels == cluster] for cluster in range(k))
    return sorted((float(c.min()), float(c.max())) for c in clusters if c.size)


def inertia(values: NDArray[np.float32], clusters: list[tuple[float, float]]) -> float:
    """Sum of squared distances of the values to their cluster's mean."""
    total = 0.0
    for lower, upper in clusters:
        members = values[(values >= lower) & (values <= upper)].astype(np.float64)
        total += float(((members - members.mean()) ** 2).sum())
    return total


@kernel
def _optimal_starts(
    distinct: NDArray[np.float64], counts: NDArray[np.float64], k: int
) -> NDArray[np.int64]:
    """First place of each of ``k`` clusters in the sorted ``distinct`` values; leftmost on ties.

    Values are centred first, so that the running sums keep their digits. ``splits[c, e]`` is where
    cluster ``c`` starts if clusters ``0..c`` share the values ``0..e`` best; it never decreases
    with ``e``, which is what lets each half of a stretch search only its own side of the middle's.
    """
    n = len(distinct)
    centre = (distinct * counts).sum() / counts.sum()
    weight = np.zeros(n + 1)
    first = np.zeros(n + 1)
    second = np.zeros(n + 1)
    for i in range(n):
        value = distinct[i] - centre
        weight[i + 1] = weight[i] + counts[i]
        first[i + 1] = first[i] + counts[i] * value
        second[i + 1] = second[i] + counts[i] * value * value
    best = np.empty(n)
    for end in range(n):
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
