"""Ranges of a unit's activation: the top quantile, or the clusters of one-dimensional k-means."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.errors import UsageError

KmeansMethod = Literal["exact", "sklearn"]


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """An open interval of activations: a pixel is in range where ``lower < a < upper``."""

    lower: float
    upper: float

    def count(self, values: NDArray[np.float32]) -> int:
        """Count the values strictly inside, compared as float64."""
        inside = (values > np.float64(self.lower)) & (values < np.float64(self.upper))
        return int(inside.sum())

    def to_json(self) -> list[float | None]:
        """Return ``[lower, upper]``, ``None`` for an infinite end."""
        return [end if math.isfinite(end) else None for end in (self.lower, self.upper)]

    @classmethod
    def from_json(cls, ends: list[float | None]) -> Range:
        """Make the range that ``to_json`` wrote."""
        lower, upper = ends
        return cls(
            -math.inf if lower is None else float(lower),
            math.inf if upper is None else float(upper),
        )


MOST_CLUSTERS = 1000
MOST_STARTS = 1000


@dataclass(frozen=True, slots=True)
class RangeMethod:
    """How a unit's ranges are found.

    Attributes
    ----------
    num_clusters
        1 for the top quantile, more for that many clusters.
    quantile
        Share of the activations above the threshold (``num_clusters = 1``).
    kmeans
        ``exact`` for the optimum, ``sklearn`` for what the published program used.
    n_init
        scikit-learn's starts.
    """

    num_clusters: int = 5
    quantile: float = 0.005
    kmeans: KmeansMethod = "exact"
    n_init: int = 10

    def __post_init__(self) -> None:
        if self.num_clusters < 1:
            raise UsageError(f"`num_clusters` {self.num_clusters} must be 1 or more.")
        if self.num_clusters > MOST_CLUSTERS:
            raise UsageError(
                f"`num_clusters` {self.num_clusters} must be {MOST_CLUSTERS:,} or less."
            )
        if not 0 < self.quantile < 1:
            raise UsageError(f"`quantile` {self.quantile:g} must be between 0 and 1.")
        if self.n_init < 1:
            raise UsageError(f"`n_init` {self.n_init} must be 1 or more.")
        if self.n_init > MOST_STARTS:
            raise UsageError(f"`n_init` {self.n_init} must be {MOST_STARTS:,} or less.")

    def identity(self) -> dict[str, str | int | float]:
        """Name what the ranges depend on, and nothing else."""
        if self.num_clusters == 1:
            return {"num_clusters": 1, "quantile": self.quantile}
        if self.kmeans == "exact":
            return {"num_clusters": self.num_clusters, "kmeans": "exact"}
        return {"num_clusters": self.num_clusters, "kmeans": "sklearn", "n_init": self.n_init}

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> RangeMethod:
        """Make the method that ``identity`` names.

        Raises
        ------
        UsageError
            If it names none of this version.
        """
        try:
            return cls(**identity)
        except TypeError as error:
            raise UsageError(
                f"How this run found its ranges is not clear from its header ({error}): run "
                "`ccx explain` again with this version."
            ) from error


def find_ranges(maps: NDArray[np.float32], method: RangeMethod) -> tuple[Range, ...]:
    """Find a unit's ranges, from the lowest up.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, the unit's activations.
    method
        How.

    Returns
    -------
    tuple of Range
        ``num_clusters`` ranges, or as many as there are distinct values to cluster; none for a
        unit whose activations are all zero.
    """
    if method.num_clusters == 1:
        if not maps.any():
            return ()
        return (Range(top_threshold(maps, method.quantile), math.inf),)
    values = active_values(maps)
    if not values.size:
        return ()
    if method.kmeans == "exact":
        return tuple(Range(*ends) for ends in exact_kmeans(values, method.num_clusters))
    return tuple(
        Range(*ends) for ends in sklearn_kmeans(values, method.num_clusters, method.n_init)
    )


def top_threshold(values: NDArray[np.float32], quantile: float) -> float:
    """Threshold that leaves about ``quantile`` of the values above it.

    The published programs estimate it with a quantile sketch of 1,000 steps; this is the exact
    value of the same step: ``numpy.quantile`` at ``int(1000 * (1 - quantile) - 1) / 999``.
    """
    step = max(int(1000 * (1 - quantile) - 1), 0)
    return float(np.quantile(values.astype(np.float64), step / 999))


def active_values(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values to cluster, in (image, row, column) order: without zeros where none is negative."""
    values = maps.reshape(-1)
    return values if values.size and values.min() < 0 else values[values > 0]


def exact_kmeans(values: NDArray[np.float32], k: int) -> list[tuple[float, float]]:
    """Cluster ``values`` into ``k`` clusters of least inertia.

    Dynamic programming over the sorted distinct values (Wang and Song, "Ckmeans.1d.dp", The R
    Journal 3/2, 2011), divide and conquer over the split positions: O(k n log n). The result
    depends on no seed.

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


@kernel
def _optimal_starts(
    distinct: NDArray[np.float64], counts: NDArray[np.float64], k: int
) -> NDArray[np.int64]:
    """First index of each of ``k`` clusters in the sorted ``distinct`` values; leftmost on ties.

    Values are centered first, so that the running sums keep their digits. ``splits[c, e]`` is where
    cluster ``c`` starts if clusters ``0..c`` share the values ``0..e`` best; it never decreases
    with ``e``, so that each half of an interval searches only its own side of the middle's.
    """
    n = len(distinct)
    center = (distinct * counts).sum() / counts.sum()
    weight = np.zeros(n + 1)
    first = np.zeros(n + 1)
    second = np.zeros(n + 1)
    for i in range(n):
        value = distinct[i] - center
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
