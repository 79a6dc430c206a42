"""Several layers in one pass over the images."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import MissingInputError, UsageError
from ccx_cli.probe import activation_pass, activation_shards
from ccx_cli.probe.activation_pass import build_activations
from ccx_cli.probe.activations import activations_cache, open_activations
from ccx_cli.probe.images import image_batches
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import (
    Network,
    layer_activations,
    layers_activations,
    load_network,
)
from ccx_cli.probe.sparse_maps import SparseMaps, dense_maps
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
else:
    from heard_progress import HeardProgress

LAYERS = ("layer1.0", "layer1", "layer3", "layer4", "fc")
REBUILD = "ccx cache build"
Wanted = list[tuple[NetworkDescription, ShardedCache]]


@pytest.fixture(scope="module")
def photographs(golden: BrodenDataset) -> BrodenDataset:
    """The first ten golden images."""
    return replace(golden, rows=golden.rows[:10])


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one image for the large maps of layer1.0, of three at most."""
    monkeypatch.setattr(activation_shards, "_SHARD_BYTES", 1_000_000)
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 3)


def wanted(dataset: BrodenDataset, place: Path, *layers: str) -> Wanted:
    choices = [choose_network(Path("x"), NetworkRequest("demo", "none", layer)) for layer in layers]
    return [(each, activations_cache(dataset, each, place, REBUILD)) for each in choices]


def files(place: Path) -> set[tuple[str, str]]:
    """Caches and their files, whose names carry digests of their bytes."""
    return {(path.parent.name, path.name) for path in place.glob("*/*.h5")}


@pytest.fixture(scope="module")
def one_at_a_time(photographs: BrodenDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_shards, "_SHARD_BYTES", 1_000_000)
        patch.setattr(activation_shards, "_MOST_IMAGES", 3)
        for layer in LAYERS:
            build_activations(photographs, wanted(photographs, place, layer), batch_size=4)
    return place


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How many images went through the network, by how many layers were heard."""
    counted: Counter[int] = Counter()

    def count(networks: list[Network], images: torch.Tensor) -> list[torch.Tensor]:
        counted[len(networks)] += len(images)
        return layers_activations(networks, images)

    monkeypatch.setattr(activation_pass, "layers_activations", count)
    return counted


def test_one_pass_stores_the_bytes_of_many(
    photographs: BrodenDataset, one_at_a_time: Path, tmp_path: Path, passes: Counter[int]
) -> None:
    progress = HeardProgress()
    build_activations(
        photographs, wanted(photographs, tmp_path, *LAYERS), batch_size=4, progress=progress
    )
    assert files(tmp_path) == files(one_at_a_time)
    # The last batch is filled, so that its number of images changes nothing.
    assert passes == {5: 12}
    assert [(task.total, task.done) for task in progress.tasks] == [(10, 10)]
    for path in tmp_path.glob("*/*.h5"):
        assert path.read_bytes() == (one_at_a_time / path.relative_to(tmp_path)).read_bytes()


def test_only_what_is_missing_is_run(
    photographs: BrodenDataset, one_at_a_time: Path, tmp_path: Path, passes: Counter[int]
) -> None:
    build_activations(photographs, wanted(photographs, tmp_path, "layer3"), batch_size=4)
    build_activations(photographs, wanted(photographs, tmp_path, *LAYERS), batch_size=4)
    assert passes == {1: 12, 4: 12}
    lost = wanted(photographs, tmp_path, "layer3", "layer4")
    lost[0][1].drop(["images-000009-000010"])
    lost[1][1].drop(["images-000000-000003"])
    passes.clear()
    build_activations(photographs, wanted(photographs, tmp_path, *LAYERS), batch_size=4)
    # The batches that hold the images, so that these come out the same.
    assert passes == {1: 4 + 4}
    assert files(tmp_path) == files(one_at_a_time)
    passes.clear()
    build_activations(photographs, wanted(photographs, tmp_path / "all", "fc"), batch_size=64)
    assert passes == {1: 10}


def test_a_pass_that_ends_midway_is_gone_on_with(
    photographs: BrodenDataset, one_at_a_time: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(*arguments: object) -> object:
        for position, batch in enumerate(image_batches(*arguments)):  # type: ignore[arg-type]
            if position == 2:
                raise MissingInputError("gone")
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(activation_pass, "image_batches", cut_short)
        with pytest.raises(MissingInputError):
            build_activations(photographs, wanted(photographs, tmp_path, *LAYERS), batch_size=4)
    kept = files(tmp_path)
    assert kept < files(one_at_a_time)
    assert {cache for cache, _ in kept} == {cache for cache, _ in files(one_at_a_time)}
    build_activations(photographs, wanted(photographs, tmp_path, *LAYERS), batch_size=4)
    assert files(tmp_path) == files(one_at_a_time)


def test_latents_of_a_pass_that_ends_midway_are_kept(
    photographs: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(0)
    tensors = {"W_enc": torch.randn(48, 60, generator=random), "b_enc": torch.zeros(60)}
    save_file(tensors, tmp_path / "sae.safetensors")
    words = ("activation=topk", "k=3", "subtract_b_dec=no")
    request = NetworkRequest(
        "demo", "none", "layer4", sae=tmp_path / "sae.safetensors", sae_map=words
    )
    choice = choose_network(Path("x"), request)

    def build(place: Path, batch_size: int) -> ShardedCache:
        cache = activations_cache(photographs, choice, place, REBUILD)
        build_activations(photographs, [(choice, cache)], batch_size=batch_size)
        return cache

    def cut_short(*arguments: object) -> object:
        batches = iter(image_batches(*arguments))  # type: ignore[arg-type]
        yield next(batches)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(activation_pass, "image_batches", cut_short)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "cut", 4)
    cache = activations_cache(photographs, choice, tmp_path / "cut", REBUILD)
    assert set(cache.shards) == {"images-000000-000004"}
    cut = open_activations(photographs, build(tmp_path / "cut", 4))
    whole = open_activations(photographs, build(tmp_path / "whole", 4))
    assert cut.units == 60
    for unit in range(60):
        maps = whole.unit(unit)
        assert isinstance(maps, SparseMaps)
        assert np.array_equal(dense_maps(cut.unit(unit)), maps.dense())
        assert np.count_nonzero(maps.values) == len(maps.values)


def test_layers_beyond_the_budget_go_through_in_several_passes(
    photographs: BrodenDataset,
    one_at_a_time: Path,
    tmp_path: Path,
    passes: Counter[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(activation_pass, "_PASS_BYTES", 1_800_000)
    progress = HeardProgress()
    asked = wanted(photographs, tmp_path, *LAYERS)
    build_activations(photographs, asked, batch_size=4, progress=progress)
    n_passes = sum(passes.values()) // 10
    assert n_passes in {2, 3}
    (task,) = progress.tasks
    assert task.what.endswith(f"{len(LAYERS)} layers, {n_passes} passes")
    assert task.total == task.done == 10 * n_passes
    assert files(tmp_path) == files(one_at_a_time)


def test_a_layer_that_is_not_there_is_refused_before_anything_is_run(
    photographs: BrodenDataset, tmp_path: Path, passes: Counter[int]
) -> None:
    with pytest.raises(UsageError, match=r"`layer` layer5 is not a layer of demo.*did you mean"):
        build_activations(photographs, wanted(photographs, tmp_path, "layer1", "layer5"))
    assert not passes
    assert not files(tmp_path)


def test_what_later_layers_do_in_place_is_not_stored(
    photographs: BrodenDataset, tmp_path: Path
) -> None:
    path = tmp_path / "inplace.py"
    path.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 8, 16), nn.ReLU(inplace=True), nn.ReLU6(True))\n"
    )
    choices = [
        choose_network(Path("x"), NetworkRequest(f"{path}:make", "own", str(layer)))
        for layer in range(3)
    ]
    caches = [activations_cache(photographs, each, tmp_path / "a", REBUILD) for each in choices]
    build_activations(photographs, list(zip(choices, caches, strict=True)))
    conv, relu, _ = (dense_maps(open_activations(photographs, cache).unit(0)) for cache in caches)
    assert conv.min() < 0
    np.testing.assert_array_equal(relu, np.maximum(conv, 0))


def test_outputs_of_other_types_than_float32_are_stored_as_float32(
    photographs: BrodenDataset, tmp_path: Path
) -> None:
    single = choose_network(Path("x"), NetworkRequest("demo", "none", "layer4"))
    half = replace(single, precision="bfloat16")
    maps = []
    for choice in (single, half):
        cache = activations_cache(photographs, choice, tmp_path, REBUILD)
        build_activations(photographs, [(choice, cache)])
        maps.append(dense_maps(open_activations(photographs, cache).unit(3)))
        assert ("precision" in cache.made_from) is (choice is half)
    assert len(list(tmp_path.iterdir())) == 2
    assert maps[1].dtype == np.float32
    assert not np.array_equal(maps[0], maps[1])
    # bfloat16 has 8 bits: each of the five convolutions rounds its inputs and its output to
    # 2 ** -8 of their size; the sums over many inputs average that out.
    scale = float(np.abs(maps[0]).max())
    assert np.abs(maps[0] - maps[1]).max() < 5 * 2 * 2**-8 * scale
    assert np.abs(maps[0] - maps[1]).mean() < 2**-8 * scale


def test_float16_is_close_too(photographs: BrodenDataset) -> None:
    single = choose_network(Path("x"), NetworkRequest("demo", "none", "layer4"))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = layer_activations(load_network(single), images)
    try:
        network = load_network(replace(single, precision="float16"))
    except UsageError as error:
        pytest.skip(str(error))
    found = layer_activations(network, images)
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected)
    # float16 has 11 bits.
    torch.testing.assert_close(found, expected, atol=10 * 2**-11 * float(expected.max()), rtol=0)
