from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.study.histogram import count_in_bars


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6),
    st.sampled_from([1, 72, 2400]),
)
def test_every_value_is_in_one_bar(numbers: list[float], n_bars: int) -> None:
    values = np.array(numbers, dtype=np.float32)
    counts, edges = count_in_bars(values, n_bars)
    assert counts.sum() == len(values)
    assert (np.diff(edges) > 0).all()
    assert all(edges[0] <= value <= edges[-1] for value in values)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e38, 1e-45])
def test_neighbours_and_equals_are_counted(value: float) -> None:
    one = np.float32(value)
    for values in ([one, one], [one, np.nextafter(one, np.float32(0.5))]):
        counts, edges = count_in_bars(np.array(values, dtype=np.float32), 2400)
        assert counts.sum() == 2
        assert (np.diff(edges) > 0).all()
