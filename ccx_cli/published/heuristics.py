"""Heuristics that estimate the IoU of ``L op R`` from per-image numbers of ``L`` and of ``R``.

Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 3.2 and appendix) order
the candidates of a beam step by such estimates and stop early. In every image ``x``, with ``N`` the
pixels in range, ``I`` estimates ``|N & F|`` from above and ``M`` estimates ``|F|`` from below:

=======  ======================================  ================================================
mmesh    ``I``                                   ``M``
=======  ======================================  ================================================
OR       ``min(|N|, |L & N| + |R & N|)``         ``max(|L|, |R|, |L| + |R| - box overlap, I)``
AND      ``min(|L & N|, |R & N|)``               ``max(rectangle overlap, I)``
AND NOT  ``min(|L & N|, |N| - |R & N|)``         ``max(|L| - box overlap, I)``
=======  ======================================  ================================================

and the estimate is ``sum I / (|N| + sum M - sum I)``. Where ``L`` or ``R`` is scene-like (in every
image absent or the whole image), ``M`` of AND is ``min(|L|, |R|)``; OR is exact then.

``cfh`` (coordinate-free) has the same ``I`` and the estimate ``sum I / (|N| - sum I)``, except that
it is ``mmesh`` where a side is scene-like.

``areas`` is ``sum I / (|N| - sum I)`` with ``I`` the smaller of ``|N|`` and ``|L| + |R|`` for OR,
``min(|L|, |R|)`` for AND, ``min(|L|, pixels - |R|)`` for AND NOT. The published program takes the
smaller for OR only, and so cuts good candidates.

``none`` estimates everything as infinite: every candidate is visited.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.shapes import MaskShapes, Shapes
from ccx_cli.published.shapes_kernel import Boxes, overlap

DECIMALS = 4
_MMESH, _CFH, _AREAS = range(3)
_OR, _AND = int(Operator.OR), int(Operator.AND)

_Measures = tuple[NDArray[np.int32], NDArray[np.int32], Boxes, Boxes]


class Heuristic(StrEnum):
    """The published heuristics."""

    MMESH = "mmesh"
    CFH = "cfh"
    AREAS = "areas"
    NONE = "none"


_CODES = {Heuristic.MMESH: _MMESH, Heuristic.CFH: _CFH, Heuristic.AREAS: _AREAS}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an operator: shapes of its mask, pixels in range, ``(n_images,)`` int32."""

    shapes: MaskShapes
    in_range: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RangeByImage:
    """A range's pixels, image by image.

    ``in_range`` are all, ``(n_images,)`` int32, ``of_concepts`` those of each concept in each
    image, ``(n_rows,)`` int32, in the rows of ``Shapes``.
    """

    in_range: NDArray[np.int32]
    of_concepts: NDArray[np.int32]


def range_by_image(
    index: ConceptIndex, shapes: Shapes, per_local: NDArray[np.int32]
) -> RangeByImage:
    """Count a range's pixels by image, and by concept in it.

    ``per_local`` is ``(n_local,)`` int32, pixels in range by row of the images' tables.
    """
    found = _count_range_by_image(
        per_local, index.offsets, index.local_sets, index.sets.indptr, index.sets.labels,
        shapes.indptr, shapes.concepts, len(index.concepts),
    )  # fmt: skip
    return RangeByImage(*found)


def estimate_extensions(
    name: str, left: Side, shapes: Shapes, counts: RangeByImage, pixels: int
) -> NDArray[np.float64]:
    """Estimate the IoU of ``left`` joined by every operator to every concept, in one pass.

    ``name`` is a ``Heuristic``; ``pixels`` are those of an image. Returns ``(3, n_concepts)``
    float64, operators in the order of ``Operator``, rounded to 4 decimals.
    """
    heuristic = Heuristic(name)
    if heuristic is Heuristic.NONE:
        return np.full((len(Operator), len(shapes.scene_like)), np.inf)
    scene = shapes.scene_like | left.shapes.scene_like(pixels)
    both, masks = _sum_extensions(
        _CODES[heuristic],
        (left.shapes.areas, left.in_range, left.shapes.boxes, left.shapes.rectangles),
        shapes.indptr,
        shapes.concepts,
        (shapes.areas, counts.of_concepts, shapes.boxes, shapes.rectangles),
        scene,
        counts.in_range,
        pixels,
    )
    in_range = int(counts.in_range.sum(dtype=np.int64))
    with_masks = scene if heuristic is Heuristic.CFH else heuristic is Heuristic.MMESH
    with np.errstate(divide="ignore"):
        estimates = both / (in_range - both + np.where(with_masks, masks, 0))
    rounded: NDArray[np.float64] = np.round(estimates, DECIMALS)
    return rounded


@kernel
def _sum_extensions(
    heuristic: int,
    left: _Measures,
    indptr: NDArray[np.int64],
    concepts: NDArray[np.uint16],
    right: _Measures,
    scene: NDArray[np.bool_],
    in_range: NDArray[np.int32],
    pixels: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum ``I`` and ``M`` over the images, ``(3, n_concepts)`` each.

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
                    heuristic, operator, scene[concept], pixels, n, area, hit, other_area,
                    other_hit, boxed, solid,
                )  # fmt: skip
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
    if heuristic == _AREAS:
        if operator == _OR:
            return min(n, left + right), 0
        if operator == _AND:
            return min(n, left, right), 0
        return min(n, left, pixels - right), 0
    if operator == _OR:
        both = min(n, left_hits + right_hits)
        return both, max(left, right, left + right - boxed, both)
    if operator == _AND:
        both = min(left_hits, right_hits)
        return both, min(left, right) if scene else max(solid, both)
    both = min(left_hits, n - right_hits)
    return both, max(left - boxed, both)


@kernel
def _count_range_by_image(
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
