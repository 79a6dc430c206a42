from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import from_json, positive_concepts, to_text
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.records.studies import ThresholdExplanationRecord
from ccx_cli.render.study_plots import plot_shares
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.study.thresholds import (
    LEAST,
    QUANTILES,
    explain_thresholds,
    share_categories,
    side_of,
    threshold_ranges,
)

if TYPE_CHECKING:
    from tests.golden_data import GOLDEN, GoldenNetwork, read_golden_network
else:
    from golden_data import GOLDEN, GoldenNetwork, read_golden_network

CATEGORIES = ("color", "object")
CATEGORY_OF = {1: "color", 2: "color", 3: "object"}


@pytest.fixture(scope="module")
def trained() -> GoldenNetwork:
    return read_golden_network("places365")


@pytest.fixture(scope="module")
def recorded(trained: GoldenNetwork) -> list[dict[str, Any]]:
    """The published program's quantile study."""
    found: list[dict[str, Any]] = trained.record["thresholds"]
    assert {entry["quantile"] for entry in found} == set(QUANTILES)
    return found


def end(found: Range) -> float:
    """The threshold of a range."""
    return found.lower if found.upper == np.inf else found.upper


def test_thresholds_leave_the_recorded_share_of_non_zero_values_above(
    trained: GoldenNetwork, recorded: list[dict[str, Any]]
) -> None:
    for entry in recorded:
        maps = trained.activations[entry["unit"]]
        ours = threshold_ranges(maps)[QUANTILES.index(entry["quantile"])]
        theirs = Range.from_json(entry["range"])
        assert (
            (ours.upper == np.inf)
            == (theirs.upper == np.inf)
            == (side_of(entry["quantile"]) == "high")
        )
        assert ours.lower == theirs.lower or side_of(entry["quantile"]) == "high"
        values = maps[maps != 0].astype(np.float64)
        assert (values > end(ours)).mean() == pytest.approx((values > end(theirs)).mean(), abs=5e-4)


def test_the_optimum_of_the_recorded_ranges_is_never_below_the_recorded_formula(
    trained: GoldenNetwork,
    recorded: list[dict[str, Any]],
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
) -> None:
    strategy = OptimalStrategy(OptimumSettings(3))
    for entry in recorded:
        theirs = Range.from_json(entry["range"])
        hits = count_hits(trained.activations[entry["unit"]], [theirs], golden_index)
        assert hits.totals[0] == entry["hits"]
        best = strategy.answer(golden_counts, hits.per_set[0]).best
        assert best is not None
        assert best.iou >= entry["iou"] - 1e-6


def test_explanations_of_own_thresholds_are_near_the_recorded(
    trained: GoldenNetwork,
    recorded: list[dict[str, Any]],
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
) -> None:
    units = sorted({entry["unit"] for entry in recorded})
    found = explain_thresholds(
        units,
        lambda unit: trained.activations[unit],
        golden_index,
        golden_counts,
        OptimalStrategy(OptimumSettings(3)),
        workers=2,
    )
    ours = {(each.unit, each.quantile): each for unit in found for each in unit}
    assert len(ours) == len(recorded) == 22
    for entry in recorded:
        own = ours[entry["unit"], entry["quantile"]]
        # Some thresholds move by one activation: its pixels are about 0.1 % of all.
        assert own.hits == pytest.approx(entry["hits"], abs=0.0015 * 48 * 112 * 112)
        assert own.iou is not None
        assert own.iou > entry["iou"] - 0.02


def test_the_categories_are_the_recorded_ones(golden_index: ConceptIndex) -> None:
    stored = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
    categories = dict(enumerate(stored["places365"]["label_category"]))
    for label in golden_index.labels:
        assert label.category == categories[label.number]


def test_ranges_of_a_toy_unit() -> None:
    values = np.arange(1, 1001, dtype=np.float32)
    maps = np.concatenate([values, np.zeros(1000, np.float32)]).reshape(20, 10, 10)
    found = threshold_ranges(maps, (0.1, 0.5, 0.9))
    # Steps 899, 499 and, as 1 - 0.9 is a little less than 0.1, 98 of 999: zeros do not count.
    assert found == (Range(900, np.inf), Range(500, np.inf), Range(LEAST, 99))
    assert threshold_ranges(np.zeros((2, 3, 3), np.float32)) == ()


def test_negative_activations_make_low_ranges_empty(
    golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    n_images = golden_index.n_images
    maps = np.full((n_images, 2, 2), -1, dtype=np.float32)
    maps[0] = 3
    (found,) = explain_thresholds(
        [5], lambda _: maps, golden_index, golden_counts, BeamStrategy(BeamSettings())
    )
    assert [each.unit for each in found] == [5] * len(QUANTILES)
    assert all((each.hits, each.formula, each.iou) == (0, None, None) for each in found[6:])
    assert found[2].range == [-1, None]
    assert found[2].hits > 0


def test_a_dead_unit_has_no_ranges(golden_index: ConceptIndex, golden_counts: DataCounts) -> None:
    maps = np.zeros((golden_index.n_images, 2, 2), dtype=np.float32)
    (found,) = explain_thresholds(
        [0], lambda _: maps, golden_index, golden_counts, BeamStrategy(BeamSettings())
    )
    assert [(each.unit, each.quantile) for each in found] == [(0, q) for q in QUANTILES]
    assert {(each.range, each.hits, each.formula, each.iou) for each in found} == {
        (None, 0, None, None)
    }


def explained(
    unit: int, quantile: float, labels: Any, iou: float | None
) -> ThresholdExplanationRecord:
    formula = None if labels is None else from_json(labels)
    positive = () if formula is None else positive_concepts(formula)
    return ThresholdExplanationRecord(
        kind="explanation",
        unit=unit,
        quantile=quantile,
        side=side_of(quantile),
        range=[0, 1],
        hits=1,
        formula=None if formula is None else to_text(formula, str),
        iou=iou,
        labels=labels,
        categories=[CATEGORY_OF[number] for number in positive],
    )


def test_shares_of_a_toy_study() -> None:
    study = [
        explained(0, 0.1, ["AND", ["OR", 1, 2], ["NOT", 3]], 0.5),
        explained(0, 0.9, None, None),
        explained(1, 0.1, ["OR", ["AND", 3, 1], 2], 0.25),
        explained(1, 0.9, None, None),
        explained(2, 0.1, None, None),
    ]
    keys = [
        "quantile",
        "side",
        "units",
        "explained",
        "iou_mean",
        "concepts",
        "color_share",
        "object_share",
    ]
    rows = share_categories(study, CATEGORIES)
    assert [[row[key] for key in keys] for row in rows] == [
        [0.1, "high", 3, 2, 0.375, 5, 4 / 5, 1 / 5],
        [0.9, "low", 2, 0, None, 0, None, None],
    ]


@pytest.mark.parametrize(
    ("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_plots_in_every_form(ending: str, begins: bytes, tmp_path: Path) -> None:
    study = [explained(0, quantile, ["OR", 1, 3], 0.5) for quantile in QUANTILES[:-1]]
    study.append(explained(0, QUANTILES[-1], None, None))
    path = tmp_path / f"plot{ending}"
    plot_shares(share_categories(study, CATEGORIES), CATEGORIES, "title", path)
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


def test_the_plot_names_every_category_texture_too(tmp_path: Path) -> None:
    categories = ("color", "object", "texture")
    study = [explained(0, quantile, ["OR", 1, 3], 0.5) for quantile in QUANTILES]
    path = tmp_path / "plot.svg"
    plot_shares(share_categories(study, categories), categories, "title", path)
    text = path.read_text(encoding="utf-8")
    for category in categories:
        assert f">{category}</text>" in text
