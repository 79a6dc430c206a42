from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import DamagedDataError
from ccx_cli.published import shapes as shapes_module
from ccx_cli.published.shapes import (
    MaskShapes,
    Shapes,
    build_shapes,
    load_shapes,
    measure_concepts,
    measure_mask,
    shapes_cache,
)
from ccx_cli.published.shapes_kernel import overlap
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
    from tests.labelled_pixels import LabelledPixels, labelled_pixels, random_pixels
else:
    from heard_progress import HeardProgress
    from labelled_pixels import LabelledPixels, labelled_pixels, random_pixels

Mask = NDArray[np.bool_]


def box_of(mask: Mask) -> list[int]:
    """The box of one image's mask, half-open."""
    if not mask.any():
        return [0, 0, 0, 0]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [int(end) for end in (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)]


def largest_area(mask: Mask) -> int:
    """Pixels of the largest rectangle inside, from all rectangles there are."""
    height, width = mask.shape
    outside = np.zeros((height + 1, width + 1), dtype=int)
    outside[1:, 1:] = (~mask).cumsum(axis=0).cumsum(axis=1)
    best = 0
    for top in range(height):
        for bottom in range(top + 1, height + 1):
            band = outside[bottom] - outside[top]
            for left in range(width):
                for right in range(left + 1, width + 1):
                    if band[right] == band[left]:
                        best = max(best, (bottom - top) * (right - left))
    return best


def assert_shapes_of(found: MaskShapes, masks: Mask) -> None:
    """``masks`` is ``(n_images, height, width)``."""
    assert found.areas.tolist() == masks.sum(axis=(1, 2)).tolist()
    for mask, box, rectangle in zip(masks, found.boxes, found.rectangles, strict=True):
        assert box.tolist() == box_of(mask)
        top, left, bottom, right = rectangle.tolist()
        assert mask[top:bottom, left:right].all()
        assert (bottom - top) * (right - left) == largest_area(mask)


def images_of(pixels: LabelledPixels) -> Mask:
    """``(n_concepts, n_images, height, width)``."""
    return pixels.masks.reshape(len(pixels.numbers), len(pixels.images), *pixels.shape)


@given(labelled_pixels(), st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=100)
def test_concepts_have_the_shapes_of_their_masks(pixels: LabelledPixels, dtype: type) -> None:
    index = pixels.index(dtype)
    shapes = measure_concepts(index)
    for concept, masks in enumerate(images_of(pixels)):
        assert_shapes_of(shapes.of(concept), masks)
        whole = [bool(mask.all()) or not mask.any() for mask in masks]
        assert shapes.scene_like[concept] == all(whole)
        assert shapes.of(concept).scene_like(masks[0].size) == all(whole)
    there = np.asarray(images_of(pixels).any(axis=(2, 3)))
    carried = [list(np.flatnonzero(there[:, image])) for image in range(len(pixels.images))]
    rows = zip(shapes.indptr[:-1], shapes.indptr[1:], strict=True)
    assert [list(shapes.concepts[start:stop]) for start, stop in rows] == carried


@given(labelled_pixels(), st.integers(0, 1000))
@settings(max_examples=60)
def test_any_mask_has_its_shape(pixels: LabelledPixels, seed: int) -> None:
    index = pixels.index()
    holds = np.random.default_rng(seed).random(len(index.sets)) < 0.6
    inside = [bool(holds[pixels.distinct.index(labels)]) for labels in pixels.pixels]
    masks = np.array(inside).reshape(len(pixels.images), *pixels.shape)
    shapes = measure_concepts(index)
    assert_shapes_of(measure_mask(index, shapes, holds), masks)
    quick = measure_mask(index, shapes, holds, rectangles=False)
    assert quick.boxes.tolist() == [box_of(mask) for mask in masks]
    assert not quick.rectangles.any()


@pytest.mark.parametrize("seed", range(8))
def test_rectangles_in_large_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = random_pixels(rng, 2, (13, 17), [1, 2, 3, 4])
    index = pixels.index()
    shapes = measure_concepts(index)
    for share in (0.5, 0.8, 0.95):
        holds = rng.random(len(index.sets)) < share
        inside = np.array([bool(holds[pixels.distinct.index(s)]) for s in pixels.pixels])
        assert_shapes_of(measure_mask(index, shapes, holds), inside.reshape(2, 13, 17))


@pytest.mark.parametrize("is_high", [False, True])
def test_sides_past_16_bits_with_a_sign_have_boxes(is_high: bool) -> None:
    row = [frozenset({1, 2} if x in (33_000, 39_998) else {2}) for x in range(40_000)]
    pixels = LabelledPixels([row], (40_000, 1) if is_high else (1, 40_000))
    shapes = measure_concepts(pixels.index())
    for concept, box, rectangle in (
        (0, (33_000, 39_999), (33_000, 33_001)),
        (1, (0, 40_000), (0, 40_000)),
    ):
        found = shapes.of(concept)
        for (ends,), (start, stop) in ((found.boxes, box), (found.rectangles, rectangle)):
            assert ends.tolist() == ([start, 0, stop, 1] if is_high else [0, start, 1, stop])
    left, right = shapes.of(0).boxes[0], shapes.of(1).boxes[0]
    assert overlap(left, right) == overlap(right, left) == 6_999
    assert overlap(left, np.array([0, 0, 0, 0], dtype=np.uint16)) == 0


def test_scenes_are_scene_like(golden: BrodenDataset, golden_index: ConceptIndex) -> None:
    shapes = measure_concepts(golden_index)
    scene_like = golden_index.concepts[shapes.scene_like].tolist()
    assert scene_like == [
        label.number for label in golden_index.labels if label.categories[0] in {"scene", "texture"}
    ]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShardedCache:
    """An empty cache of shapes, in blocks of 20 images."""
    monkeypatch.setattr(shapes_module, "BLOCK", 20)
    index = ShardedCache(tmp_path / "index", "ccx-concept-index", 1, {}, "ccx cache build")
    return shapes_cache(index)


def assert_equal_shapes(found: Shapes, expected: Shapes) -> None:
    for name in Shapes.__slots__:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_shards_hold_what_one_block_would(cache: ShardedCache, golden_index: ConceptIndex) -> None:
    heard = HeardProgress()
    build_shapes(golden_index, cache, workers=2, progress=heard)
    assert len(cache.shards) == 3
    assert [(task.total, task.done) for task in heard.tasks] == [(48, 48)]
    assert_equal_shapes(load_shapes(golden_index, cache), measure_concepts(golden_index))
    build_shapes(golden_index, cache, progress=heard)
    assert len(heard.tasks) == 1


def test_only_missing_shards_are_made(cache: ShardedCache, golden_index: ConceptIndex) -> None:
    build_shapes(golden_index, cache)
    cache.drop(["images-000020-000040"])
    kept = dict(cache.shards)
    build_shapes(golden_index, cache, progress=(heard := HeardProgress()))
    assert [(task.total, task.done) for task in heard.tasks] == [(48, 48)]
    assert kept.items() < cache.shards.items()
    assert_equal_shapes(load_shapes(golden_index, cache), measure_concepts(golden_index))


def test_a_damaged_shard_is_named_with_the_mend(
    cache: ShardedCache, golden_index: ConceptIndex, tmp_path: Path
) -> None:
    build_shapes(golden_index, cache)
    path = cache.directory / cache.shards["images-000020-000040"].file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    again = shapes_cache(
        ShardedCache(tmp_path / "index", "ccx-concept-index", 1, {}, "ccx cache build")
    )
    with pytest.raises(DamagedDataError, match=r"images-000020.*`ccx cache build`"):
        load_shapes(golden_index, again)
