"""The same pass in torch, for CUDA."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.upsampling import axis_weights

_PIXELS_AT_ONCE = 1 << 25


def count_local(
    maps: NDArray[np.float32],
    edges: NDArray[np.float32],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    index: ConceptIndex,
    device: str,
) -> NDArray[np.int32]:
    """Count pixels in range by row of the images' tables, ``(n_ranges, n_local)`` int32."""
    height, width = index.mask_shape
    n_intervals = len(edges) + 1
    rows, columns = axis_weights(maps.shape[1], height), axis_weights(maps.shape[2], width)
    y0, y1, x0, x1 = (
        torch.from_numpy(indices).to(device)
        for indices in (rows.i0, rows.i1, columns.i0, columns.i1)
    )
    v0, v1 = (torch.from_numpy(w).to(device)[:, None] for w in (rows.w0, rows.w1))
    u0, u1 = (torch.from_numpy(w).to(device) for w in (columns.w0, columns.w1))
    sorted_edges = torch.from_numpy(edges).to(device)
    result = np.zeros((len(first), len(index.local_sets)), dtype=np.int32)
    block = max(1, _PIXELS_AT_ONCE // (height * width))
    for start in range(0, len(maps), block):
        stop = min(start + block, len(maps))
        low = torch.from_numpy(np.ascontiguousarray(maps[start:stop])).to(device)
        widened = _blend(low[:, :, x0], u0, low[:, :, x1], u1)
        values = _blend(widened[:, y0], v0, widened[:, y1], v1)
        codes = torch.bucketize(values, sorted_edges, right=False).reshape(stop - start, -1)
        table = torch.from_numpy(index.offsets[start:stop] - index.offsets[start]).to(device)
        local = torch.from_numpy(index.maps[start:stop].astype(np.int32)).to(device)
        cells = (local.long() + table[:, None]) * n_intervals + codes
        n_rows = int(index.offsets[stop] - index.offsets[start])
        counts = torch.bincount(cells.reshape(-1), minlength=n_rows * n_intervals)
        running = counts.reshape(n_rows, n_intervals).cumsum(1).cpu().numpy()
        below = np.concatenate([np.zeros((n_rows, 1), dtype=np.int64), running], axis=1)
        rows_here = slice(int(index.offsets[start]), int(index.offsets[stop]))
        for r in range(len(first)):
            if first[r] <= last[r]:
                result[r, rows_here] = below[:, last[r] + 1] - below[:, first[r]]
    return result


def _blend(a: torch.Tensor, w0: torch.Tensor, b: torch.Tensor, w1: torch.Tensor) -> torch.Tensor:
    """``a * w0 + b * w1`` as a fused multiply-add, but for the last bit of one value in 2**29."""
    return (a.double() * w0.double() + (b * w1).double()).float()
