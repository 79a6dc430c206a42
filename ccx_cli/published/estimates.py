"""The compiled passes behind ``ccx_cli.published.heuristics``, which says what they compute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.shapes_kernel import Boxes, overlap

MMESH, CFH, AREAS = range(3)
OR, AND = int(Operator.OR), int(Operator.AND)

Measures = tuple[NDArray[np.int32], NDArray[np.int32], Boxes, Boxes]


@kernel
def sum_extensions(
    heuristic: int,
    left: Measures,
    indptr: NDArray[np.int64],
    concepts: NDArray[np.uint16],
    right: Measures,
    scene: NDArray[np.bool_],
    in_range: NDArray[np.int32],
    pixels: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum ``I`` and ``M`` over the images, ``(3, n_concepts)`` each.

    ``left`` and ``right`` are areas, pixels in range, boxes and rectangles: of a formula by image,
    and of the concepts by row of ``Shapes``.

    Where a concept is absent, which is nearly everywhere, both depend on the left side only: these
    are summed once, and put right in the images that carry the concept.
    """
    areas, hits, boxes, rectangles = left
    other_areas, other_hits, other_boxes, other_rectangles = right
    both = np.zeros((3, len(scene)), dtype=np.int64)
    masks = np.zeros((3, len(scene)), dtype=np.int64)
    absent = np.zeros((2, 3), dtype=np.int64)
    for image in range(len(in_range)):
        n, area, hit = int(in_range[image]), int(areas[image]), int(hits[image])
        for operator in range(3):
            # Without the concept there is no overlap, and being scene-like changes nothing.
            i, m = _in_image(heuristic, operator, False, pixels, n, area, hit, 0, 0, 0, 0)
            absent[0, operator] += i
            absent[1, operator] += m
            for row in range(indptr[image], indptr[image + 1]):
                both[operator, concepts[row]] -= i
                masks[operator, concepts[row]] -= m
        for row in range(indptr[image], indptr[image + 1]):
            concept = concepts[row]
            boxed = overlap(boxes[image], other_boxes[row])
            solid = overlap(rectangles[image], other_rectangles[row])
            other_area, other_hit = int(other_areas[row]), int(other_hits[row])
            for operator in range(3):
                i, m = _in_image(
                    heuristic,
                    operator,
                    scene[concept],
                    pixels,
                    n,
                    area,
                    hit,
                    other_area,
                    other_hit,
                    boxed,
                    solid,
                )
                both[operator, concept] += i
                masks[operator, concept] += m
    for operator in range(3):
        both[operator] += absent[0, operator]
        masks[operator] += absent[1, operator]
    return both, masks


@kernel
def _in_image(
    heuristic: int,
    operator: int,
    scene: bool,
    pixels: int,
    n: int,
    left: int,
    left_hits: int,
    right: int,
    right_hits: int,
    boxed: int,
    solid: int,
) -> tuple[int, int]:
    """``I`` and ``M`` of one image; ``boxed`` and ``solid`` are overlaps of boxes, rectangles."""
    if heuristic == AREAS:
        if operator == OR:
            return min(n, left + right), 0
        if operator == AND:
            return min(n, left, right), 0
        return min(n, left, pixels - right), 0
    if operator == OR:
        both = min(n, left_hits + right_hits)
        return both, max(left, right, left + right - boxed, both)
    if operator == AND:
        both = min(left_hits, right_hits)
        return both, min(left, right) if scene else max(solid, both)
    both = min(left_hits, n - right_hits)
    return both, max(left - boxed, both)


@kernel
def count_range_by_image(
    per_local: NDArray[np.int32],
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    row_indptr: NDArray[np.int64],
    concepts: NDArray[np.uint16],
    n_concepts: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Count a range's pixels by image and by row of ``Shapes``; see ``RangeByImage``."""
    in_range = np.zeros(len(offsets) - 1, dtype=np.int32)
    of_concepts = np.zeros(len(concepts), dtype=np.int32)
    row_of = np.zeros(n_concepts, dtype=np.int64)
    for image in range(len(offsets) - 1):
        for row in range(row_indptr[image], row_indptr[image + 1]):
            row_of[concepts[row]] = row
        for local in range(offsets[image], offsets[image + 1]):
            found = per_local[local]
            if found == 0:
                continue
            in_range[image] += found
            for entry in range(indptr[local_sets[local]], indptr[local_sets[local] + 1]):
                of_concepts[row_of[labels[entry]]] += found
    return in_range, of_concepts
