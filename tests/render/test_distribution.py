from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.distribution import histogram_of, plot_distribution

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation


def _record(
    cluster: int, lower: float | None, upper: float | None, formula: str = "sky AND NOT $x$"
) -> ExplanationRecord:
    return explanation(cluster=cluster, range=[lower, upper], formula=formula, iou=0.5)


def test_every_activation_is_counted_once_under_most_ones_range() -> None:
    maps = np.array([[[0.0] * 5 + [0.001, 1.0, 2.0, 3.0, 4.0]]], np.float32)
    bars = histogram_of(maps, [_record(0, 1e-4, 2.5), _record(1, 2.5, None)])
    assert bars.counts.sum() == 10
    middles = (bars.edges[:-1] + bars.edges[1:]) / 2
    filled = {
        round(float(middle)): int(owner)
        for middle, owner, count in zip(middles, bars.owners, bars.counts, strict=True)
        if count
    }
    # Most of the first bar is zeros, which are in no range.
    assert filled == {0: -1, 1: 0, 2: 0, 3: 1, 4: 1}
    assert bars.counts[0] == 6


@pytest.mark.parametrize("value", [0.0, 3.5, -2.0])
def test_a_unit_of_one_value_has_one_bar(value: float) -> None:
    bars = histogram_of(np.full((2, 3, 3), value, np.float32), [])
    assert bars.counts.max() == bars.counts.sum() == 18
    assert set(bars.owners.tolist()) == {-1}


def test_what_is_not_finite_is_left_out() -> None:
    maps = np.array([[[0.0, np.nan, np.inf, 1.0]]], np.float32)
    assert histogram_of(maps, []).counts.sum() == 2
    assert histogram_of(maps[..., 1:3], []).counts.sum() == 0


def test_the_plot_tells_every_range_and_grows_with_long_formulas() -> None:
    maps = np.random.default_rng(0).random((3, 4, 4), dtype=np.float32)
    records = [_record(0, None, 0.5), _record(1, 0.5, None)]
    short = plot_distribution("Unit 3", maps, records)
    texts = [text.get_text() for text in short.axes[0].texts]
    assert "range 0 · activation −∞ …0… 0.5 · IoU 0.5000 · not proven" in texts
    assert "range 1 · activation 0.5 … ∞ · IoU 0.5000 · not proven" in texts
    long = _record(0, None, 0.5, f'"{"tall sky " * 50}" AND NOT sea')
    assert (
        plot_distribution("Unit 3", maps, [long, records[1]]).get_figheight()
        > short.get_figheight()
    )
    dead = plot_distribution("Unit 3", maps * 0, [])
    assert any("never fires" in text.get_text() for text in dead.axes[0].texts)
