from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe import activation_shards
from ccx_cli.probe.activation_pass import build_activations, measure_pass
from ccx_cli.probe.activations import (
    Activations,
    activations_cache,
    activations_step,
    open_activations,
    stored_maps,
)
from ccx_cli.probe.images import read_image
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkDescription, NetworkRequest
from ccx_cli.probe.networks.loading import layer_activations, load_network
from ccx_cli.probe.range_cache import RangeCache, ranges_cache, ranges_step
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.progress import SilentProgress

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
else:
    from heard_progress import HeardProgress

REBUILD = "ccx cache build --subset ade20k --model demo"
DEMO = choose_network(Path("nowhere"), NetworkRequest("demo", "none"))


@pytest.fixture(scope="session")
def photographs(golden: BrodenDataset) -> BrodenDataset:
    """The first twelve golden images."""
    return replace(golden, rows=golden.rows[:12])


@pytest.fixture(scope="session")
def whole(photographs: BrodenDataset, tmp_path_factory: pytest.TempPathFactory) -> Activations:
    """The demo network's activations on them, in one shard; read only."""
    cache = activations_cache(photographs, DEMO, tmp_path_factory.mktemp("activations"), REBUILD)
    build_activations(photographs, [(DEMO, cache)])
    return open_activations(photographs, cache)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five images a shard."""
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 5)


def all_units(activations: Activations) -> list[np.ndarray]:
    return [dense_maps(activations.unit(unit)) for unit in range(activations.units)]


def test_units_are_the_channels_of_the_layer(
    photographs: BrodenDataset, whole: Activations
) -> None:
    assert (whole.units, whole.n_images, whole.map_shape) == (48, 12, (28, 28))
    network = load_network(DEMO, "cpu")
    paths = [photographs.image_path(row.image) for row in photographs.rows]
    images = [read_image(path, DEMO.input_side, DEMO.mean, DEMO.std) for path in paths]
    for place in (0, 11):
        output = layer_activations(network, torch.from_numpy(images[place])[None]).numpy()[0]
        found = np.stack(all_units(whole))[:, place]
        np.testing.assert_allclose(found, output, atol=1e-5)
    assert all_units(whole)[3].dtype == np.float32


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_shards_and_batches_of_any_size_give_the_same_maps(
    photographs: BrodenDataset, whole: Activations, tmp_path: Path, batch_size: int
) -> None:
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    progress = HeardProgress()
    build_activations(photographs, [(DEMO, cache)], batch_size=batch_size, progress=progress)
    assert sorted(cache.shards) == [
        "images-000000-000005",
        "images-000005-000010",
        "images-000010-000012",
    ]
    assert [(task.total, task.done) for task in progress.tasks] == [(12, 12)]
    np.testing.assert_allclose(
        all_units(open_activations(photographs, cache)), all_units(whole), atol=1e-5
    )


@pytest.mark.usefixtures("small_shards")
def test_building_again_makes_only_the_missing_shards(
    photographs: BrodenDataset, whole: Activations, tmp_path: Path
) -> None:
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    build_activations(photographs, [(DEMO, cache)])
    cache.drop(["images-000005-000010"])
    kept = {s.file: (cache.directory / s.file).stat().st_mtime_ns for s in cache.shards.values()}
    again = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    progress = HeardProgress()
    build_activations(photographs, [(DEMO, again)], progress=progress)
    assert [(task.total, task.done) for task in progress.tasks] == [(12, 12)]
    assert {file: (again.directory / file).stat().st_mtime_ns for file in kept} == kept
    np.testing.assert_allclose(
        all_units(open_activations(photographs, again)), all_units(whole), atol=1e-5
    )
    build_activations(photographs, [(DEMO, again)], progress=progress)
    assert len(progress.tasks) == 1


@pytest.mark.usefixtures("small_shards")
def test_the_step_is_what_the_build_then_does(photographs: BrodenDataset, tmp_path: Path) -> None:
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    assert stored_maps(cache) is None
    (maps,), seconds = measure_pass([DEMO])
    before = activations_step(cache, 12, 4 * math.prod(maps), seconds)
    assert (before.state, before.total, before.done) == ("to do", 12, 0)
    assert before.seconds == pytest.approx(12 * seconds)

    build_activations(photographs, [(DEMO, cache)])
    assert stored_maps(cache) == maps
    written = sum(shard.size for shard in cache.shards.values())
    assert before.size == pytest.approx(written, abs=3 * 8192)
    cache.drop(["images-000005-000010"])
    after = activations_step(cache, 12, 4 * math.prod(maps))
    assert (after.state, after.done, after.seconds) == ("partly there", 7, None)


def test_blank_images_name_a_layer_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="layer5"):
        measure_pass([DEMO, replace(DEMO, layer="layer5")])


@pytest.mark.usefixtures("small_shards")
def test_a_build_that_fails_midway_goes_on_from_its_last_shard(
    photographs: BrodenDataset, whole: Activations, tmp_path: Path
) -> None:
    # Images are read from elsewhere, where one is missing at first.
    images = tmp_path / "set" / "images"
    for row in photographs.rows:
        path = images / row.image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(photographs.image_path(row.image).absolute())
    dataset = replace(photographs, directory=tmp_path / "set")
    cache = activations_cache(dataset, DEMO, tmp_path / "activations", REBUILD)
    (images / dataset.rows[7].image).unlink()
    with pytest.raises(MissingInputError):
        build_activations(dataset, [(DEMO, cache)], batch_size=5)
    (images / dataset.rows[7].image).symlink_to(
        photographs.image_path(dataset.rows[7].image).absolute()
    )
    again = activations_cache(dataset, DEMO, tmp_path / "activations", REBUILD)
    assert list(again.shards) == ["images-000000-000005"]
    build_activations(dataset, [(DEMO, again)])
    np.testing.assert_allclose(
        all_units(open_activations(dataset, again)), all_units(whole), atol=1e-5
    )


def test_shards_of_another_size_stay(
    photographs: BrodenDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 5)
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    build_activations(photographs, [(DEMO, cache)])
    cache.drop(["images-000000-000005"])
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 7)
    build_activations(photographs, [(DEMO, cache)])
    assert sorted(cache.shards) == [
        "images-000000-000005",
        "images-000005-000010",
        "images-000010-000012",
    ]


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_shard_is_named_with_the_command_that_rebuilds_it(
    photographs: BrodenDataset, tmp_path: Path, gone: bool
) -> None:
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    build_activations(photographs, [(DEMO, cache)])
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    path = cache.directory / cache.shards["images-000005-000010"].file
    content = path.read_bytes()
    path.unlink()
    if not gone:
        path.write_bytes(content[:-100])
    build_activations(photographs, [(DEMO, cache)])
    opened = open_activations(photographs, cache)
    with pytest.raises(DamagedDataError) as raised:
        opened.unit(0)
    assert str(raised.value).startswith(f"{path} is {'missing' if gone else 'damaged'}")
    assert str(raised.value).endswith(f": rebuild it with `{REBUILD}`.")


def test_another_network_layer_or_image_set_is_another_cache(
    photographs: BrodenDataset, tmp_path: Path
) -> None:
    def directory(dataset: BrodenDataset, choice: NetworkDescription) -> Path:
        return activations_cache(dataset, choice, tmp_path, REBUILD).directory

    def demo(layer: str | None, seed: int) -> NetworkDescription:
        return choose_network(Path("nowhere"), NetworkRequest("demo", "none", layer, seed=seed))

    places = [
        directory(photographs, DEMO),
        directory(photographs, demo("layer3", 0)),
        directory(photographs, demo(None, 1)),
        directory(photographs, replace(DEMO, mean=(0.0, 0.0, 0.0))),
        directory(replace(photographs, rows=photographs.rows[1:]), DEMO),
    ]
    assert len(set(places)) == len(places)
    assert directory(photographs, demo(None, 0)) == places[0]


def test_a_network_that_gives_nan_is_an_error_and_nothing_is_kept(
    photographs: BrodenDataset, tmp_path: Path
) -> None:
    untrained = choose_network(
        Path("nowhere"), NetworkRequest("squeezenet1_1", "none", "features.0")
    )
    state = load_network(untrained, "cpu").module.state_dict()
    # Too large for any photograph, while the black image that tries the layer gives finite maps.
    state["features.0.weight"][5] = 3e38
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    choice = choose_network(
        Path("nowhere"), NetworkRequest("squeezenet1_1", layer="features.0", weights=path)
    )
    cache = activations_cache(photographs, choice, tmp_path / "activations", REBUILD)
    with pytest.raises(CcxError, match="NaN or infinite"):
        build_activations(photographs, [(choice, cache)])
    assert activations_cache(photographs, choice, tmp_path / "activations", REBUILD).shards == {}


def ranges_of(activations: Activations, units: list[int]) -> dict[int, tuple[Range, ...]]:
    return {unit: find_ranges(activations.unit(unit), RangeMethod(5)) for unit in units}


@pytest.fixture
def own(photographs: BrodenDataset, tmp_path: Path) -> Activations:
    """Activations in a directory of the test's own."""
    cache = activations_cache(photographs, DEMO, tmp_path, REBUILD)
    build_activations(photographs, [(DEMO, cache)])
    return open_activations(photographs, cache)


def asked(cache: RangeCache, activations: Activations, units: list[int]) -> None:
    for unit in units:
        cache.of(unit, activations.unit(unit))


def known(activations: Activations, units: list[int]) -> dict[int, tuple[Range, ...]]:
    """Ranges as a fresh process reads them: without maps to find them in."""
    cache = RangeCache(activations, RangeMethod(5), SilentProgress())
    nothing = np.zeros((0, 1, 1), dtype=np.float32)
    return {unit: cache.of(unit, nothing) for unit in units}


def test_two_writers_of_ranges_keep_what_both_found(own: Activations) -> None:
    progress = SilentProgress()
    first, second = (RangeCache(own, RangeMethod(5), progress) for _ in range(2))
    asked(first, own, [0, 1, 2])
    asked(second, own, [2, 3, 47])
    first.save()
    second.save()
    units = [0, 1, 2, 3, 47]
    assert known(own, units) == ranges_of(own, units)
    assert known(own, [4]) == {4: ()}


def test_the_step_counts_the_units_that_have_ranges(own: Activations) -> None:
    cache = ranges_cache(own.cache, RangeMethod(2))
    assert ranges_step(cache, [0, 1, 2], 2).state == "to do"
    found = RangeCache(own, RangeMethod(2), SilentProgress())
    asked(found, own, [1, 5])
    found.save()
    assert ranges_step(cache, [0, 1, 2], 2).done == 1


def test_known_ranges_are_not_found_again(own: Activations) -> None:
    cache = RangeCache(own, RangeMethod(5), SilentProgress())
    found = cache.of(6, own.unit(6))
    assert cache.of(6, own.unit(7)) == found
    cache.save()
    manifest = next(own.cache.directory.glob("ranges-*/manifest.json"))
    written = manifest.stat().st_mtime_ns
    cache.save()
    assert manifest.stat().st_mtime_ns == written


def test_silent_units_and_units_of_few_values_are_remembered(own: Activations) -> None:
    cache = RangeCache(own, RangeMethod(5), SilentProgress())
    silent = np.zeros((12, 28, 28), dtype=np.float32)
    few = silent.copy()
    few[0, 0, :3] = 1, 2, 2
    cache.of(0, silent)
    cache.of(1, few)
    cache.save()
    assert known(own, [0, 1]) == {0: (), 1: (Range(1, 1), Range(2, 2))}


def test_an_open_end_is_remembered(own: Activations) -> None:
    method = RangeMethod(1)
    cache = RangeCache(own, method, SilentProgress())
    found = cache.of(5, own.unit(5))
    cache.save()
    again = RangeCache(own, method, SilentProgress())
    assert again.of(5, np.zeros((0, 1, 1), dtype=np.float32)) == found
    assert found[0].upper == np.inf


def test_ranges_of_another_method_are_kept_apart(own: Activations) -> None:
    five = RangeCache(own, RangeMethod(5), SilentProgress())
    asked(five, own, [0])
    five.save()
    for method in (RangeMethod(4), RangeMethod(5, kmeans="sklearn", n_init=1), RangeMethod(1)):
        found = RangeCache(own, method, SilentProgress()).of(0, own.unit(0))
        assert found == find_ranges(own.unit(0), method)


@pytest.mark.parametrize("workers", [1, 3])
def test_ranges_found_side_by_side_come_in_order(own: Activations, workers: int) -> None:
    units = [5, 3, 40, 0, 1, 2, 7, 9, 11]
    cache = RangeCache(own, RangeMethod(5), SilentProgress())
    found = list(cache.of_units(units, workers))
    assert [each.unit for each in found] == units
    for unit, ranges, counts, n_values in found:
        maps = own.unit(unit)
        assert ranges == find_ranges(maps, RangeMethod(5))
        assert counts == [each.count(maps) for each in ranges]
        assert n_values == dense_maps(maps).size


def test_damaged_ranges_are_named(own: Activations) -> None:
    cache = RangeCache(own, RangeMethod(5), SilentProgress())
    asked(cache, own, [0])
    cache.save()
    path = next(own.cache.directory.glob("ranges-*/*.h5"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedDataError) as raised:
        RangeCache(own, RangeMethod(5), SilentProgress())
    assert str(raised.value).startswith(f"{path} is damaged")
