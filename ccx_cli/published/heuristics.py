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

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.estimates import AREAS, CFH, MMESH, count_range_by_image, sum_extensions
from ccx_cli.published.shapes import MaskShapes, Shapes

DECIMALS = 4


class Heuristic(StrEnum):
    """The published heuristics."""

    MMESH = "mmesh"
    CFH = "cfh"
    AREAS = "areas"
    NONE = "none"


_CODES = {Heuristic.MMESH: MMESH, Heuristic.CFH: CFH, Heuristic.AREAS: AREAS}


@dataclass(frozen=True, slots=True)
class Side:
    """One side of an operator, image by image.

    Attributes
    ----------
    shapes
        Area, box and largest rectangle of its mask.
    in_range
        ``(n_images,)`` int32, its pixels in range.
    """

    shapes: MaskShapes
    in_range: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RangeByImage:
    """A range's pixels, image by image.

    Attributes
    ----------
    in_range
        ``(n_images,)`` int32, all of them.
    of_concepts
        ``(n_rows,)`` int32, those of each concept in each image, in the rows of ``Shapes``.
    """

    in_range: NDArray[np.int32]
    of_concepts: NDArray[np.int32]


def range_by_image(
    index: ConceptIndex, shapes: Shapes, per_local: NDArray[np.int32]
) -> RangeByImage:
    """Count a range's pixels by image, and by concept in it.

    Parameters
    ----------
    index, shapes
        The data set.
    per_local
        ``(n_local,)`` int32, pixels in range by row of the images' tables.
    """
    return RangeByImage(
        *count_range_by_image(
            per_local,
            index.offsets,
            index.local_sets,
            index.sets.indptr,
            index.sets.labels,
            shapes.indptr,
            shapes.concepts,
            len(index.concepts),
        )
    )


def estimate(
    name: str,
    operator: Operator,
    left: Side,
    right: Side,
    in_range: NDArray[np.int32],
    pixels: int,
) -> float:
    """Estimate the IoU of ``left operator right``.

    Parameters
    ----------
    name
        A ``Heuristic``.
    operator
        What joins the sides.
    left, right
        The sides; ``areas`` needs no boxes, and rectangles are for AND of ``mmesh`` only.
    in_range
        ``(n_images,)`` int32, ``|N|``.
    pixels
        Of an image.

    Returns
    -------
    The estimate, rounded to 4 decimals; ``cfh`` and ``areas`` can exceed 1 and be infinite.

    Raises
    ------
    ValueError
        If there is no such heuristic.
    """
    images = np.arange(len(in_range) + 1, dtype=np.int64)
    one = Shapes(
        indptr=images,
        concepts=np.zeros(len(in_range), dtype=np.uint16),
        areas=right.shapes.areas,
        boxes=right.shapes.boxes,
        rectangles=right.shapes.rectangles,
        scene_like=np.array([right.shapes.scene_like(pixels)]),
        local_boxes=np.zeros((0, 4), dtype=np.int16),
    )
    found = estimate_extensions(name, left, one, RangeByImage(in_range, right.in_range), pixels)
    return float(found[operator, 0])


def estimate_extensions(
    name: str, left: Side, shapes: Shapes, counts: RangeByImage, pixels: int
) -> NDArray[np.float64]:
    """Estimate the IoU of ``left`` joined by every operator to every concept, in one pass.

    Parameters
    ----------
    name
        A ``Heuristic``.
    left
        The formula to extend.
    shapes, counts
        Of the concepts.
    pixels
        Of an image.

    Returns
    -------
    ``(3, n_concepts)`` float64, operators in the order of ``Operator``, rounded to 4 decimals.

    Raises
    ------
    ValueError
        If there is no such heuristic.
    """
    n_concepts = len(shapes.scene_like)
    heuristic = Heuristic(name)
    if heuristic is Heuristic.NONE:
        return np.full((len(Operator), n_concepts), np.inf)
    scene = shapes.scene_like | left.shapes.scene_like(pixels)
    both, masks = sum_extensions(
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
