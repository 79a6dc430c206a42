from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
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
    from tests.labelled_pixels import random_pixels
    from tests.sparse_activations import sparse_of
else:
    from golden_data import GoldenNetwork
    from labelled_pixels import random_pixels
    from sparse_activations import sparse_of


def best_iou(data: DataCounts, hits: PixelCounts) -> float:
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


@pytest.mark.parametrize("bits", [24, 30])
def test_rounds_search_pixels_at_zero_past_32_bits(bits: int) -> None:
    rng = np.random.default_rng(0)
    index = random_pixels(rng, 6, (6, 6), range(1, 9)).index()
    # All but a few of the pixels are at zero, which are what the others leave of each label set.
    index.sets.totals[:] <<= bits
    maps = sparse_of(np.maximum(rng.normal(-0.5, 1, (6, 3, 3)), 0).astype(np.float32))
    data, at_zero, above = DataCounts(index), Range(-1.0, 0.25), Range(0.25, np.inf)
    (found,) = null_ious(maps, [at_zero], index, partial(best_ious, STRATEGY, data), 4, 0)
    for number, iou in enumerate(found):
        order = permutation(6, 0, number)
        (others,) = count_hits(maps[order], [above], index).per_set.tolist()
        left = [total - n for total, n in zip(index.sets.totals.tolist(), others, strict=True)]
        assert sum(left) > 2**31
        assert iou == best_iou(data, np.array(left))
