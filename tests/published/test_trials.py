from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import astuple

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.ranges import Range
from ccx_cli.published.shapes import measure_concepts
from ccx_cli.published.trials import (
    COMPARED,
    compare_searches,
    compared_search,
    needs_shapes,
    summarise,
)
from ccx_cli.records.studies import HeuristicOnRangeRecord
from ccx_cli.render.study_plots import plot_trials
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import DataCounts

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
else:
    GoldenNetwork = Any


def trials_of(
    network: GoldenNetwork, index: ConceptIndex, counts: DataCounts, *names: str
) -> list[HeuristicOnRangeRecord]:
    """All ranges of three units, and one that nothing is in."""
    shapes = measure_concepts(index) if needs_shapes(names) else None
    settings = BeamSettings(3, 5)
    searches = {name: compared_search(name, settings, index, counts, shapes) for name in names}
    ranges = network.ranges(5)
    beyond = Range(1e6, 2e6)
    units = [(unit, network.activations[unit], (*ranges[unit], beyond)) for unit in (1, 2, 4)]
    compared = compare_searches(units, index, searches)
    return [trial for found in compared for trial in found]


def test_every_search_is_tried_on_every_range_that_holds_pixels(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    trials = trials_of(golden_network, golden_index, golden_counts, *COMPARED)
    positions = {(trial.unit, trial.cluster) for trial in trials}
    assert {cluster for _, cluster in positions} == set(range(5))
    for position in positions:
        own = [trial for trial in trials if (trial.unit, trial.cluster) == position]
        assert [trial.heuristic for trial in own] == list(COMPARED)
        mmesh, cfh, areas, none, beam, optimal = own
        assert mmesh.visited < cfh.visited < areas.visited < none.visited
        # The beam scores `b OR a` and `b AND a` as well: none leaves these out.
        assert beam.visited == none.visited + 90
        assert none.iou == beam.iou == areas.iou
        assert max(trial.iou for trial in own) == optimal.iou
        assert all(trial.seconds > 0 for trial in own)


def test_only_estimates_need_shapes() -> None:
    assert [name for name in COMPARED if needs_shapes([name])] == ["mmesh", "cfh", "areas"]
    assert not needs_shapes([])


def trial(
    unit: int, search: str, seconds: float, visited: int, iou: float
) -> HeuristicOnRangeRecord:
    return HeuristicOnRangeRecord(
        unit=unit,
        cluster=0,
        heuristic=search,
        formula="sky" if iou else None,
        iou=iou,
        visited=visited,
        seconds=seconds,
    )


def test_means_and_deviations() -> None:
    trials = [
        trial(0, "mmesh", 1.0, 10, 0.25),
        trial(0, "none", 2.0, 100, 0.5),
        trial(1, "mmesh", 3.0, 30, 0.25),
        trial(1, "none", 2.0, 100, 0.25),
        trial(2, "mmesh", 2.0, 20, 0.0),
        trial(2, "none", 2.0, 100, 0.0),
    ]
    mmesh, none = summarise(trials)
    assert astuple(none) == ("none", 3, 100, 0, 2, 0, 0.25, 3, 0, None, None)
    assert (mmesh.heuristic, mmesh.ranges, mmesh.best_in) == ("mmesh", 3, 2)
    assert (mmesh.missed, mmesh.lost_mean, mmesh.lost_max) == (1 / 3, 0.5, 0.5)
    assert mmesh.iou_mean == pytest.approx(0.5 / 3)
    visited = (mmesh.visited_mean, mmesh.visited_deviation)
    assert visited == pytest.approx((20, 10 * np.sqrt(2 / 3)))
    seconds = (mmesh.seconds_mean, mmesh.seconds_deviation)
    assert seconds == pytest.approx((2, np.sqrt(2 / 3)))
    assert summarise([]) == []


@pytest.mark.parametrize(
    ("ending", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_plots_in_every_form(ending: str, begins: bytes, tmp_path: Path) -> None:
    trials = [trial(unit, "none", 0.1, unit, 0.5) for unit in range(3)]
    path = tmp_path / f"plot{ending}"
    plot_trials([*trials, trial(0, "optimal", 0.2, 0, 0.5)], "title", path)
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]
