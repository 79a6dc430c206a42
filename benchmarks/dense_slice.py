"""The first images of a dataset twice: as dense masks, and as the index of the same masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset, Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.concepts.label_sets import LabelSets, collapse_image, concatenate, merge_tables
from ccx_cli.probe.ranges import Range


@dataclass(frozen=True)
class Slice:
    """Some images and some concepts.

    Attributes
    ----------
    labels
        The concepts, by ascending number.
    masks
        ``(n_concepts, n_images, height * width)`` bool.
    mask_shape
        ``(height, width)``.
    """

    labels: tuple[Label, ...]
    masks: NDArray[np.bool_]
    mask_shape: tuple[int, int]

    def index(self) -> ConceptIndex:
        """Collapse the masks; a concept is its position in ``labels``."""
        n_images, n_pixels = self.masks.shape[1:]
        maps = np.empty((n_images, n_pixels), dtype=np.uint16)
        tables = []
        for image in range(n_images):
            carried = np.flatnonzero(self.masks[:, image].any(axis=1)).astype(np.uint16)
            # Label 0 is none, so an index goes in as the next number and comes out again below.
            layers = self.masks[carried, image] * (carried[:, None] + np.uint16(1))
            maps[image], table = collapse_image(
                layers.reshape(-1, *self.mask_shape), np.zeros(0, np.uint16)
            )
            tables.append(table)
        table = concatenate(tables)
        sets, local_sets = merge_tables(table)
        starts = np.cumsum([len(each) for each in tables])
        return ConceptIndex(
            concepts=np.array([label.number for label in self.labels], dtype=np.uint16),
            sets=LabelSets(sets.indptr, sets.labels - np.uint16(1), sets.totals),
            local_sets=local_sets,
            local_totals=table.totals.astype(np.int32),
            offsets=np.append(0, starts).astype(np.int64),
            maps=maps,
            mask_shape=self.mask_shape,
            labels=self.labels,
        )


def cut_slice(dataset: BrodenDataset, images: int, concepts: int) -> Slice:
    """Take the first images, and the concepts that most of them carry."""
    rows = dataset.rows[:images]
    layers = [read_label_maps(dataset, row) for row in rows]
    found = [
        (set(np.unique(each).tolist()) | set(row.labels)) - {0}
        for each, row in zip(layers, rows, strict=True)
    ]
    counts = Counter(number for numbers in found for number in sorted(numbers))
    numbers = sorted(number for number, _ in counts.most_common(concepts))
    height, width = dataset.mask_shape
    masks = np.zeros((len(numbers), len(rows), height * width), dtype=np.bool_)
    for image, (each, row) in enumerate(zip(layers, rows, strict=True)):
        for position, number in enumerate(numbers):
            if number in found[image]:
                whole = number in row.labels
                masks[position, image] = whole or (each == number).any(axis=0).ravel()
    labels = tuple(dataset.label(number) for number in numbers)
    return Slice(labels, masks, dataset.mask_shape)


def bitmaps(
    maps: NDArray[np.float32], ranges: Sequence[Range], mask_shape: tuple[int, int]
) -> list[torch.Tensor]:
    """Upsample one unit's maps and compare: per range ``(n_images, height * width)`` bool."""
    upsampled = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None], size=mask_shape, mode="bilinear", align_corners=False
    )[0].flatten(1)
    return [(upsampled > each.lower) & (upsampled < each.upper) for each in ranges]
