"""Dense maps as sparse ones, for tests that the two give the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.sparse_maps import SparseMaps


def sparse_of(maps: NDArray[np.float32]) -> SparseMaps:
    """Keep what is not zero of one unit's maps, ``(n_images, height, width)``."""
    positions = np.flatnonzero(maps)
    n_images, height, width = maps.shape
    return SparseMaps((n_images, height, width), positions, maps.reshape(-1)[positions])
