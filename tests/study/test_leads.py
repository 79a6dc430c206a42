"""The leading explanation of a unit, and what is known of it from a line alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.run import Run
from ccx_cli.search.overlap import Overlap
from ccx_cli.study.leads import LeadMeasures, activation_coverage, lead_of, measure_leads
from ccx_cli.study.summary import ExplainedUnits, count_units

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation


def met(unit: int, cluster: int, overlap: Overlap) -> ExplanationRecord:
    """A line about hits and a formula that meet so."""
    return explanation(
        unit,
        cluster,
        hits=overlap.hits,
        iou=overlap.iou,
        baseline=overlap.baseline,
        lift=overlap.lift,
        mcc=overlap.mcc,
    )


def measured(*records: ExplanationRecord) -> LeadMeasures:
    run = Run(Path("run")).with_units({records[0].unit: list(records)})
    return measure_leads(run)[records[0].unit]


@st.composite
def overlaps(draw: st.DrawFn) -> Overlap:
    pixels = draw(st.integers(1, 2**31) | st.integers(1, 2**40))
    hits, total = draw(st.integers(0, pixels)), draw(st.integers(0, pixels))
    both = draw(st.integers(max(0, hits + total - pixels), min(hits, total)))
    return Overlap(hits, both, total, pixels)


@given(overlaps())
def test_the_coverage_is_that_of_the_counts(overlap: Overlap) -> None:
    expected = overlap.both / overlap.hits if overlap.hits else None
    assert activation_coverage(met(0, 0, overlap)) == expected


def test_the_leading_explanation_has_the_largest_mcc() -> None:
    low, high = Overlap(100, 50, 60, 1000), Overlap(10, 9, 12, 1000)
    found = measured(met(3, 0, low), met(3, 1, high))
    assert found.lead is not None
    assert found.lead.cluster == 1
    assert (found.mcc, found.iou, found.lift) == (high.mcc, high.iou, high.lift)
    assert found.activation_coverage == 9 / 10
    assert (found.explained, found.fires) == (1.0, True)


def test_a_formula_that_all_pixels_beat_explains_nothing() -> None:
    assert measured(met(0, 0, Overlap(500, 30, 50, 1000))).explained == 0.0
    assert measured(met(0, 0, Overlap(500, 500, 1000, 1000))).explained == 0.0
    assert measured(met(0, 0, Overlap(500, 500, 999, 1000))).explained == 1.0


def test_units_without_formula_are_not_explained() -> None:
    dead = measured(explanation(0, None))
    assert (dead.lead, dead.mcc, dead.activation_coverage) == (None, None, None)
    assert (dead.explained, dead.fires) == (0.0, False)
    nothing = {"formula": None, "labels": None, "length": 0, "iou": 0.0}
    silent = measured(explanation(0, 0, **nothing, mcc=None, lift=None, baseline=0.1))
    assert (silent.mcc, silent.explained, silent.fires) == (None, 0.0, True)


def test_what_an_older_version_did_not_write_is_not_known() -> None:
    older = measured(explanation(0, 0), explanation(0, 1))
    assert (older.mcc, older.activation_coverage, older.explained) == (None, None, None)
    no_baseline = measured(explanation(0, 0, mcc=0.5, lift=2.0))
    assert (no_baseline.mcc, no_baseline.activation_coverage) == (0.5, None)
    assert no_baseline.explained is None


MCCS = st.sampled_from([-0.25, 0.0, 0.5, 0.75, None, UNSET])


@given(st.lists(st.lists(MCCS, min_size=1, max_size=4), max_size=4))
def test_columns_have_the_same_leading_explanations_as_records(mccs: list[list[object]]) -> None:
    units = [
        [
            explanation(unit, cluster, **({} if mcc is UNSET else {"mcc": mcc}))
            for cluster, mcc in enumerate(own)
        ]
        for unit, own in enumerate(mccs)
    ]
    every = [record for own in units for record in own]
    rows = count_units(ExplainedUnits.of(every)).lead.tolist()
    assert [None if row < 0 else every[row] for row in rows] == [lead_of(own) for own in units]
