"""What comes with a search and after it, on more pixels than 32 bits count.

They are those of many copies of one image, a power of two of them: every measure is that of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from msgspec.structs import replace

from ccx_cli.concepts.broden import Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.index_maps import ShardMaps, StoredMaps
from ccx_cli.concepts.label_sets import LabelSets
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.soft_hits import sum_activations
from ccx_cli.probe.sparse_maps import SparseMaps
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import Metrics
from ccx_cli.records.simulation import StoredSimulation
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.strategy import Strategy
from ccx_cli.study.measuring import measure_unit
from ccx_cli.study.metrics import ImageCounts, iou_interval
from ccx_cli.study.simulation import Sides, simulate
from ccx_cli.study.stability import Resampling, Selected

COPIES, SIDE = 128, 4200
LEFT, ABOVE = 1700, 1300
RANGES = [Range(-1.0, 0.5), Range(0.5, np.inf)]
BY_IOU = OptimalStrategy(OptimumSettings(2))
STRATEGIES: list[Strategy] = [
    BeamStrategy(BeamSettings()),
    *(
        OptimalStrategy(OptimumSettings(2, objective=each))
        for each in ("iou", "mcc", "f-beta:2", "soft-iou", "pearson", "cosine")
    ),
]


@dataclass(frozen=True)
class Copies:
    """Copies of an image, all in the file ``path``: a is at the left, b above."""

    number: int
    path: Path

    @cached_property
    def maps(self) -> SparseMaps:
        """A unit that fires in few of 25 x 25 cells."""
        cells, values = np.array([52, 53, 78, 420]), np.array([4, 2, 3, 1], dtype=np.float32)
        starts = 625 * np.arange(self.number)[:, None]
        positions = (starts + cells).reshape(-1)
        return SparseMaps((self.number, 25, 25), positions, np.tile(values, self.number))

    @cached_property
    def index(self) -> ConceptIndex:
        local = np.zeros((SIDE, SIDE), dtype=np.uint8)
        local[:, :LEFT] = 1
        local[:ABOVE] += 2
        self.path.write_bytes(local.tobytes())
        totals = np.outer([SIDE - ABOVE, ABOVE], [SIDE - LEFT, LEFT]).reshape(-1)
        numbers = range(self.number)
        shards = [ShardMaps(self.path, 0, local.dtype, n, n + 1) for n in numbers]
        labels = np.array([0, 1, 0, 1], dtype=np.uint16)
        return ConceptIndex(
            np.array([1, 2], dtype=np.uint16),
            LabelSets(np.array([0, 0, 1, 2, 4]), labels, totals * self.number),
            np.tile(np.arange(4, dtype=np.int32), self.number),
            np.tile(totals.astype(np.int32), self.number),
            4 * np.arange(self.number + 1),
            StoredMaps(shards, np.array(numbers), SIDE * SIDE),
            (SIDE, SIDE),
            tuple(Label(n, name, "object", (), 0, 0.0, ()) for n, name in ((1, "a"), (2, "b"))),
        )

    @cached_property
    def records(self) -> list[ExplanationRecord]:
        explainer = Explainer(self.index, DataCounts(self.index), "layer", 2, BY_IOU)
        return explainer.explain(0, self.maps, RANGES)

    def answers(self) -> list[Any]:
        """What all searches find, without the numbers of pixels."""
        data, hits = DataCounts(self.index), count_hits(self.maps, RANGES, self.index).per_set
        soft = {
            is_signed: sum_activations(self.maps, self.index, signed=is_signed)
            for is_signed in (False, True)
        }
        found: list[Any] = []
        for strategy in STRATEGIES:
            objective = strategy.objective
            of_all = [soft[objective.is_signed]] if objective.is_soft else hits
            for each in of_all:
                answer = strategy.answer(data, each)
                found.append([(best.chain, best.iou) for best, _ in answer.levels])
                found.append(answer.level_scores)
        return found

    def metrics(self) -> list[tuple[Metrics, list[float] | None]]:
        formulas = [holds(record, self.index) for record in self.records]
        hits = count_hits(self.maps, RANGES, self.index, per_image=True).per_local
        assert hits is not None
        pairs = zip(hits, formulas, strict=True)
        counts = [ImageCounts.of_labels(own, formula, self.index) for own, formula in pairs]
        intervals = [iou_interval(each, 20, 0) for each in counts]
        measured = measure_unit(counts, self.maps, formulas, self.index)
        return list(zip(measured, intervals, strict=True))

    def simulation(self) -> StoredSimulation:
        every = np.arange(self.number)
        return simulate(self.maps, self.records, Sides(self.index, every, every, []))

    def resampled(self) -> list[Selected]:
        run = SimpleNamespace(
            units={0: self.records},
            about=SimpleNamespace(split=None, num_clusters=2),
            identity=SimpleNamespace(search=SimpleNamespace(objective="iou")),
            search_identity=BY_IOU.identity(),
        )
        activations = SimpleNamespace(unit=lambda _: self.maps)
        inputs = SimpleNamespace(run=run, searched=self.index, activations=activations)
        resampling = Resampling(cast(RunInputs, inputs), 1, 0)
        (selected,) = resampling.select(resampling.draw(0), [resampling.hits(0)])
        return selected


@pytest.mark.slow
def test_copies_of_an_image_have_its_measures(tmp_path: Path) -> None:
    one, many = (Copies(number, tmp_path / "maps") for number in (1, COPIES))
    hits = [record.hits for record in many.records]
    assert max(hits) > 2**31
    assert hits == [COPIES * record.hits for record in one.records]
    assert [replace(record, hits=0) for record in many.records] == [
        replace(record, hits=0) for record in one.records
    ]
    assert many.answers() == one.answers()
    assert many.metrics() == one.metrics()
    found, expected = (each.simulation() for each in (many, one))
    assert found.correlation == pytest.approx(expected.correlation, rel=1e-12)
    assert found.fitted_correlation == pytest.approx(expected.fitted_correlation, rel=1e-12)
    # What is left out of a resample are copies as well.
    assert many.resampled() == [Selected(record.tree, record.iou) for record in one.records]
