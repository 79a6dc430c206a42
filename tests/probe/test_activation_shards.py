from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.errors import DamagedDataError
from ccx_cli.probe import activation_shards
from ccx_cli.probe.activation_shards import ShardWriter, covers, missing_spans, shard_name
from ccx_cli.probe.activations import Activations, stored_maps
from ccx_cli.probe.sparse_maps import SparseBatch, SparseMaps, dense_maps
from ccx_cli.store.shards import Shard, ShardedCache

N_UNITS, N_IMAGES, HEIGHT, WIDTH = 30, 40, 3, 5


@pytest.fixture
def cache(tmp_path: Path) -> ShardedCache:
    """An empty cache of activations."""
    return ShardedCache(tmp_path / "cache", "ccx-activations", 1, {}, "ccx cache build")


def rare(seed: int, density: float = 0.01) -> np.ndarray:
    """Maps that are rarely other than zero; unit 3 is dead."""
    rng = np.random.default_rng(seed)
    shape = N_UNITS, N_IMAGES, HEIGHT, WIDTH
    maps = np.where(rng.random(shape) < density, rng.normal(size=shape), 0).astype(np.float32)
    maps[3] = 0
    return maps


def write(cache: ShardedCache, maps: np.ndarray, block: int) -> None:
    writer = ShardWriter(cache)
    for start in range(0, N_IMAGES, block):
        writer.add(start, maps[:, start : start + block])
    writer.flush()


def opened(cache: ShardedCache) -> Activations:
    return Activations(cache, tuple(sorted(cache.shards)), N_UNITS, N_IMAGES, (HEIGHT, WIDTH))


def all_maps(cache: ShardedCache) -> np.ndarray:
    return np.stack([dense_maps(opened(cache).unit(unit)) for unit in range(N_UNITS)])


def test_rarely_non_zero_blocks_are_gathered_to_one_shard(cache: ShardedCache) -> None:
    maps = rare(0)
    write(cache, maps, 8)
    assert list(cache.shards) == [shard_name(0, N_IMAGES)]
    assert covers(cache, N_IMAGES)
    assert stored_maps(cache) == (N_UNITS, HEIGHT, WIDTH)
    np.testing.assert_array_equal(all_maps(cache), maps)
    with cache.read(shard_name(0, N_IMAGES)) as file:
        assert set(file) == {"ends", "positions", "values"}
        ends = file["ends"][()]
        for unit in range(N_UNITS):
            kept = slice(ends[unit - 1] if unit else 0, ends[unit])
            positions = np.flatnonzero(maps[unit])
            np.testing.assert_array_equal(file["positions"][kept], positions)
            np.testing.assert_array_equal(file["values"][kept], maps[unit].flat[positions])


def test_dense_and_sparse_shards_lie_side_by_side(cache: ShardedCache) -> None:
    maps = rare(1)
    maps[:, 8:16] = 1
    write(cache, maps, 8)
    names = [shard_name(0, 8), shard_name(8, 16), shard_name(16, N_IMAGES)]
    assert sorted(cache.shards) == names
    with cache.read(names[1]) as file:
        assert set(file) == {"activations"}
    np.testing.assert_array_equal(all_maps(cache), maps)


def test_a_batch_in_any_order_with_zeros_is_kept(cache: ShardedCache) -> None:
    maps = rare(2)
    batch = SparseBatch.of(maps)
    order = np.random.default_rng(3).permutation(len(batch.values) + 1)
    batch = SparseBatch(
        batch.shape,
        np.append(batch.positions, 7)[order],
        np.append(batch.units, 3)[order],
        np.append(batch.values, np.float32(0))[order],
    )
    writer = ShardWriter(cache)
    for start, stop in ((0, 13), (13, 14), (14, N_IMAGES)):
        writer.add(start, batch.images(start, stop))
    writer.flush()
    np.testing.assert_array_equal(all_maps(cache), maps)
    with cache.read(shard_name(0, N_IMAGES)) as file:
        assert len(file["values"]) == np.count_nonzero(maps)


def test_units_that_are_all_dead_make_a_shard(cache: ShardedCache) -> None:
    maps = np.zeros((N_UNITS, N_IMAGES, HEIGHT, WIDTH), np.float32)
    writer = ShardWriter(cache)
    writer.add(0, SparseBatch.of(maps))
    writer.flush()
    np.testing.assert_array_equal(all_maps(cache), maps)


@pytest.mark.parametrize(("name", "most"), [("_MOST_VALUES", 20), ("_MOST_SPARSE_IMAGES", 8)])
def test_a_shard_ends_where_it_has_enough(
    cache: ShardedCache, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(activation_shards, name, most)
    maps = rare(4)
    write(cache, maps, 4)
    assert 2 < len(cache.shards) < 10
    np.testing.assert_array_equal(all_maps(cache), maps)


@given(st.sets(st.integers(1, 19), max_size=6), st.integers(1, 7), st.sets(st.integers(0, 6)))
def test_what_is_missing_fills_the_gaps(ends: set[int], block: int, lost: set[int]) -> None:
    cuts = sorted(ends | {0, 20})
    spans = [span for i, span in enumerate(pairwise(cuts)) if i not in lost]
    cache = ShardedCache(Path("nowhere"), "ccx-activations", 1, {}, "")
    cache.shards = {shard_name(*span): Shard("", 0, "") for span in spans}
    missing = missing_spans(cache, 20, block)
    assert all(0 < stop - start <= block for start, stop in missing)
    assert sorted(i for span in (*missing, *spans) for i in range(*span)) == list(range(20))


def test_shards_that_overlap_are_dropped(cache: ShardedCache) -> None:
    for start, stop in ((0, 10), (8, 20), (20, N_IMAGES)):
        with cache.write(shard_name(start, stop)) as file:
            file["activations"] = np.ones((N_UNITS, stop - start, HEIGHT, WIDTH), np.float32)
    assert missing_spans(cache, N_IMAGES, 50) == [(10, 20)]
    assert sorted(cache.shards) == [shard_name(0, 10), shard_name(20, N_IMAGES)]


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_sparse_shard_that_is_lost_while_it_is_read_is_named(
    cache: ShardedCache, damage: str
) -> None:
    write(cache, rare(5), N_IMAGES)
    activations = opened(cache)
    activations.unit(0)
    path = cache.directory / cache.shards[shard_name(0, N_IMAGES)].file
    content = path.read_bytes()
    path.unlink()
    if damage == "damaged":
        path.write_bytes(content[:-1000])
    with pytest.raises(DamagedDataError, match=damage):
        activations.unit(N_UNITS - 1)


def test_images_are_taken_in_any_order() -> None:
    maps = rare(6, density=0.2)[0]
    flat = np.flatnonzero(maps)
    sparse = SparseMaps(maps.shape, flat, maps.reshape(-1)[flat])
    rng = np.random.default_rng(7)
    for images in (slice(3, 20), rng.permutation(N_IMAGES), np.array([5, 5, 0]), np.array([], int)):
        taken = sparse[images]
        np.testing.assert_array_equal(taken.dense(), maps[images])
        assert (np.diff(taken.positions) > 0).all()
        assert len(taken) == len(maps[images])
    assert sparse.n_zeros == np.count_nonzero(maps == 0)
