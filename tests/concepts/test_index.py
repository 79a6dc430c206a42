from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts import index as index_module
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import (
    ConceptIndex,
    build_index,
    index_cache,
    index_step,
    load_index,
)
from ccx_cli.concepts.label_sets import LabelSets, collapse_image
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.search.counts import DataCounts

if TYPE_CHECKING:
    from tests.concepts.broden_files import BrodenFiles
    from tests.heard_progress import HeardProgress
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, sets_of
else:
    from heard_progress import HeardProgress
    from labelled_pixels import LabelledPixels, labelled_pixels, sets_of

REBUILD = "ccx cache build --subset ade20k"


def dense_masks(dataset: BrodenDataset) -> dict[int, NDArray[np.bool_]]:
    """``(n_images, height * width)`` by label number, from the CSV and the PNGs themselves."""
    height, width = dataset.mask_shape
    with (dataset.directory / "index.csv").open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    masks: dict[int, NDArray[np.bool_]] = {}

    def mask(number: int) -> NDArray[np.bool_]:
        return masks.setdefault(number, np.zeros((len(rows), height * width), dtype=np.bool_))

    for place, row in enumerate(rows):
        for category in dataset.categories:
            for layer in filter(None, row[category].split(";")):
                if layer.isdecimal():
                    mask(int(layer))[place] = True
                    continue
                with Image.open(dataset.directory / "images" / layer) as picture:
                    pixels = np.asarray(picture.convert("RGB")).astype(int)
                numbers = (pixels[..., 0] + 256 * pixels[..., 1]).reshape(-1)
                for number in set(numbers.tolist()) - {0}:
                    mask(number)[place] |= numbers == number
    return dict(sorted(masks.items()))


def assert_equal_indexes(found: ConceptIndex, expected: ConceptIndex) -> None:
    for name in ("concepts", "local_sets", "local_totals", "offsets", "maps"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ("indptr", "labels", "totals"):
        np.testing.assert_array_equal(getattr(found.sets, name), getattr(expected.sets, name))
    assert found.mask_shape == expected.mask_shape
    assert found.labels == expected.labels


def built(dataset: BrodenDataset, directory: Path, workers: int = 1) -> ConceptIndex:
    cache = index_cache(dataset, directory, REBUILD)
    build_index(dataset, cache, workers=workers)
    return load_index(dataset, cache)


def test_totals_of_concepts_and_pairs_are_those_of_dense_masks(
    golden: BrodenDataset, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    masks = dense_masks(golden)
    assert golden_index.concepts.tolist() == list(masks)
    assert [label.number for label in golden_index.labels] == list(masks)
    stacked = np.stack([mask.reshape(-1) for mask in masks.values()]).astype(np.float64)
    np.testing.assert_array_equal(golden_counts.totals, stacked @ stacked.T)


def test_every_pixel_finds_its_labels_through_its_images_table(
    golden: BrodenDataset, golden_index: ConceptIndex
) -> None:
    masks = dense_masks(golden)
    index = golden_index
    assert (index.n_images, index.mask_shape) == (48, (112, 112))
    sets = index.local_sets[index.maps.astype(np.int64) + index.offsets[:-1, None]]
    for place, mask in enumerate(masks.values()):
        carries = np.zeros(len(index.sets), dtype=np.bool_)
        for row, labels in enumerate(sets_of(index.sets)):
            carries[row] = place in labels
        np.testing.assert_array_equal(carries[sets], mask)


def test_tables_agree_with_the_pixels_they_count(golden_index: ConceptIndex) -> None:
    index = golden_index
    assert index.sets.totals.sum() == index.local_totals.sum() == 48 * 112 * 112
    summed = np.bincount(index.local_sets, index.local_totals, len(index.sets))
    np.testing.assert_array_equal(summed, index.sets.totals)
    for image in range(index.n_images):
        start, stop = index.offsets[image], index.offsets[image + 1]
        counts = np.bincount(index.maps[image], minlength=stop - start)
        np.testing.assert_array_equal(counts, index.local_totals[start:stop])
    assert len({*map(frozenset, sets_of(index.sets))}) == len(index.sets)
    assert index.max_local == np.diff(index.offsets).max()


def test_concepts_are_named_by_their_numbers(golden_index: ConceptIndex) -> None:
    assert golden_index.name_of(1) == "black-c"
    assert golden_index.name_of(69) == "texture3"


@given(labelled_pixels())
@settings(max_examples=50)
def test_the_twin_that_other_tests_use_keeps_every_pixel(pixels: LabelledPixels) -> None:
    index = pixels.index()
    sets = index.local_sets[index.maps.astype(np.int64) + index.offsets[:-1, None]].reshape(-1)
    by_number = [
        frozenset(int(index.concepts[place]) for place in labels) for labels in sets_of(index.sets)
    ]
    assert [by_number[place] for place in sets] == pixels.pixels


def test_images_without_pngs_or_without_labels_have_a_set(
    broden: BrodenFiles, tmp_path: Path
) -> None:
    # The first image keeps its empty PNGs; the second has a label of the whole image alone; the
    # third nothing at all.
    broden.replace("index.csv", "a/2_color.png,,,4", ",,,4")
    broden.replace("index.csv", ",3;4,b/3_part.png,0", ",,,0")
    index = built(broden.read(), tmp_path / "segmentations")
    assert index.concepts.tolist() == [4]
    assert sets_of(index.sets) == [frozenset(), frozenset({0})]
    assert index.sets.totals.tolist() == [12, 6]
    assert index.local_sets.tolist() == [0, 1, 0]
    assert index.maps.tolist() == [[0] * 6] * 3


def test_layers_and_whole_image_labels_join(broden: BrodenFiles, tmp_path: Path) -> None:
    broden.layer("a/1_color.png", [[1, 1, 2], [0, 2, 1]])
    broden.layer("a/1_part_1.png", [[300, 0, 0], [0, 300, 0]])
    broden.layer("a/1_part_2.png", [[4, 300, 0], [0, 300, 0]])
    broden.layer("b/3_part.png", [[4, 0, 0], [300, 0, 0]])
    index = built(broden.read(), tmp_path / "segmentations")
    assert index.concepts.tolist() == [1, 2, 3, 4, 300]
    numbers = [{int(index.concepts[p]) for p in labels} for labels in sets_of(index.sets)]
    per_pixel = [
        [numbers[index.local_sets[index.offsets[i] + place]] for place in index.maps[i]]
        for i in range(3)
    ]
    assert per_pixel == [
        [{1, 4, 300}, {1, 300}, {2}, set(), {2, 300}, {1}],
        [{4}] * 6,
        [{3, 4}] * 3 + [{3, 4, 300}] + [{3, 4}] * 2,
    ]


def test_an_image_of_more_than_256_sets_widens_the_maps(
    broden: BrodenFiles, tmp_path: Path
) -> None:
    broden.replace("index.csv", ",2,3,", ",20,30,")
    labels = "".join(f"{n},label {n},part(1),1,0.1,\n" for n in range(1000, 1600))
    broden.write("label.csv", (broden.directory / "label.csv").read_text() + labels)
    for row in broden.read().rows:
        for layer in row.layers:
            broden.layer(layer, np.zeros((20, 30)))
    broden.layer("b/3_part.png", np.arange(1000, 1600).reshape(20, 30))
    index = built(broden.read(), tmp_path / "segmentations")
    assert index.maps.dtype == np.uint16
    assert index.maps[2].tolist() == list(range(600))
    assert index.max_local == 600


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen images a shard: the golden set has three."""
    monkeypatch.setattr(index_module, "BLOCK", 16)


@pytest.mark.usefixtures("small_blocks")
def test_shards_of_any_size_give_the_same_index(
    golden: BrodenDataset, golden_index: ConceptIndex, tmp_path: Path
) -> None:
    progress = HeardProgress()
    cache = index_cache(golden, tmp_path, REBUILD)
    build_index(golden, cache, progress=progress)
    assert sorted(cache.shards) == ["images-00000", "images-00001", "images-00002", "sets"]
    assert_equal_indexes(load_index(golden, cache), golden_index)
    assert [(task.total, task.done) for task in progress.tasks] == [(48, 48)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dropped", [["images-00001"], ["sets"], ["images-00000", "sets"]])
def test_building_again_makes_only_what_is_missing(
    golden: BrodenDataset, golden_index: ConceptIndex, tmp_path: Path, dropped: list[str]
) -> None:
    cache = index_cache(golden, tmp_path, REBUILD)
    build_index(golden, cache)
    cache.drop(dropped)
    kept = {
        shard.file: (tmp_path / cache.directory / shard.file).stat().st_mtime_ns
        for shard in cache.shards.values()
    }
    again = index_cache(golden, tmp_path, REBUILD)
    progress = HeardProgress()
    build_index(golden, again, progress=progress)
    blocks = sum(name != "sets" for name in dropped)
    assert sum(task.total for task in progress.tasks) == (48 if blocks else 0)
    assert {file: (again.directory / file).stat().st_mtime_ns for file in kept} == kept
    assert_equal_indexes(load_index(golden, again), golden_index)


@pytest.mark.usefixtures("small_blocks")
def test_the_step_is_what_the_build_then_does(golden: BrodenDataset, tmp_path: Path) -> None:
    cache = index_cache(golden, tmp_path, REBUILD)
    n_images = len(golden.rows)
    before = index_step(golden, cache)
    assert (before.state, before.total, before.done) == ("to do", n_images, 0)
    build_index(golden, cache)
    assert index_step(golden, cache).state == "there"
    cache.drop(["images-00000"])
    after = index_step(golden, cache)
    assert (after.state, after.missing) == ("partly there", index_module.BLOCK)


@pytest.mark.usefixtures("small_blocks")
def test_a_build_that_fails_midway_goes_on_from_its_last_shard(
    golden: BrodenDataset,
    golden_index: ConceptIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = 0

    def failing(
        layers: NDArray[np.uint16], image_labels: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint16], LabelSets]:
        nonlocal seen
        seen += 1
        if seen == 20:
            raise KeyboardInterrupt
        return collapse_image(layers, image_labels)

    monkeypatch.setattr(index_module, "collapse_image", failing)
    cache = index_cache(golden, tmp_path, REBUILD)
    with pytest.raises(KeyboardInterrupt):
        build_index(golden, cache)
    again = index_cache(golden, tmp_path, REBUILD)
    assert list(again.shards) == ["images-00000"]
    progress = HeardProgress()
    build_index(golden, again, progress=progress)
    assert seen == 20 + 32
    assert [task.done for task in progress.tasks] == [48]
    assert_equal_indexes(load_index(golden, again), golden_index)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("name", ["images-00001", "sets"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_shard_is_named_with_the_command_that_rebuilds_it(
    golden: BrodenDataset, tmp_path: Path, name: str, gone: bool
) -> None:
    build_index(golden, index_cache(golden, tmp_path, REBUILD))
    cache = index_cache(golden, tmp_path, REBUILD)
    path = cache.directory / cache.shards[name].file
    content = path.read_bytes()
    path.unlink()
    if not gone:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    fault = "is missing" if gone else "is damaged (its SHA-256 is not the manifest's)"
    build_index(golden, cache)
    with pytest.raises(DamagedDataError) as raised:
        load_index(golden, cache)
    assert str(raised.value) == f"{path} {fault}: rebuild it with `{REBUILD}`."


def test_another_data_set_is_another_cache(broden: BrodenFiles, tmp_path: Path) -> None:
    first = index_cache(broden.read(), tmp_path, REBUILD).directory
    assert index_cache(broden.read(), tmp_path, REBUILD).directory == first
    assert index_cache(broden.read("a/"), tmp_path, REBUILD).directory != first
    broden.replace("index.csv", "a/2_color.png,,,4", "a/2_color.png,,,3")
    assert index_cache(broden.read(), tmp_path, REBUILD).directory != first


def test_a_missing_png_is_an_error_that_keeps_nothing_half(
    broden: BrodenFiles, tmp_path: Path
) -> None:
    dataset = broden.read()
    cache = index_cache(dataset, tmp_path / "segmentations", REBUILD)
    (broden.images / "b/3_part.png").unlink()
    with pytest.raises(MissingInputError, match=r"3_part\.png is missing"):
        build_index(dataset, cache)
    assert cache.shards == {}


def many_images(broden: BrodenFiles, n_images: int) -> BrodenDataset:
    """A set of many rows that share a few label PNGs."""
    rng = np.random.default_rng(0)
    for place in range(8):
        broden.layer(f"{place}.png", rng.choice([0, 1, 2, 3, 4, 300], (4, 5)))
    header = "image,split,ih,iw,sh,sw,color,object,part,scene\n"
    rows = [
        f"{n}.jpg,val,8,8,4,5,{n % 8}.png,{n % 3 or ''},{n * 7 % 5}.png,\n" for n in range(n_images)
    ]
    broden.write("index.csv", header + "".join(rows))
    return broden.read()


def test_processes_build_the_index_that_one_builds(broden: BrodenFiles, tmp_path: Path) -> None:
    dataset = many_images(broden, 700)
    one = built(dataset, tmp_path / "one")
    progress = HeardProgress()
    cache = index_cache(dataset, tmp_path / "two", REBUILD)
    build_index(dataset, cache, workers=2, progress=progress)
    assert_equal_indexes(load_index(dataset, cache), one)
    assert [(task.total, task.done) for task in progress.tasks] == [(700, 700)]


def test_an_error_in_a_process_is_the_error_of_the_build(
    broden: BrodenFiles, tmp_path: Path
) -> None:
    dataset = many_images(broden, 700)
    cache = index_cache(dataset, tmp_path / "segmentations", REBUILD)
    (broden.images / "7.png").unlink()
    with pytest.raises(MissingInputError, match=r"7\.png is missing"):
        build_index(dataset, cache, workers=2)
