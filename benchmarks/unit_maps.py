"""Maps of units that go with a dataset made by ``python -m benchmarks.ade20k_size``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CELL, GRID = 16, 7  # pixels of the mask grid a cell of a map covers, cells across

Seed = int | Sequence[int]


@dataclass(frozen=True)
class Cells:
    """What ``cells.npz`` holds: entries ``starts[i]`` to ``starts[i + 1]`` are of ``labels[i]``."""

    images: int
    labels: NDArray[np.int32]
    starts: NDArray[np.int64]
    image: NDArray[np.int32]
    cell: NDArray[np.uint8]
    pixels: NDArray[np.uint16]  # of the 256 of the cell


@cache
def read_cells(dataset_dir: Path) -> Cells:
    """Read ``cells.npz`` of a made-up dataset."""
    with np.load(dataset_dir / "cells.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Cells(images=int(arrays.pop("images")), **arrays)


def common_objects(dataset_dir: Path) -> NDArray[np.int32]:
    """Return the label numbers of all objects that occur, those of most cells first."""
    cells = read_cells(dataset_dir)
    return cells.labels[np.argsort(-np.diff(cells.starts), kind="stable")]


def object_unit(dataset_dir: Path, label: int, seed: Seed) -> NDArray[np.float32]:
    """Make the activations after a ReLU of a unit that follows one object.

    Parameters
    ----------
    dataset_dir
        The ``OUT`` that the dataset was written to.
    label
        The number of an object.
    seed
        Of the noise.

    Returns
    -------
    (images, 7, 7) float32: the object's share of each cell of 16x16 pixels times a gain that
    differs by image, plus noise that a ReLU cuts to zero in about nineteen of twenty other cells.

    Raises
    ------
    ValueError
        If no image shows such an object.
    """
    cells = read_cells(dataset_dir)
    position = int(np.searchsorted(cells.labels, label))
    if position == len(cells.labels) or cells.labels[position] != label:
        raise ValueError(f"No image of {dataset_dir} shows object {label}; see common_objects().")
    rng = np.random.default_rng(seed)
    unit = rng.normal(-0.8, 0.5, (cells.images, GRID * GRID)).astype(np.float32)
    gain = 4 * np.exp(rng.normal(0, 0.3, cells.images))
    shown = slice(cells.starts[position], cells.starts[position + 1])
    share = cells.pixels[shown] / CELL**2
    unit[cells.image[shown], cells.cell[shown]] += gain[cells.image[shown]] * share
    return np.asarray(np.maximum(unit, 0).reshape(-1, GRID, GRID))


def noise_unit(images: int, seed: Seed) -> NDArray[np.float32]:
    """Make the activations after a ReLU of a unit that responds to nothing: (images, 7, 7) float32.

    A smooth normal field, shifted so that 40 to 60 % of the cells are zero.
    """
    rng = np.random.default_rng(seed)
    coarse = np.linspace(0, 3, GRID)[:, None] - np.arange(4)
    blend = np.maximum(1 - np.abs(coarse), 0)
    blend /= np.linalg.norm(blend, axis=1, keepdims=True)
    smooth = np.einsum("yi,xj,nij->nyx", blend, blend, rng.standard_normal((images, 4, 4)))
    field = 0.9 * smooth + 0.19**0.5 * rng.standard_normal((images, GRID, GRID))
    shift = NormalDist().inv_cdf(rng.uniform(0.4, 0.6))
    return np.asarray(np.maximum(field - shift, 0), np.float32)


def benchmark_unit(dataset_dir: Path, position: int, count: int, seed: int) -> NDArray[np.float32]:
    """Make one of ``count`` units, by turns one that follows an object and one of noise.

    The objects go from the most common to the 100th, in equal ratios of rank.

    Returns (images, 7, 7) float32.
    """
    if position % 2:
        return noise_unit(read_cells(dataset_dir).images, (seed, position))
    objects = common_objects(dataset_dir)
    ranks = np.geomspace(1, min(100, len(objects)), (count + 1) // 2).astype(int) - 1
    return object_unit(dataset_dir, int(objects[ranks[position // 2]]), (seed, position))
