"""Label sets: pixels collapse to the distinct sets of concepts they carry.

A formula cannot tell two pixels with the same set apart, so a dataset is, without loss, its
distinct label sets and how many pixels have each (multi-label learning calls this the label
powerset).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.errors import CcxError

PixelCounts = NDArray[np.int32] | NDArray[np.int64]
"""Pixels of some label sets, of ``LabelSets.hits_type``."""


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Distinct label sets in CSR form."""

    indptr: NDArray[np.int64]
    """``(n_sets + 1,)``: set ``s`` is ``labels[indptr[s]:indptr[s + 1]]``."""

    labels: NDArray[np.uint16]
    """``(n_entries,)``, ascending within a set."""

    totals: NDArray[np.int64]
    """``(n_sets,)``: pixels that carry exactly this set."""

    def __len__(self) -> int:
        return len(self.totals)

    def of_rows(
        self, row_sets: NDArray[np.int32], totals: NDArray[np.integer]
    ) -> tuple[LabelSets, NDArray[np.int32]]:
        """Keep the sets that some rows name, in their order here, with the rows' pixels.

        ``row_sets`` is each row's set, ``totals`` its pixels, both ``(n_rows,)``. Also returns the
        index of each row's set among those kept.
        """
        named, kept_sets = np.unique(row_sets, return_inverse=True)
        indptr, labels = _take_sets(self.indptr, self.labels, named.astype(np.int32))
        summed = np.bincount(kept_sets, weights=totals, minlength=len(named)).astype(np.int64)
        return LabelSets(indptr, labels, summed), kept_sets.astype(np.int32)

    @property
    def hits_type(self) -> type[np.signedinteger[Any]]:
        """What counts pixels of a set: int32, int64 only where some set has more."""
        return np.int32 if self.totals.max(initial=0) < 1 << 31 else np.int64

    def lengths(self) -> NDArray[np.int64]:
        """How many labels each set has, ``(n_sets,)``."""
        return np.diff(self.indptr)


@dataclass(frozen=True, slots=True)
class Postings:
    """For every concept the label sets that carry it: the transpose of ``LabelSets``."""

    indptr: NDArray[np.int64]
    """``(n_concepts + 1,)``."""

    sets: NDArray[np.int32]
    """``(n_entries,)``, ascending for each concept."""

    @classmethod
    def transpose(cls, sets: LabelSets, n_concepts: int) -> Postings:
        """List the sets of each concept."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(sets.labels, minlength=n_concepts))])
        rows = np.repeat(np.arange(len(sets), dtype=np.int32), sets.lengths())
        return cls(starts.astype(np.int64), rows[np.argsort(sets.labels, kind="stable")])

    def of(self, concept: int) -> NDArray[np.int32]:
        """Label sets that carry ``concept``."""
        return self.sets[self.indptr[concept] : self.indptr[concept + 1]]


def collapse_image(
    layers: NDArray[np.uint16], image_labels: NDArray[np.uint16]
) -> tuple[NDArray[np.uint16], LabelSets]:
    """Collapse one image's label maps to its local table of label sets.

    Parameters
    ----------
    layers
        ``(n_layers, height, width)`` label numbers, 0 for none.
    image_labels
        Labels that every pixel carries.

    Returns
    -------
    local
        ``(height * width,)``: for every pixel, in row order, its set's row in the table.
    table
        The distinct sets in order of first appearance, with their pixels.
    """
    pixels = layers.reshape(len(layers), layers.shape[1] * layers.shape[2])
    combination, firsts = _combinations(pixels)
    indptr, labels = _gather_sets(pixels, firsts, np.unique(image_labels))
    row_sets, chosen = _distinct_sets(indptr, labels)
    local = row_sets[combination].astype(np.uint16)
    indptr, labels = _take_sets(indptr, labels, chosen)
    totals = np.bincount(local, minlength=len(chosen)).astype(np.int64)
    return local, LabelSets(indptr, labels, totals)


def merge_tables(table: LabelSets) -> tuple[LabelSets, NDArray[np.int32]]:
    """Merge the equal sets of a long table, such as all images' local tables one after another.

    Returns
    -------
    sets
        The distinct sets in order of first appearance, with summed totals.
    row_sets
        ``(n_rows,)`` int32: the index of each row's set in ``sets``.

    Raises
    ------
    CcxError
        If there are more rows than 32 bits number.
    """
    if len(table) > np.iinfo(np.int32).max:
        raise CcxError(
            f"The images have {len(table):,} label sets in all, each counted in every image that "
            f"has it, more than the {np.iinfo(np.int32).max:,} that an index holds: take a "
            "smaller `subset`, or smaller label PNGs."
        )
    row_sets, chosen = _distinct_sets(table.indptr, table.labels)
    indptr, labels = _take_sets(table.indptr, table.labels, chosen)
    summed = np.zeros(len(chosen), dtype=np.int64)
    np.add.at(summed, row_sets, table.totals)
    return LabelSets(indptr, labels, summed), row_sets


def concatenate(tables: Sequence[LabelSets]) -> LabelSets:
    """Put tables one after another; equal sets may recur."""
    lengths = np.concatenate([table.lengths() for table in tables])
    return LabelSets(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.totals for table in tables]),
    )


@kernel
def count_images(
    offsets: NDArray[np.int64],
    local_sets: NDArray[np.int32],
    indptr: NDArray[np.int64],
    labels: NDArray[np.uint16],
    n_concepts: int,
) -> NDArray[np.int64]:
    """Count the images that carry each concept, ``(n_concepts,)``; see ``ConceptIndex``."""
    counts = np.zeros(n_concepts, dtype=np.int64)
    last_seen = np.full(n_concepts, -1, dtype=np.int64)
    for image in range(len(offsets) - 1):
        for row in range(offsets[image], offsets[image + 1]):
            for entry in range(indptr[local_sets[row]], indptr[local_sets[row] + 1]):
                if last_seen[labels[entry]] != image:
                    last_seen[labels[entry]] = image
                    counts[labels[entry]] += 1
    return counts


@kernel
def _combinations(
    layers: NDArray[np.uint16],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the distinct columns by first appearance; also each one's first pixel."""
    n_layers, n_pixels = layers.shape
    numbers = np.zeros(n_pixels, dtype=np.int32)
    size = 1
    while size < 2 * n_pixels:
        size *= 2
    keys = np.empty(size, dtype=np.int64)
    values = np.empty(size, dtype=np.int32)
    count = 1
    for layer in range(n_layers):
        keys[:] = -1
        count = 0
        for pixel in range(n_pixels):
            key = np.int64(numbers[pixel]) * 65536 + np.int64(layers[layer, pixel])
            slot = ((key * np.int64(0x9E3779B1)) >> 12) & (size - 1)
            while keys[slot] != -1 and keys[slot] != key:
                slot = (slot + 1) & (size - 1)
            if keys[slot] == -1:
                keys[slot] = key
                values[slot] = count
                count += 1
            numbers[pixel] = values[slot]
    firsts = np.full(count, -1, dtype=np.int32)
    for pixel in range(n_pixels):
        if firsts[numbers[pixel]] == -1:
            firsts[numbers[pixel]] = pixel
    return numbers, firsts


@kernel
def _gather_sets(
    layers: NDArray[np.uint16], pixels: NDArray[np.int32], image_labels: NDArray[np.uint16]
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Make the sorted label set of each of ``pixels``, as ``indptr`` and ``labels``."""
    n_layers = layers.shape[0]
    n_image_labels = len(image_labels)
    indptr = np.zeros(len(pixels) + 1, dtype=np.int64)
    labels = np.empty(len(pixels) * (n_layers + n_image_labels), dtype=np.uint16)
    end = 0
    for row in range(len(pixels)):
        start = end
        for item in range(n_layers + n_image_labels):
            whole = item - n_layers
            label = layers[item, pixels[row]] if whole < 0 else image_labels[whole]
            if label == 0:
                continue
            slot = end
            while slot > start and labels[slot - 1] > label:
                slot -= 1
            if slot > start and labels[slot - 1] == label:
                continue
            for moved in range(end, slot, -1):
                labels[moved] = labels[moved - 1]
            labels[slot] = label
            end += 1
        indptr[row + 1] = end
    return indptr, labels[:end].copy()


@kernel
def _distinct_sets(
    indptr: NDArray[np.int64], labels: NDArray[np.uint16]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the rows' sets by first appearance; also the first row of each distinct one.

    A hash only finds the slot: rows count as equal when their labels are.
    """
    n_rows = len(indptr) - 1
    size = 1
    while size < 2 * n_rows + 2:
        size *= 2
    slots = np.full(size, -1, dtype=np.int32)
    row_sets = np.empty(n_rows, dtype=np.int32)
    chosen = np.empty(n_rows, dtype=np.int32)
    count = 0
    for row in range(n_rows):
        start, end = indptr[row], indptr[row + 1]
        mixed = np.uint64(1469598103934665603)
        for entry in range(start, end):
            mixed = (mixed ^ np.uint64(labels[entry])) * np.uint64(1099511628211)
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed & np.uint64(size - 1))
        while True:
            other = slots[slot]
            if other == -1:
                slots[slot] = count
                chosen[count] = row
                row_sets[row] = count
                count += 1
                break
            candidate = chosen[other]
            if indptr[candidate + 1] - indptr[candidate] == end - start:
                same = True
                for offset in range(end - start):
                    if labels[indptr[candidate] + offset] != labels[start + offset]:
                        same = False
                        break
                if same:
                    row_sets[row] = other
                    break
            slot = (slot + 1) & (size - 1)
    return row_sets, chosen[:count].copy()


def _take_sets(
    indptr: NDArray[np.int64], labels: NDArray[np.uint16], rows: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Copy the sets of ``rows`` into a table of their own."""
    lengths = np.diff(indptr)[rows]
    taken = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    entries = np.arange(taken[-1]) + np.repeat(indptr[rows] - taken[:-1], lengths)
    return taken, labels[entries]
