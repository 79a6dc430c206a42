"""Ranges of a unit's activation: the top quantile, or the clusters of one-dimensional k-means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.probe.kmeans import exact_kmeans, sklearn_kmeans
from ccx_cli.probe.sparse_maps import Maps, SparseMaps

KmeansMethod = Literal["exact", "sklearn"]


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """An open interval of activations: a pixel is in range where ``lower < a < upper``."""

    lower: float
    upper: float

    @property
    def holds_zero(self) -> bool:
        """Whether an activation of zero is inside."""
        return self.lower < 0 < self.upper

    def count(self, maps: Maps) -> int:
        """Count the activations strictly inside, compared as float64."""
        return self._inside(maps)[1]

    def mean(self, maps: Maps) -> float | None:
        """Mean of the activations strictly inside; ``None`` without any."""
        values, count = self._inside(maps)
        return float(values.sum(dtype=np.float64)) / count if count else None

    def _inside(self, maps: Maps) -> tuple[NDArray[np.float32], int]:
        """Return the activations inside, of sparse maps but zeros, and their number with zeros."""
        values = maps.values if isinstance(maps, SparseMaps) else maps
        zeros = maps.n_zeros * self.holds_zero if isinstance(maps, SparseMaps) else 0
        inside = values[(values > np.float64(self.lower)) & (values < np.float64(self.upper))]
        return inside, inside.size + zeros

    def to_json(self) -> list[float | None]:
        """Return ``[lower, upper]``, ``None`` for an infinite end and 0 for a negative zero."""
        return [end + 0.0 if math.isfinite(end) else None for end in (self.lower, self.upper)]

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

    ``num_clusters`` is 1 for the range above the threshold that a share ``quantile`` of the
    activations exceeds, more for that many clusters: of ``kmeans`` ``exact``, the optimum, or
    ``sklearn``, what the published program used, with ``n_init`` starts.
    """

    num_clusters: int = 5
    quantile: float = 0.005
    kmeans: KmeansMethod = "exact"
    n_init: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise UsageError(f"`quantile` {self.quantile:g} must be between 0 and 1.")
        for name, most in (("num_clusters", MOST_CLUSTERS), ("n_init", MOST_STARTS)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                limit = "1 or more" if value < 1 else f"{most:,} or less"
                raise UsageError(f"`{name}` {value} must be {limit}.")

    def identity(self) -> dict[str, str | int | float]:
        """Name what the ranges depend on, and nothing else."""
        if self.num_clusters == 1:
            return {"num_clusters": 1, "quantile": self.quantile}
        if self.kmeans == "exact":
            return {"num_clusters": self.num_clusters, "kmeans": "exact"}
        return {"num_clusters": self.num_clusters, "kmeans": "sklearn", "n_init": self.n_init}

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any]) -> RangeMethod:
        """Make the method that ``identity`` names; UsageError if it names none of this version."""
        try:
            return cls(**identity)
        except TypeError as error:
            raise UsageError(
                f"How this run found its ranges is not clear from its header ({error}): run "
                "`ccx explain` again with this version."
            ) from error


def find_ranges(maps: Maps, method: RangeMethod) -> tuple[Range, ...]:
    """Find a unit's ranges, from the lowest up.

    ``maps`` are the unit's activations, ``(n_images, height, width)`` float32. There are
    ``num_clusters`` ranges, or as many as there are distinct values to cluster; none for a
    unit whose activations are all zero.
    """
    if method.num_clusters == 1:
        if not maps.any():
            return ()
        return (Range(top_threshold(maps, method.quantile), math.inf),)
    if method.kmeans == "sklearn":
        found = sklearn_kmeans(active_values(maps), method.num_clusters, method.n_init)
    elif isinstance(maps, SparseMaps):
        zeros = maps.n_zeros if maps.has_negatives else 0
        found = exact_kmeans(maps.values, method.num_clusters, zeros)
    else:
        found = exact_kmeans(active_values(maps), method.num_clusters)
    return tuple(Range(*ends) for ends in found)


def top_threshold(maps: Maps, quantile: float) -> float:
    """Threshold that leaves about ``quantile`` of the activations above it.

    The published programs estimate it with a quantile sketch of 1,000 steps; this is the exact
    value of the same step: ``numpy.quantile`` at ``int(1000 * (1 - quantile) - 1) / 999``.
    """
    step = max(int(1000 * (1 - quantile) - 1), 0) / 999
    if not isinstance(maps, SparseMaps):
        return float(np.quantile(maps.astype(np.float64), step))
    # The quantile lies between two of the sorted activations, as far as NumPy goes between these.
    place = (maps.size - 1) * step
    ordered = np.sort(maps.values)
    below = int(np.searchsorted(ordered, 0))

    def at(position: int) -> float:
        position = min(position, maps.size - 1)
        if position < below:
            return float(ordered[position])
        return 0.0 if position < below + maps.n_zeros else float(ordered[position - maps.n_zeros])

    between = [at(math.floor(place)), at(math.floor(place) + 1)]
    return float(np.quantile(between, place - math.floor(place)))


def active_values(maps: Maps) -> NDArray[np.float32]:
    """Values to cluster, in (image, row, column) order: without zeros where none is negative.

    Where one is negative, sparse maps are made dense: their zeros count, in their places.
    """
    if isinstance(maps, SparseMaps):
        return maps.dense().reshape(-1) if maps.has_negatives else maps.values
    values = maps.reshape(-1)
    return values if values.size and values.min() < 0 else values[values > 0]
