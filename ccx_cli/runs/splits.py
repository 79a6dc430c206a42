"""The concepts of the images that are searched: all, or those that the dataset marks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.probe.activation_sums import ActivationSummer
from ccx_cli.progress import Progress
from ccx_cli.runs.preparing import Inputs, prepare_index
from ccx_cli.search.counts import DataCounts


@dataclass(frozen=True)
class Split:
    """Images marked ``name`` to search, and others, indexed ``elsewhere``, to score on as well."""

    name: str
    images: NDArray[np.int64]
    held_out: NDArray[np.int64]
    elsewhere: ConceptIndex


@dataclass(frozen=True, slots=True)
class Concepts:
    """The concepts of the images that are searched, the same for all layers on one dataset."""

    index: ConceptIndex
    counts: DataCounts
    split: Split | None
    summer: ActivationSummer
    """Of all layers: what it keeps for maps of one size is large."""


def prepare_concepts(
    inputs: Inputs, split: str | None, progress: Progress, *, soft_memory: int | None = None
) -> Concepts:
    """Make what the concept index lacks, load it, and part it where a ``split`` is searched."""
    index = prepare_index(inputs, progress, soft_memory=soft_memory)
    return part_concepts(index, inputs.dataset, split)


def part_concepts(index: ConceptIndex, dataset: BrodenDataset, split: str | None) -> Concepts:
    """Part the concepts of a dataset where only a ``split`` is searched."""
    if split is None:
        return Concepts(index, DataCounts(index), None, ActivationSummer(index))
    images, others = split_images(dataset, split)
    parted = Split(split, images, others, index.of_images(others))
    index = index.of_images(images)
    return Concepts(index, DataCounts(index), parted, ActivationSummer(index))


def split_images(dataset: BrodenDataset, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the images that the dataset marks ``name``, and of the others."""
    marks = np.array([row.split for row in dataset.rows])
    images, others = np.flatnonzero(marks == name), np.flatnonzero(marks != name)
    if not len(images) or not len(others):
        known = ", ".join(sorted(set(marks.tolist())))
        raise UsageError(
            f"`split` {name} leaves no images to search or none to score on: the images are "
            f"marked {known}."
        )
    return images, others
