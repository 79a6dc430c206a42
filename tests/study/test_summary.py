from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Formula, from_json, positive_concepts, to_json, to_text
from ccx_cli.probe.hits import count_hits
from ccx_cli.records.columns import Columns
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.studies import UnitSummaryRecord
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.study import summary
from ccx_cli.study.categories import count_categories, dominant_category
from ccx_cli.study.summary import (
    ExplainedUnits,
    count_units,
    mean_distance,
    summarise_categories,
    summarise_concepts,
    summarise_units,
)

if TYPE_CHECKING:
    from tests.explanations import explanation
    from tests.golden_data import GoldenNetwork
else:
    from explanations import explanation

    GoldenNetwork = Any

RED, BLUE, DOG, CAT, LEG = range(1, 6)
CATEGORIES = {RED: "color", BLUE: "color", DOG: "object", CAT: "object", LEG: "part"}
TOTALS = np.array([4, 2, 1, 8], dtype=np.int64)


def record(
    unit: int,
    cluster: int | None,
    labels: Any,
    iou: float = 0.0,
    lift: float | None = None,
    mcc: float | None = None,
) -> ExplanationRecord:
    text = None if labels is None else to_text(from_json(labels), lambda number: f"c{number}")
    return explanation(
        unit, cluster, formula=text, labels=labels, iou=iou, baseline=7 / 15, lift=lift, mcc=mcc
    )


UNITS = {
    0: [
        record(0, 0, ["OR", RED, BLUE], 0.02),
        record(0, 1, ["AND", DOG, ["NOT", RED]], 0.5, 1.5, 0.2),
        record(0, 2, ["OR", ["AND", DOG, LEG], CAT], 0.25, 2.5, 0.3),
    ],
    1: [record(1, 0, ["AND", ["NOT", RED], DOG], 0.04), record(1, 1, None)],
    2: [record(2, None, None)],
    3: [record(3, 0, ["AND", DOG, ["NOT", RED]], 0.3), record(3, 1, LEG, 0.1)],
    4: [record(4, 0, ["AND", RED, CAT], 0.041)],
}


def sets(*places: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(4), places)


def columns_of(units: Mapping[int, Sequence[ExplanationRecord]]) -> ExplainedUnits:
    return ExplainedUnits.of(chain.from_iterable(units.values()))


@pytest.fixture
def summarised(monkeypatch: pytest.MonkeyPatch) -> Callable[..., UnitSummaryRecord]:
    """Sum up one unit, of whose formulas the label sets are given."""

    def summarise(unit: int, pixels: Mapping[Formula, NDArray[np.bool_]]) -> UnitSummaryRecord:
        monkeypatch.setattr(summary, "carriers", lambda _: None)
        monkeypatch.setattr(summary, "evaluate", lambda formula, _: pixels[formula])
        index: Any = SimpleNamespace(sets=SimpleNamespace(totals=TOTALS))
        (found,) = summarise_units({unit: UNITS[unit]}, index, CATEGORIES)
        return found

    return summarise


def test_mean_jaccard_distance() -> None:
    assert mean_distance([sets(0, 1), sets(1, 2)], TOTALS) == 1 - 2 / 7
    assert mean_distance([sets(0), sets(3)], TOTALS) == 1
    assert mean_distance([sets(0, 3), sets(0, 3)], TOTALS) == 0
    three = [sets(0, 1), sets(1, 2), sets(0, 1, 2)]
    assert mean_distance(three, TOTALS) == pytest.approx((5 / 7 + 1 / 7 + 4 / 7) / 3)
    assert mean_distance(three, TOTALS << 40) == mean_distance(three, TOTALS)
    assert mean_distance([sets(0)], TOTALS) is None
    assert mean_distance([], TOTALS) is None
    assert mean_distance([sets(), sets()], TOTALS) == 0


def test_a_unit(summarised: Callable[..., UnitSummaryRecord]) -> None:
    formulas = [from_json(each.labels) for each in UNITS[0]]
    pixels = dict(zip(formulas, (sets(0, 1), sets(1, 2), sets(0, 1, 2)), strict=True))
    found = summarised(0, pixels)
    assert (found.ranges, found.explained) == (3, 3)
    # Only one formula has an IoU above the share of hits.
    assert (found.baseline, found.unbeaten) == (7 / 15, 2)
    assert (found.lead_cluster, found.lead_mcc, found.lead_lift) == (2, 0.3, 2.5)
    assert (found.lead_formula, found.lead_iou) == (UNITS[0][2].formula, 0.25)
    assert found.category == "object"  # dog, dog, cat against red, blue and leg
    assert found.concepts == [f"c{number}" for number in (RED, BLUE, DOG, LEG, CAT)]
    assert found.polysemy == pytest.approx((5 / 7 + 1 / 7 + 4 / 7) / 3)
    best = UNITS[0][1]
    assert (found.cluster, found.formula, found.iou) == (best.cluster, best.formula, best.iou)


def test_dead_units_and_empty_ranges(summarised: Callable[..., UnitSummaryRecord]) -> None:
    dead = summarised(2, {})
    assert (dead.ranges, dead.explained, dead.concepts) == (0, 0, [])
    assert (dead.category, dead.polysemy, dead.formula, dead.iou) == (None,) * 4
    dog = from_json(UNITS[1][0].labels)
    half = summarised(1, {dog: sets(0)})
    assert (half.ranges, half.explained, half.polysemy) == (2, 1, None)


def test_concepts() -> None:
    told = [
        (each.label, each.concept, each.category, each.units, each.ranges, each.negated, each.iou)
        for each in summarise_concepts(columns_of(UNITS), CATEGORIES)
    ]
    assert told == [
        (DOG, f"c{DOG}", "object", 3, 4, 0, 0.5),
        (RED, f"c{RED}", "color", 2, 2, 3, 0.041),
        (CAT, f"c{CAT}", "object", 2, 2, 0, 0.25),
        (LEG, f"c{LEG}", "part", 2, 2, 0, 0.25),
        (BLUE, f"c{BLUE}", "color", 1, 1, 0, 0.02),
    ]
    only_excluded = {0: [record(0, 0, ["AND", DOG, ["NOT", RED]], 0.5)]}
    assert summarise_concepts(columns_of(only_excluded), CATEGORIES)[1].iou is None


def test_the_histogram_counts_each_unit_once_by_its_best_formula() -> None:
    def told(threshold: float) -> list[tuple[str, float, int, float | None, int]]:
        found = summarise_categories(
            columns_of(UNITS), ("color", "object", "part"), CATEGORIES, threshold
        )
        return [
            (each.category, each.threshold, each.units, each.share, each.formulas) for each in found
        ]

    # Units 0 and 3 have the same formula; unit 1 is at the threshold, not above; red stands first.
    assert told(0.04) == [
        ("color", 0.04, 1, 1 / 5, 1),
        ("object", 0.04, 2, 2 / 5, 1),
        ("part", 0.04, 0, 0, 0),
    ]
    assert [units for _, _, units, _, _ in told(0.4)] == [0, 1, 0]


def test_a_concept_under_not_is_not_positive() -> None:
    formula = from_json(["AND", ["OR", RED, ["NOT", DOG]], ["NOT", ["NOT", LEG]]])
    assert count_categories([formula, formula], CATEGORIES) == {"color": 2, "part": 2}
    assert dominant_category([formula], CATEGORIES) == "color"
    assert dominant_category([from_json(["NOT", RED])], CATEGORIES) is None


TREES = (RED, DOG, ["OR", RED, RED], ["AND", DOG, ["NOT", RED]], ["OR", ["AND", CAT, LEG], BLUE])
SCORES = st.sampled_from([0.02, 0.041, 0.3, 7 / 15, 0.5])
OF_A_UNIT = st.lists(
    st.tuples(st.none() | st.sampled_from(TREES), SCORES, st.none() | SCORES), min_size=1
)


@given(st.lists(OF_A_UNIT, max_size=6))
def test_columns_say_what_the_explanations_say(given_units: list[list[tuple[Any, ...]]]) -> None:
    units = {
        3 * place: [
            record(3 * place, cluster, tree, 0.0 if tree is None else iou, mcc, mcc)
            for cluster, (tree, iou, mcc) in enumerate(own)
        ]
        for place, own in enumerate(given_units)
    }
    told = columns_of(units)
    counts = count_units(told)
    rows = list(chain.from_iterable(units.values()))
    for place, own in enumerate(units.values()):
        explained = [each for each in own if each.formula is not None]
        assert counts.ranges[place] == len(own)
        assert counts.explained[place] == len(explained)
        assert counts.unbeaten[place] == sum(each.iou <= 7 / 15 for each in explained)
        best = max(explained, key=lambda each: each.iou, default=None)
        assert (rows[row] if (row := counts.best[place]) >= 0 else None) is best
        known = [each for each in own if each.mcc is not None]
        lead = max(known, key=lambda each: each.mcc or 0, default=None)
        assert (rows[row] if (row := counts.lead[place]) >= 0 else None) is lead
    for one in summarise_concepts(told, CATEGORIES):
        asking = [
            each
            for each in rows
            if each.tree is not None and one.label in positive_concepts(each.tree)
        ]
        assert one.ranges == len(asking)
        assert one.units == len({each.unit for each in asking})
        assert one.iou == max((each.iou for each in asking), default=None)
        assert one.negated == sum(
            one.label in positive_concepts(each.tree, positive=False)
            for each in rows
            if each.tree is not None
        )
    again = Columns.unpacked(told.columns.packed())
    assert again.packed() == told.columns.packed()


def test_distances_are_those_of_the_masks(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    """Polysemy from label sets against the pixels themselves."""
    index = golden_index
    unit, ranges = next((n, found) for n, found in enumerate(golden_network.ranges(5)) if found)
    hits = count_hits(golden_network.activations[unit], ranges, index)
    records = []
    for cluster, per_set in enumerate(hits.per_set):
        best = beam_search(RangeCounts(golden_counts, per_set), BeamSettings()).best
        labels = None if best is None else to_json(best.chain.formula(index.concepts))
        records.append(record(unit, cluster, labels, 0.1))
    category_of = {label.number: label.category for label in index.labels}
    (found,) = summarise_units({unit: records}, index, category_of)

    masks = [dense(from_json(each.labels), index) for each in records if each.labels is not None]
    assert len(masks) == found.explained >= 4
    distances = [
        1 - (a & b).sum() / (a | b).sum() for n, a in enumerate(masks) for b in masks[n + 1 :]
    ]
    assert found.polysemy == pytest.approx(np.mean(distances))


def dense(formula: Any, index: ConceptIndex) -> NDArray[np.bool_]:
    """Where a formula holds, pixel by pixel."""
    from ccx_cli.formulas.truth import evaluate

    local: NDArray[np.int64] = index.offsets[:-1, None] + index.maps.astype(np.int64)
    pixel_sets = index.local_sets[local]

    def carries(number: int) -> NDArray[np.bool_]:
        place = int(np.searchsorted(index.concepts, number))
        carrying = [
            place in index.sets.labels[index.sets.indptr[row] : index.sets.indptr[row + 1]]
            for row in range(len(index.sets))
        ]
        return np.array(carrying)[pixel_sets]

    return evaluate(formula, carries)
