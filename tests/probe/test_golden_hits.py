from __future__ import annotations

from typing import TYPE_CHECKING

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork


def test_every_recorded_range_holds_exactly_the_recorded_pixels(
    golden_network: GoldenNetwork, golden_index: ConceptIndex
) -> None:
    recorded = {
        (entry.unit, entry.num_clusters, entry.cluster): (entry.range, entry.hits)
        for entry in golden_network.explanations
    }
    assert len(recorded) >= 48
    found = {
        key: int(count_hits(golden_network.activations[key[0]], [ends], golden_index).totals[0])
        for key, (ends, _) in recorded.items()
    }
    assert found == {key: hits for key, (_, hits) in recorded.items()}


def test_all_ranges_of_a_unit_at_once_hold_the_recorded_pixels(
    golden_network: GoldenNetwork, golden_index: ConceptIndex
) -> None:
    recorded = {
        (entry.unit, entry.cluster): entry.hits
        for entry in golden_network.explanations
        if entry.num_clusters == 5
    }
    for unit in {unit for unit, _ in recorded}:
        ranges = golden_network.ranges(5)[unit]
        totals = count_hits(golden_network.activations[unit], ranges, golden_index).totals
        for cluster in range(5):
            if (unit, cluster) in recorded:
                assert totals[cluster] == recorded[unit, cluster]


def test_where_the_published_program_found_no_pixel_there_is_none(
    golden_network: GoldenNetwork, golden_index: ConceptIndex
) -> None:
    for unit, num_clusters, cluster in golden_network.silent:
        ends = golden_network.ranges(num_clusters)[unit][cluster]
        assert count_hits(golden_network.activations[unit], [ends], golden_index).totals[0] == 0
