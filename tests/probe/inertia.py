"""What k-means minimizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def inertia(values: NDArray[np.float32], clusters: list[tuple[float, float]]) -> float:
    """Sum of squared distances of the values to their cluster's mean."""
    total = 0.0
    for lower, upper in clusters:
        members = values[(values >= lower) & (values <= upper)].astype(np.float64)
        total += float(((members - members.mean()) ** 2).sum())
    return total
