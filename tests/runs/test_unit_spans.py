from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.runs.unit_spans import read_spans, write_spans


@given(st.sets(st.integers(0, 99)))
def test_what_is_written_is_read(units: set[int]) -> None:
    assert read_spans(write_spans(units), 100) == sorted(units)


def test_neighbours_are_a_span() -> None:
    assert write_spans([7, 0, 2, 1]) == "0-2,7"
    assert write_spans([]) == ""


@pytest.mark.parametrize("text", ["x", "1,,2", "3-1", "0-10", "-1", "1 2"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\bunits\b"):
        read_spans(text, 10)
