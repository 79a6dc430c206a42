"""Small labelled image sets, pixel by pixel: what every kernel's plain twin works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray

from ccx_cli.concepts.broden_csv import Label
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import LabelSets

LabelSet = frozenset[int]


def table_of(sets: Sequence[LabelSet], totals: Sequence[int]) -> LabelSets:
    """Label sets in CSR form, without a kernel."""
    lengths = [len(labels) for labels in sets]
    return LabelSets(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array([label for labels in sets for label in sorted(labels)], dtype=np.uint16),
        np.array(totals, dtype=np.int64),
    )


def sets_of(table: LabelSets) -> list[LabelSet]:
    """CSR form back to sets."""
    return [
        frozenset(table.labels[start:stop].tolist())
        for start, stop in zip(table.indptr[:-1], table.indptr[1:], strict=True)
    ]


@dataclass(frozen=True)
class LabelledPixels:
    """Images of ``shape``, each a list of the label sets of its pixels in row order."""

    images: list[list[LabelSet]]
    shape: tuple[int, int]

    @cached_property
    def pixels(self) -> list[LabelSet]:
        """Label sets of all pixels of all images."""
        return [labels for image in self.images for labels in image]

    @cached_property
    def numbers(self) -> list[int]:
        """Label numbers that some pixel carries, ascending."""
        return sorted(frozenset().union(*self.pixels))

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """``(n_concepts, n_pixels)``: which pixels carry which concept."""
        return np.array(
            [[number in labels for labels in self.pixels] for number in self.numbers],
            dtype=np.bool_,
        ).reshape(len(self.numbers), len(self.pixels))

    @cached_property
    def distinct(self) -> list[LabelSet]:
        """Distinct label sets in order of first appearance."""
        return list(dict.fromkeys(self.pixels))

    def hits_by_set(self, in_range: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Pixels in range, ``(n_pixels,)`` bool, counted by distinct label set."""
        places = [self.distinct.index(labels) for labels in self.pixels]
        return np.bincount(
            places, weights=in_range.astype(np.float64), minlength=len(self.distinct)
        ).astype(np.int32)

    def index(self, dtype: DTypeLike = np.uint8) -> ConceptIndex:
        """The concept index, without a kernel."""
        tables = [list(dict.fromkeys(image)) for image in self.images]
        totals = [[i.count(s) for s in t] for i, t in zip(self.images, tables, strict=True)]
        places = {number: place for place, number in enumerate(self.numbers)}
        return ConceptIndex(
            concepts=np.array(self.numbers, dtype=np.uint16),
            sets=table_of(
                [frozenset(places[number] for number in labels) for labels in self.distinct],
                [self.pixels.count(labels) for labels in self.distinct],
            ),
            local_sets=np.array(
                [self.distinct.index(s) for table in tables for s in table], dtype=np.int32
            ),
            local_totals=np.array([n for counts in totals for n in counts], dtype=np.int32),
            offsets=np.cumsum([0, *map(len, tables)]).astype(np.int64),
            maps=np.array(
                [
                    [table.index(labels) for labels in image]
                    for image, table in zip(self.images, tables, strict=True)
                ],
                dtype=dtype,
            ),
            mask_shape=self.shape,
            labels=tuple(Label(n, f"label {n}", "object", (), 0, 0.0, ()) for n in self.numbers),
        )


def random_pixels(
    rng: np.random.Generator, n_images: int, shape: tuple[int, int], numbers: Sequence[int]
) -> LabelledPixels:
    """Images of pixels that carry about three of the labels, from a pool of twenty sets."""
    keep = min(1.0, 3 / len(numbers))
    pool = [frozenset(n for n in numbers if rng.random() < keep) for _ in range(20)]
    size = shape[0] * shape[1]
    return LabelledPixels(
        [[pool[place] for place in rng.integers(0, 20, size)] for _ in range(n_images)], shape
    )


@st.composite
def labelled_pixels(draw: st.DrawFn, most_images: int = 3) -> LabelledPixels:
    """Up to three images of up to 20 pixels over up to six labels, with some empty sets."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 5)))
    label_sets = st.frozensets(st.sampled_from([1, 2, 5, 9, 300, 65535]), max_size=4)
    pool = st.sampled_from(draw(st.lists(label_sets, min_size=1, max_size=6)))
    size = shape[0] * shape[1]
    image = st.lists(pool, min_size=size, max_size=size)
    return LabelledPixels(draw(st.lists(image, min_size=1, max_size=most_images)), shape)
