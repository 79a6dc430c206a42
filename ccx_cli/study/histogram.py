"""A unit's activations counted in bars of equal width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def count_in_bars(
    values: NDArray[np.float32], n_bars: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Count values in bars from the least to the greatest.

    In float64, in which even neighboring float32 leave room for bars between them. Where all are
    equal, the bars lie around them; where there are none, around 0.

    Parameters
    ----------
    values
        Any shape, finite.
    n_bars
        How many bars.

    Returns
    -------
    counts
        ``(n_bars,)`` int64.
    edges
        ``(n_bars + 1,)`` float64, ascending.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low == high:
        around = max(0.5, abs(low) / 2)
        low, high = low - around, high + around
    counts, edges = np.histogram(values.astype(np.float64), bins=n_bars, range=(low, high))
    return counts.astype(np.int64), edges
