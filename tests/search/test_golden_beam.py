from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Formula
from ccx_cli.formulas.truth import evaluate
from ccx_cli.probe.hits import count_hits
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.chains import sets_in
from ccx_cli.search.counts import DataCounts, RangeCounts

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork


def iou_of(
    formula: Formula, hits: NDArray[np.int32], index: ConceptIndex, data: DataCounts
) -> float:
    """The IoU of any formula, from its tree."""

    def carries(number: int) -> NDArray[np.bool_]:
        holds = np.zeros(len(index.sets), dtype=np.bool_)
        holds[data.postings.of(int(np.searchsorted(index.concepts, number)))] = True
        return holds

    holds = evaluate(formula, carries)
    both = int(hits[holds].sum())
    return both / (int(hits.sum()) + int(index.sets.totals[holds].sum()) - both)


@pytest.mark.parametrize("length", [1, 3])
def test_the_beam_finds_the_recorded_iou_and_formula(
    golden_network: GoldenNetwork,
    golden_index: ConceptIndex,
    golden_counts: DataCounts,
    length: int,
) -> None:
    entries = [
        entry
        for entry in golden_network.explanations
        if entry.heuristic == "none" and entry.length == length
    ]
    assert len(entries) == 48
    for entry in entries:
        maps = golden_network.activations[entry.unit]
        hits = count_hits(maps, [entry.range], golden_index).per_set[0]
        found = beam_search(RangeCounts(golden_counts, hits), BeamSettings(length, 5)).best
        assert found is not None
        assert found.iou == pytest.approx(entry.iou, abs=1e-5)
        formula = found.chain.formula(golden_index.concepts)
        # Ties are broken in another order there, so another formula has to be as good exactly.
        recorded = iou_of(entry.formula, hits, golden_index, golden_counts)
        assert formula == entry.formula or recorded == found.iou
        assert iou_of(formula, hits, golden_index, golden_counts) == found.iou
        holds = sets_in(found.chain, golden_counts)
        assert (found.both, found.total) == (
            hits[holds].sum(),
            golden_index.sets.totals[holds].sum(),
        )


def test_the_heuristics_of_the_published_program_find_nothing_better(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    for entry in golden_network.explanations:
        if entry.heuristic != "none":
            maps = golden_network.activations[entry.unit]
            hits = count_hits(maps, [entry.range], golden_index).per_set[0]
            found = beam_search(
                RangeCounts(golden_counts, hits), BeamSettings(entry.length, 5)
            ).best
            assert found is not None
            assert found.iou >= entry.iou - 1e-5
