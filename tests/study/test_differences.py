"""Measures of two runs, paired by unit or as two samples."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from ccx_cli.records.comparison import RunDifferenceRecord
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.header import About
from ccx_cli.runs.run import Run
from ccx_cli.search.overlap import Overlap
from ccx_cli.study.differences import conclusion, difference_of_runs

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

DEAD = explanation(0, None)


class Stored(Run):
    """A run of some units of a layer."""

    def __init__(self, layer: str, units: int) -> None:
        super().__init__(Path("run"))
        self.of = About(layer=layer, units=units)

    @property
    def about(self) -> About:
        return self.of


def unit_of(number: int, both: int) -> ExplanationRecord:
    overlap = Overlap(100, both, 150, 10_000)
    return explanation(
        number,
        0,
        hits=overlap.hits,
        iou=overlap.iou,
        baseline=overlap.baseline,
        lift=overlap.lift,
        mcc=overlap.mcc,
    )


def stored(both_of_unit: Mapping[int, int | None], layer: str = "layer4", units: int = 64) -> Run:
    """A run of units whose formula covers so many of 100 hits; ``None``: they never fire."""
    return Stored(layer, units).with_units(
        {
            unit: [replace(DEAD, unit=unit) if both is None else unit_of(unit, both)]
            for unit, both in both_of_unit.items()
        }
    )


def compared(a: Run, b: Run) -> list[RunDifferenceRecord]:
    return list(difference_of_runs(a, b))


def by_measure(a: Run, b: Run) -> dict[str, RunDifferenceRecord]:
    return {each.measure: each for each in compared(a, b)}


A = {0: 50, 1: 40, 2: 30, 3: 20, 4: 10, 5: None, 6: 70}
B = {0: 60, 1: 45, 2: 40, 3: 35, 4: 5, 5: 50, 7: 20}


def test_units_of_the_same_layer_are_paired() -> None:
    found = by_measure(stored(A), stored(B))
    coverage, explained = found["activation_coverage"], found["explained"]
    assert {each.paired for each in found.values()} == {True}
    assert (coverage.units_a, coverage.units_b) == (5, 5)
    assert coverage.mean_a == pytest.approx(0.3)
    assert coverage.mean_b == pytest.approx(0.37)
    assert coverage.difference == pytest.approx(0.07)
    assert coverage.difference_interval is not None
    low, high = coverage.difference_interval
    assert -0.05 <= low < 0.07 < high <= 0.15
    sums = [abs(np.dot(signs, [10, 5, 10, 15, -5])) for signs in product([1, -1], repeat=5)]
    assert coverage.p_value == np.mean(np.array(sums) >= 35)
    # One that never fires has no MCC, but is a unit that is not explained.
    assert (explained.units_a, explained.mean_a, explained.mean_b) == (6, 5 / 6, 1.0)
    mcc = [Overlap(100, both, 150, 10_000).mcc or 0 for both in (60, 45, 40, 35, 5)]
    assert found["mcc"].mean_b == pytest.approx(np.mean(mcc))


@pytest.mark.parametrize(
    "other", [{"layer": "layer3"}, {"units": 65}], ids=["another layer", "another size"]
)
def test_units_of_other_layers_are_two_samples(other: dict[str, str]) -> None:
    found = by_measure(stored(A), stored(B, **other))  # type: ignore[arg-type]
    coverage = found["activation_coverage"]
    assert {each.paired for each in found.values()} == {False}
    assert (coverage.units_a, coverage.units_b) == (6, 7)
    assert coverage.mean_a == pytest.approx(220 / 600)
    assert coverage.mean_b == pytest.approx(255 / 700)
    assert coverage.p_value is not None
    assert coverage.p_value > 0.5
    assert found["explained"].units_a == 7


def test_runs_without_a_shared_unit_are_two_samples() -> None:
    found = by_measure(stored({0: 50, 1: 60}), stored({2: 50, 3: 60}))
    assert not found["mcc"].paired
    assert found["mcc"].difference == 0


def test_a_run_and_itself() -> None:
    found = compared(stored(A), stored(A))
    assert {(each.difference, each.p_value) for each in found} == {(0.0, 1.0)}
    assert conclusion(found) == "A and B have the same MCC (6 paired units)."


def test_one_unit_has_no_interval() -> None:
    found = compared(stored({1: 50}), stored({1: 60}))
    assert {each.difference_interval for each in found} == {None}
    assert {each.p_value for each in found} == {1.0}
    assert conclusion(found).endswith("(too few units for an interval, p = 1, 1 paired unit).")


def test_dead_units_alone() -> None:
    found = compared(stored({1: None, 2: None}), stored(B))
    assert found[0].mean_a is None
    assert found[0].p_value is None
    assert conclusion(found) == (
        "Whether MCC differs is not known: there is none in one of the runs."
    )
    of_all = {each.measure: each for each in found}["explained"]
    assert (of_all.mean_a, of_all.mean_b, of_all.difference) == (0.0, 1.0, 1.0)


def test_the_conclusion_says_which_is_higher() -> None:
    better = {unit: 50 + unit for unit in range(40)}
    worse = {unit: 20 + unit for unit in range(40)}
    found = compared(stored(worse), stored(better))
    assert conclusion(found).startswith("B's MCC is higher by 0.24")
    assert conclusion(found).endswith(", p = 0.0001, 40 paired units).")
    found = compared(stored(better), stored(worse, layer="layer3"))
    assert conclusion(found).startswith("B's MCC is lower by 0.24")
    assert "(95% interval 0.2" in conclusion(found)
    assert conclusion(found).endswith(", p = 0.0001, 40 units of A and 40 of B).")
