"""Bilinear upsampling weights, ``align_corners=False``, in float32 as torch computes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AxisWeights:
    """Along one axis, every output cell is ``w0 * input[i0] + w1 * input[i1]``.

    Attributes
    ----------
    i0, i1
        ``(n_out,)`` int64.
    w0, w1
        ``(n_out,)`` float32, ``w0 + w1 = 1``.
    """

    i0: NDArray[np.int64]
    i1: NDArray[np.int64]
    w0: NDArray[np.float32]
    w1: NDArray[np.float32]


def axis_weights(n_in: int, n_out: int) -> AxisWeights:
    """Weights that take ``n_in`` cells to ``n_out``, half-pixel centres, clamped at the border."""
    scale = np.float32(n_in) / np.float32(n_out)
    # Rounded after each step, as in the published program's hits at 13x13; some builds of torch
    # fuse the steps, which moves values by their last bit where n_in / n_out is no binary fraction.
    centres = scale * (np.arange(n_out, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    centres = np.maximum(centres, np.float32(0))
    i0 = np.minimum(centres.astype(np.int64), n_in - 1)
    w1 = np.clip(centres - i0.astype(np.float32), np.float32(0), np.float32(1))
    return AxisWeights(i0, np.minimum(i0 + 1, n_in - 1), np.float32(1) - w1, w1)
