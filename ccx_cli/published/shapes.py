"""Shapes of concepts: area, bounding box and largest rectangle, by image.

What the published search heuristics estimate with. Made only when one of them is asked for, beside
the concept index, in shards of images. Shard ``images-START-STOP`` holds

``local_boxes``  ``(n_local, 4)`` uint16, the box of each row of the images' tables
``indptr``       ``(n_images + 1,)`` int64, where each image's concepts start
``labels``       ``(n_rows,)`` uint16, label numbers, ascending within an image
``areas``        ``(n_rows,)`` int32, pixels
``boxes``, ``rectangles``  ``(n_rows, 4)`` uint16, see ``Shapes``
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import BLOCK, ConceptIndex
from ccx_cli.probe.activation_shards import shard_name
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.published.shapes_kernel import Boxes, box_local_rows, shape_mask
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache
from ccx_cli.threads import threads

KIND = "ccx-shapes"
VERSION = 1
_KEYS = ("local_boxes", "indptr", "labels", "areas", "boxes", "rectangles")


@dataclass(frozen=True, slots=True)
class MaskShapes:
    """One mask, image by image.

    ``areas`` are pixels, ``(n_images,)`` int32; ``boxes`` ``(top, left, bottom, right)`` of the
    smallest box around them, ``(n_images, 4)`` uint16, bottom and right excluded, all zero where
    the mask is empty; ``rectangles`` likewise of a largest rectangle that lies in the mask, all
    zero too where rectangles were not asked for.
    """

    areas: NDArray[np.int32]
    boxes: Boxes
    rectangles: Boxes

    def scene_like(self, pixels: int) -> bool:
        """Whether the mask is, in every image of ``pixels``, nothing or the whole image."""
        return bool(((self.areas == 0) | (self.areas == pixels)).all())


@dataclass(frozen=True, slots=True)
class Shapes:
    """Every concept in every image that carries it, and none where it does not.

    Attributes
    ----------
    indptr
        ``(n_images + 1,)`` int64: image ``x`` has the rows ``indptr[x]`` to ``indptr[x + 1]``.
    concepts
        ``(n_rows,)`` uint16, positions in the concept index, ascending within an image.
    areas, boxes, rectangles
        ``(n_rows,)`` int32 and twice ``(n_rows, 4)`` uint16, as in ``MaskShapes``.
    scene_like
        ``(n_concepts,)`` bool: concepts that are, in every image, absent or the whole image.
    local_boxes
        ``(n_local, 4)`` uint16: boxes of the rows of the images' tables, of which the box of any
        formula is made.
    """

    indptr: NDArray[np.int64]
    concepts: NDArray[np.uint16]
    areas: NDArray[np.int32]
    boxes: Boxes
    rectangles: Boxes
    scene_like: NDArray[np.bool_]
    local_boxes: Boxes

    def of(self, concept: int) -> MaskShapes:
        """Shapes of one concept in all images."""
        rows = np.flatnonzero(self.concepts == concept)
        images = np.searchsorted(self.indptr, rows, side="right") - 1
        n_images = len(self.indptr) - 1
        areas = np.zeros(n_images, dtype=np.int32)
        boxes = np.zeros((n_images, 4), dtype=np.uint16)
        rectangles = np.zeros((n_images, 4), dtype=np.uint16)
        areas[images] = self.areas[rows]
        boxes[images] = self.boxes[rows]
        rectangles[images] = self.rectangles[rows]
        return MaskShapes(areas, boxes, rectangles)


def measure_mask(
    index: ConceptIndex, shapes: Shapes, holds: NDArray[np.bool_], *, rectangles: bool = True
) -> MaskShapes:
    """Measure the exact mask of a formula, given its label sets, ``(n_sets,)`` bool.

    Only the largest rectangles take a pass over the pixels.
    """
    return _measure(index, shapes.local_boxes, holds, rectangles)


def measure_concepts(index: ConceptIndex) -> Shapes:
    """Measure every concept of a small dataset at once, without a cache."""
    return _join(index, [_measure_block(index, (0, index.n_images))])


def shapes_cache(index_cache: ShardedCache) -> ShardedCache:
    """Name the cache of the shapes, inside that of the concept index, and read what is there."""
    made_from = {"index": index_cache.directory.name}
    cache = ShardedCache(
        index_cache.directory / "shapes", KIND, VERSION, made_from, index_cache.rebuild
    )
    cache.refresh()
    return cache


def build_shapes(
    index: ConceptIndex, cache: ShardedCache, *, workers: int = 1, progress: Progress | None = None
) -> None:
    """Measure, in threads, the images that the cache lacks; finished shards are kept."""
    progress = progress or SilentProgress()
    spans = _spans(index.n_images)
    if all(shard_name(*span) in cache for span in spans):
        return
    with writing(cache.directory, progress):
        cache.refresh()
        missing = [span for span in spans if shard_name(*span) not in cache]
        n_missing = sum(stop - start for start, stop in missing)
        done = index.n_images - n_missing
        with (
            threads(workers) as pool,
            progress.task("Shapes of concepts", index.n_images, done=done) as task,
        ):
            futures = {pool.submit(_measure_block, index, span): span for span in missing}
            for future in as_completed(futures):
                start, stop = futures.pop(future)
                with cache.write(shard_name(start, stop)) as file:
                    for key, values in zip(_KEYS, future.result(), strict=True):
                        file[key] = values
                task.advance(stop - start)


def load_shapes(index: ConceptIndex, cache: ShardedCache) -> Shapes:
    """Read all shapes into memory, verifying every shard."""
    parts = []
    for span in _spans(index.n_images):
        with cache.read(shard_name(*span)) as file:
            parts.append(tuple(file[key][()] for key in _KEYS))
    return _join(index, parts)


def _spans(n_images: int) -> list[tuple[int, int]]:
    return [(start, min(start + BLOCK, n_images)) for start in range(0, n_images, BLOCK)]


def _measure(
    index: ConceptIndex, local_boxes: Boxes, holds: NDArray[np.bool_], rectangles: bool
) -> MaskShapes:
    inside, width = holds[index.local_sets], index.mask_shape[1]
    totals = index.local_totals
    return MaskShapes(
        *shape_mask(
            index.maps_in_memory, index.offsets, inside, totals, local_boxes, width, rectangles
        )
    )


def _measure_block(index: ConceptIndex, span: tuple[int, int]) -> tuple[NDArray[np.generic], ...]:
    """Arrays of one shard, in the order of ``_KEYS``."""
    block = index.of_images(np.arange(*span))
    local_boxes = box_local_rows(block.maps_in_memory, block.offsets, block.mask_shape[1])
    n_concepts = len(block.concepts)
    areas = np.zeros((block.n_images, n_concepts), dtype=np.int32)
    boxes = np.zeros((block.n_images, n_concepts, 4), dtype=np.uint16)
    rectangles = np.zeros_like(boxes)
    for concept in range(n_concepts):
        holds = np.zeros(len(block.sets), dtype=np.bool_)
        holds[block.postings.of(concept)] = True
        shapes = _measure(block, local_boxes, holds, rectangles=True)
        areas[:, concept] = shapes.areas
        boxes[:, concept], rectangles[:, concept] = shapes.boxes, shapes.rectangles
    there = areas > 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
    labels = block.concepts[np.nonzero(there)[1]]
    return local_boxes, indptr, labels, areas[there], boxes[there], rectangles[there]


def _join(index: ConceptIndex, parts: Sequence[tuple[NDArray[np.generic], ...]]) -> Shapes:
    """Put the arrays of all shards together."""
    indptrs = [part[_KEYS.index("indptr")] for part in parts]
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(i) for i in indptrs]))])
    local_boxes, _, labels, areas, boxes, rectangles = (
        np.concatenate(arrays) for arrays in zip(*parts, strict=True)
    )
    concepts = np.searchsorted(index.concepts, labels).astype(np.uint16)
    partial = areas != index.maps.shape[1]
    return Shapes(
        indptr=starts.astype(np.int64),
        concepts=concepts,
        areas=areas,
        boxes=boxes,
        rectangles=rectangles,
        scene_like=np.bincount(concepts[partial], minlength=len(index.concepts)) == 0,
        local_boxes=local_boxes,
    )
