from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.search.best_ious import best_ious
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings, find_optimum
from ccx_cli.study import null
from ccx_cli.study.null import (
    null_ious,
    permutation,
)
from ccx_cli.threads import map_in_order

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
else:
    from golden_data import GoldenNetwork


def best_iou(data: DataCounts, hits: np.typing.NDArray[np.int32]) -> float:
    best = find_optimum(RangeCounts(data, hits), OptimumSettings(2)).best
    return best.iou if best else 0.0


STRATEGY = OptimalStrategy(OptimumSettings(2))


@pytest.mark.parametrize("at_once", [1, 1 << 24])
def test_a_round_searches_the_maps_of_other_images(
    golden_network: GoldenNetwork,
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(null, "_COUNTS_AT_ONCE", at_once)
    unit = 4
    maps, ranges = golden_network.activations[unit], golden_network.ranges(5)[unit]
    found = null_ious(
        maps, ranges, golden_index, partial(best_ious, STRATEGY, golden_counts), 2, seed=3
    )
    for number in range(2):
        order = permutation(len(maps), 3, number)
        assert sorted(order) == list(range(len(maps)))
        hits = count_hits(maps[order], ranges, golden_index)
        expected = [best_iou(golden_counts, per_set) for per_set in hits.per_set]
        assert [ious[number] for ious in found] == expected


def test_threads_find_what_one_finds(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    ranges = golden_network.ranges(1)

    def work(unit: int) -> list[list[float]]:
        maps = golden_network.activations[unit]
        search = partial(best_ious, STRATEGY, golden_counts)
        return null_ious(maps, ranges[unit], golden_index, search, 2, 0)

    assert list(map_in_order(work, [2, 4], 3)) == [work(2), work(4)]
