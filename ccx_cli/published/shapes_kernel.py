"""The compiled passes over the pixels that find boxes and largest rectangles.

Boxes and rectangles are half-open, ``(top, left, bottom, right)``, all zero where there is nothing.
``maps`` and ``offsets`` are those of ``ConceptIndex``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel

Maps = NDArray[np.uint8] | NDArray[np.uint16]
Boxes = NDArray[np.uint16]


@kernel
def box_local_rows(maps: Maps, offsets: NDArray[np.int64], width: int) -> Boxes:
    """Box the pixels of every row of the images' tables, ``(n_local, 4)``."""
    boxes = np.zeros((offsets[-1] - offsets[0], 4), dtype=np.uint16)
    for image in range(maps.shape[0]):
        base = offsets[image] - offsets[0]
        for pixel in range(maps.shape[1]):
            grow_box(boxes[base + maps[image, pixel]], pixel // width, pixel % width, 1, 1)
    return boxes


@kernel
def grow_box(box: Boxes, top: int, left: int, height: int, width: int) -> None:
    """Stretch a box, in place, over another."""
    bottom, right = top + height, left + width
    if box[2] == 0:
        box[0], box[1], box[2], box[3] = top, left, bottom, right
        return
    if top < box[0]:
        box[0] = top
    if left < box[1]:
        box[1] = left
    if bottom > box[2]:
        box[2] = bottom
    if right > box[3]:
        box[3] = right


@kernel
def overlap(a: Boxes, b: Boxes) -> int:
    """Count the pixels in both of two boxes."""
    # With a sign: what is below zero would be a large number.
    height = int(np.int64(min(a[2], b[2])) - np.int64(max(a[0], b[0])))
    width = int(np.int64(min(a[3], b[3])) - np.int64(max(a[1], b[1])))
    return max(0, height) * max(0, width)


@kernel
def find_largest_rectangle(
    inside: NDArray[np.bool_],
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    width: int,
    box: Boxes,
    heights: NDArray[np.int64],
    starts: NDArray[np.int64],
    levels: NDArray[np.int64],
    found: Boxes,
) -> None:
    """Write the largest rectangle of pixels that are all inside to ``found``.

    Every row of pixels is a histogram of how far the mask reaches up from it; a stack of rising
    bars gives the largest rectangle under a histogram in one pass. The first found of equals stays.

    ``pixels``, ``(height * width,)``, are rows of the image's table, and ``inside`` tells which of
    these are in the mask, whose box is ``box``. ``heights``, ``starts`` and ``levels``,
    ``(width + 1,)`` each, are room to work in.
    """
    top, left = int(np.int64(box[0])), int(np.int64(box[1]))
    bottom, right = int(np.int64(box[2])), int(np.int64(box[3]))
    best = 0
    heights[left : right + 1] = 0
    for y in range(top, bottom):
        run, tallest = left, 0
        for x in range(left, right + 1):
            if x < right and inside[pixels[y * width + x]]:
                heights[x] += 1
                tallest = max(tallest, int(heights[x]))
                continue
            heights[x] = 0
            # No rectangle under this run of bars is larger than the box around them.
            if (x - run) * tallest > best:
                depth = 0
                for end in range(run, x + 1):
                    height = heights[end]
                    start = end
                    while depth > 0 and levels[depth - 1] > height:
                        depth -= 1
                        start = starts[depth]
                        area = levels[depth] * (end - start)
                        if area > best:
                            best = area
                            found[0], found[1] = y + 1 - levels[depth], start
                            found[2], found[3] = y + 1, end
                    if height > 0 and (depth == 0 or levels[depth - 1] < height):
                        starts[depth] = start
                        levels[depth] = height
                        depth += 1
            run, tallest = x + 1, 0


@kernel
def shape_mask(
    maps: Maps,
    offsets: NDArray[np.int64],
    inside: NDArray[np.bool_],
    local_totals: NDArray[np.int32],
    local_boxes: Boxes,
    width: int,
    with_rectangles: bool,
) -> tuple[NDArray[np.int32], Boxes, Boxes]:
    """Measure one mask in every image: areas ``(n_images,)``, boxes, rectangles ``(n_images, 4)``.

    ``inside``, ``(n_local,)``, tells which rows of the images' tables are in the mask. Without
    rectangles, these stay zero and no pixel is looked at.
    """
    n_images = maps.shape[0]
    areas = np.zeros(n_images, dtype=np.int32)
    boxes = np.zeros((n_images, 4), dtype=np.uint16)
    rectangles = np.zeros((n_images, 4), dtype=np.uint16)
    heights = np.empty(width + 1, dtype=np.int64)
    starts = np.empty(width + 1, dtype=np.int64)
    levels = np.empty(width + 1, dtype=np.int64)
    for image in range(n_images):
        box = boxes[image]
        for row in range(offsets[image], offsets[image + 1]):
            if inside[row]:
                areas[image] += local_totals[row]
                other = local_boxes[row]
                grow_box(box, other[0], other[1], other[2] - other[0], other[3] - other[1])
        if with_rectangles and areas[image] > 0:
            if areas[image] == overlap(box, box):
                rectangles[image] = box
            else:
                find_largest_rectangle(
                    inside[offsets[image] : offsets[image + 1]], maps[image], width, box, heights,
                    starts, levels, rectangles[image],
                )  # fmt: skip
    return areas, boxes, rectangles
