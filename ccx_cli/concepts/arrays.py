"""Concept indexes of labels that are in memory already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ccx_cli.concepts.broden_csv import Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import LabelSets, collapse_image, concatenate, merge_tables
from ccx_cli.errors import UsageError

LARGEST = 65535


def index_of_label_maps(label_maps: ArrayLike, names: Mapping[int, str]) -> ConceptIndex:
    """Index label maps.

    Parameters
    ----------
    label_maps
        ``(n_images, height, width)`` or ``(n_images, n_layers, height, width)`` whole numbers, 0
        for no label.
    names
        Label number to name.

    Raises
    ------
    UsageError
        If the array is of another shape or kind, or holds a number without a name.
    """
    given = maps = np.asarray(label_maps)
    if maps.ndim == 3:
        maps = maps[:, None]
    if maps.ndim != 4 or 0 in maps.shape or maps.dtype.kind not in "iub":
        raise UsageError(
            "label_maps has to be (images, height, width) or (images, layers, height, width) whole "
            f"numbers, not {given.dtype} {given.shape}."
        )
    present = set(np.unique(maps).tolist()) - {0}
    unnamed = sorted(present - set(names))
    if unnamed:
        raise UsageError(f"label_maps holds the number {unnamed[0]}, which names does not have.")
    if any(not 0 < number <= LARGEST for number in names):
        raise UsageError(f"The numbers of names have to lie between 1 and {LARGEST}.")
    tables = []
    rows = []
    for image in maps:
        local, table = collapse_image(image.astype(np.uint16), np.zeros(0, dtype=np.uint16))
        rows.append(local)
        tables.append(table)
    return _index(rows, tables, (maps.shape[2], maps.shape[3]), names)


def index_of_masks(masks: ArrayLike, names: Sequence[str]) -> ConceptIndex:
    """Index boolean masks, which may overlap.

    Parameters
    ----------
    masks
        ``(n_concepts, n_images, height, width)`` bool; concept ``i`` gets label number ``i + 1``.
    names
        Its ``n_concepts`` names.

    Raises
    ------
    UsageError
        If the array is of another shape or kind, or the names are not as many.
    """
    stacked = np.asarray(masks)
    if stacked.ndim != 4 or 0 in stacked.shape[1:] or stacked.dtype != np.bool_:
        raise UsageError(
            "masks has to be (concepts, images, height, width) booleans, not "
            f"{stacked.dtype} {stacked.shape}."
        )
    if len(names) != len(stacked) or len(names) > LARGEST:
        raise UsageError(f"There are {len(stacked)} masks and {len(names)} names.")
    numbers = np.arange(1, len(stacked) + 1, dtype=np.uint16)[:, None, None]
    tables = []
    rows = []
    for image in range(stacked.shape[1]):
        local, table = collapse_image(
            np.where(stacked[:, image], numbers, np.uint16(0)), np.zeros(0, dtype=np.uint16)
        )
        rows.append(local)
        tables.append(table)
    return _index(
        rows, tables, (stacked.shape[2], stacked.shape[3]), dict(enumerate(names, start=1))
    )


def _index(
    rows: list[NDArray[np.uint16]],
    tables: list[LabelSets],
    mask_shape: tuple[int, int],
    names: Mapping[int, str],
) -> ConceptIndex:
    table = concatenate(tables)
    sets, local_sets = merge_tables(table.indptr, table.labels, table.totals)
    concepts, places = np.unique(sets.labels, return_inverse=True)
    lengths = [len(each) for each in tables]
    return ConceptIndex(
        concepts=concepts.astype(np.uint16),
        sets=LabelSets(sets.indptr, places.astype(np.uint16), sets.totals),
        local_sets=local_sets,
        local_totals=table.totals.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        maps=np.stack(rows),
        mask_shape=mask_shape,
        labels=tuple(
            Label(int(number), names[int(number)], "", (), 0, 0.0, ()) for number in concepts
        ),
    )
