"""Maps that are left in their shards give what maps in memory give."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ccx_cli.concepts import index as index_module
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.concepts.index_maps import StoredMaps
from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.probe.activation_levels import count_levels
from ccx_cli.probe.activation_sums import ActivationSummer
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.permuted_hits import count_permuted_hits
from ccx_cli.probe.soft_hits import sum_activations, sum_by_image
from ccx_cli.probe.sparse_maps import Maps

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.sparse_activations import sparse_of
else:
    from golden_data import GoldenNetwork
    from sparse_activations import sparse_of


@pytest.fixture
def stored(golden: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConceptIndex:
    """The golden index in three shards, with memory for all but its maps."""
    monkeypatch.setattr(index_module, "BLOCK", 16)
    monkeypatch.setattr(index_module, "_BESIDE_MAPS", 0)
    cache = index_cache(golden, tmp_path, "")
    build_index(golden, cache)
    whole = load_index(golden, cache)
    needed = index_module._of_tables(whole.sets, len(whole.local_sets))
    assert not isinstance(load_index(golden, cache, needed + whole.maps.nbytes).maps, StoredMaps)
    assert isinstance(load_index(golden, cache, soft_memory=0).maps, StoredMaps)
    with pytest.raises(CcxError, match=r"\d kB even with its maps left on disk"):
        load_index(golden, cache, needed - 1)
    return load_index(golden, cache, needed)


def test_stored_maps_are_read_as_an_array(stored: ConceptIndex, golden_index: ConceptIndex) -> None:
    maps, expected = stored.maps, golden_index.maps
    assert isinstance(maps, StoredMaps)
    assert (len(maps), maps.shape) == (len(expected), expected.shape)
    for chosen in (0, 20, slice(15, 40), np.array([47, 3, 3, 16])):
        np.testing.assert_array_equal(maps[chosen], expected[chosen])
    np.testing.assert_array_equal(stored.maps_in_memory, expected)


@pytest.mark.parametrize("some", [None, [0], [1, 2, 17, 31, 47]])
def test_passes_over_stored_maps_count_the_same(
    stored: ConceptIndex,
    golden_index: ConceptIndex,
    golden_network: GoldenNetwork,
    some: list[int] | None,
) -> None:
    maps, ranges = golden_network.activations[2], golden_network.ranges(5)[2]
    ours, theirs = stored, golden_index
    if some is not None:
        images = np.array(some)
        maps, ours, theirs = maps[images], ours.of_images(images), theirs.of_images(images)
    assert isinstance(ours.maps, StoredMaps)
    formula = [np.arange(len(ours.sets)) % 3 == 0]
    moved = np.random.default_rng(0).permuted(np.tile(np.arange(len(maps)), (3, 1)), axis=1)
    for each in (maps, sparse_of(maps)):
        found, expected = (
            (
                count_hits(each, ranges, index, per_image=True).per_local,
                count_hits(each, ranges, index).per_set,
                *sum_activations(each, index),
                *sum_by_image(each, index),
                *(count_levels(each, formula, index) or ()),
                sums_of(each, index),
                count_permuted_hits(each, ranges, index, moved),
            )
            for index in (ours, theirs)
        )
        np.testing.assert_equal(found, expected)


def sums_of(maps: Maps, index: ConceptIndex) -> tuple[Any, ...]:
    """The sums of a unit's activation."""
    sums = ActivationSummer(index).sums(maps)
    assert sums is not None
    return astuple(sums)


def test_a_shard_that_goes_away_is_named(stored: ConceptIndex) -> None:
    assert isinstance(stored.maps, StoredMaps)
    gone = stored.maps.shards[1].path
    gone.unlink()
    assert stored.maps[0].shape == stored.maps.shape[1:]
    with pytest.raises(DamagedDataError, match=gone.name):
        stored.maps[20]
