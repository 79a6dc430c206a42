"""Bilinear upsampling as the published program's: half-pixel centers, clamped at the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class AxisWeights:
    """Along one axis, every output cell is ``w0 * input[i0] + w1 * input[i1]``.

    The indices are ``(n_out,)`` int64, the weights ``(n_out,)`` float32 with ``w0 + w1 = 1``.
    """

    i0: NDArray[np.int64]
    i1: NDArray[np.int64]
    w0: NDArray[np.float32]
    w1: NDArray[np.float32]


def axis_weights(n_in: int, n_out: int) -> AxisWeights:
    """Weights that take ``n_in`` cells to ``n_out``, half-pixel centers, clamped at the border."""
    scale = np.float32(n_in) / np.float32(n_out)
    # Rounded after each step, as in the published program's hits at 13x13; some builds of torch
    # fuse the steps, which moves values by their last bit where n_in / n_out is no binary fraction.
    centers = scale * (np.arange(n_out, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    centers = np.maximum(centers, np.float32(0))
    i0 = np.minimum(centers.astype(np.int64), n_in - 1)
    w1 = np.clip(centers - i0.astype(np.float32), np.float32(0), np.float32(1))
    return AxisWeights(i0, np.minimum(i0 + 1, n_in - 1), np.float32(1) - w1, w1)


def upsample(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Upsample float32 maps ``(..., height, width)`` as the hits kernel does, rows first."""
    rows = axis_weights(maps.shape[-2], shape[0])
    columns = axis_weights(maps.shape[-1], shape[1])
    wide = _along(maps, columns)
    return _along(wide.swapaxes(-1, -2), rows).swapaxes(-1, -2)


def _along(values: NDArray[np.float32], axis: AxisWeights) -> NDArray[np.float32]:
    """Upsample the last axis, fused, but for the last bit of about one value in 2**29."""
    second = values[..., axis.i1] * axis.w1
    fused = values[..., axis.i0].astype(np.float64) * axis.w0.astype(np.float64) + second
    return fused.astype(np.float32)
