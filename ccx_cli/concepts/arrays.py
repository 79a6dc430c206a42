"""Concept indexes of labels that are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccx_cli.concepts.broden_csv import LARGEST_LABEL, LARGEST_SIDE, MOST_PIXELS, Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import collapse_image, concatenate, merge_tables
from ccx_cli.errors import UsageError


def index_of_label_maps(label_maps: ArrayLike, names: Mapping[int, str]) -> ConceptIndex:
    """Index label maps; ``names`` are by label number, 0 is no label.

    ``label_maps`` are ``(n_images, height, width)`` or ``(n_images, n_layers, height, width)``
    whole numbers. Raises ``UsageError`` if they are not, or a number has no name.
    """
    given = maps = np.asarray(label_maps)
    if maps.ndim == 3:
        maps = maps[:, None]
    if maps.ndim != 4 or 0 in maps.shape or maps.dtype.kind not in "iub":
        raise UsageError(
            "label_maps must be (images, height, width) or (images, layers, height, width) whole "
            f"numbers, not {given.dtype} {given.shape}."
        )
    present = set(np.unique(maps).tolist()) - {0}
    unnamed = sorted(present - set(names))
    if unnamed:
        raise UsageError(f"label_maps holds the number {unnamed[0]}, which names does not have.")
    if any(not 0 < number <= LARGEST_LABEL for number in names):
        raise UsageError(f"The numbers of names must be from 1 to {LARGEST_LABEL}.")
    return _index((image.astype(np.uint16) for image in maps), maps.shape[2:], names)


def index_of_masks(masks: ArrayLike, names: Sequence[str]) -> ConceptIndex:
    """Index ``(n_concepts, n_images, height, width)`` boolean masks, which may overlap.

    Concept ``i`` gets label number ``i + 1``. Raises ``UsageError`` if the array is of another
    shape or kind, or there are not as many names.
    """
    stacked = np.asarray(masks)
    if stacked.ndim != 4 or 0 in stacked.shape[1:] or stacked.dtype != np.bool_:
        raise UsageError(
            "masks must be (concepts, images, height, width) booleans, not "
            f"{stacked.dtype} {stacked.shape}."
        )
    if len(names) != len(stacked) or len(names) > LARGEST_LABEL:
        raise UsageError(f"There are {len(stacked)} masks and {len(names)} names.")
    numbers = np.arange(1, len(stacked) + 1, dtype=np.uint16)[:, None, None]
    images = (numbers * stacked[:, image] for image in range(stacked.shape[1]))
    return _index(images, stacked.shape[2:], dict(enumerate(names, start=1)))


def _index(
    images: Iterable[NDArray[np.uint16]], mask_shape: tuple[int, ...], names: Mapping[int, str]
) -> ConceptIndex:
    """Index images of ``(n_layers, height, width)`` label numbers each."""
    height, width = mask_shape
    if max(mask_shape) > LARGEST_SIDE or height * width > MOST_PIXELS:
        raise UsageError(
            f"Images of {height}x{width} label numbers are too large: they may have "
            f"{LARGEST_SIDE:,} on a side, and {MOST_PIXELS:,} in all."
        )
    none = np.zeros(0, dtype=np.uint16)
    maps, tables = zip(*(collapse_image(layers, none) for layers in images), strict=True)
    table = concatenate(tables)
    sets, local_sets = merge_tables(table)
    return ConceptIndex.assemble(
        sets,
        local_sets,
        table.totals.astype(np.int32),
        np.array([len(each) for each in tables]),
        np.stack(maps),
        (height, width),
        lambda number: Label(number, names[number], "", (), 0, 0.0, ()),
    )
