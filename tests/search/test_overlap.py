"""Lift and MCC from four whole numbers, against NumPy on the masks themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.search.overlap import Overlap

MASKS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*(st.lists(st.booleans(), min_size=n, max_size=n) for _ in range(2)))
)


def overlap_of(in_range: np.ndarray, formula: np.ndarray) -> Overlap:
    both = int((in_range & formula).sum())
    return Overlap(int(in_range.sum()), both, int(formula.sum()), len(in_range))


@given(MASKS)
def test_measures_are_those_of_the_masks(masks: tuple[list[bool], list[bool]]) -> None:
    in_range, formula = (np.array(mask) for mask in masks)
    found = overlap_of(in_range, formula)
    union = (in_range | formula).sum()
    assert found.iou == ((in_range & formula).sum() / union if union else 0)
    assert found.baseline == in_range.mean()
    if len(set(masks[0])) == len(set(masks[1])) == 2:
        # corrcoef subtracts means, so it loses digits where Overlap divides whole numbers.
        assert found.mcc == pytest.approx(np.corrcoef(in_range, formula)[0, 1], rel=0, abs=1e-12)
    else:
        assert found.mcc == 0
    if in_range.any() and formula.any():
        q, v = formula.mean(), in_range.mean()
        assert found.lift == pytest.approx(found.iou / (q * v / (q + v - q * v)), rel=1e-12)
        assert found.lift is not None
        if found.mcc:
            assert (found.lift > 1) == (found.mcc > 0)
    else:
        assert found.lift is None


@given(st.data())
def test_an_iou_gives_its_overlap_back(data: st.DataObject) -> None:
    """Also of large numbers, where neighboring IoUs are closest."""
    pixels = data.draw(st.integers(1, 2**31) | st.integers(1, 2**40))
    hits, total = (data.draw(st.integers(0, pixels)) for _ in range(2))
    both = data.draw(st.integers(max(0, hits + total - pixels), min(hits, total)))
    found = Overlap(hits, both, total, pixels)
    assert Overlap.of_iou(found.iou, hits, total, pixels) == found
    assert found.mcc is not None
    assert -1 <= found.mcc <= 1


def test_the_ends_of_mcc_are_reached() -> None:
    assert Overlap(3, 3, 3, 10).mcc == 1
    assert Overlap(3, 0, 7, 10).mcc == -1
    assert Overlap(5, 5, 10, 10).mcc == 0
    assert Overlap(0, 0, 0, 0).mcc is None


def test_an_iou_of_no_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="have the IoU"):
        Overlap.of_iou(0.3, 10, 10, 100)
    with pytest.raises(ValueError, match="have the IoU"):
        Overlap.of_iou(0.0, 60, 60, 100)
