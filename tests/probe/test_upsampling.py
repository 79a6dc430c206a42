from __future__ import annotations

import numpy as np
import pytest

from ccx_cli.probe.upsampling import axis_weights

SIZES = [(1, 1), (1, 5), (2, 5), (7, 112), (7, 113), (13, 112), (13, 113), (112, 112), (20, 9)]


@pytest.mark.parametrize(("n_in", "n_out"), SIZES)
def test_weights_are_those_of_half_pixel_centres(n_in: int, n_out: int) -> None:
    weights = axis_weights(n_in, n_out)
    ramp = np.arange(n_in, dtype=np.float64)
    found = weights.w0 * ramp[weights.i0] + weights.w1 * ramp[weights.i1]
    centres = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    np.testing.assert_allclose(found, np.clip(centres, 0, n_in - 1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weights.w0 + weights.w1, 1)
    assert (weights.i1 - weights.i0 <= 1).all()
    assert weights.w0.dtype == weights.w1.dtype == np.float32


def test_equal_sizes_leave_the_map_as_it_is() -> None:
    weights = axis_weights(9, 9)
    assert weights.i0.tolist() == list(range(9))
    assert weights.w0.tolist() == [1] * 9
