"""Precomputed activations: what a file holds, and its import into the activations cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.errors import DamagedDataError, MissingInputError, UsageError
from ccx_cli.probe.activation_shards import (
    ShardWriter,
    covers,
    images_per_shard,
    images_together,
    missing_spans,
)
from ccx_cli.probe.array_files import NPZ, ArrayFile, open_array, shape_text
from ccx_cli.probe.given_activations import Axes, PrecomputedActivations
from ccx_cli.probe.sparse_files import SparseFile, open_sparse, read_sparse
from ccx_cli.probe.sparse_maps import SparseBatch
from ccx_cli.progress import Progress
from ccx_cli.store.known_files import changed_meanwhile, digest_file, stamp_of
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache

_MOST_BYTES = 512 << 20
_VALUES_AT_ONCE = 1 << 20
_MOST_STRETCHED = 2.0
"""Maps differ from the images in height to width by less, unless an axis was taken for another."""


def choose_precomputed(
    path: Path,
    name: str | None,
    axes: Axes | None,
    grid: tuple[int, int] | None,
    layer: str | None,
    dataset: BrodenDataset,
    memory: Path,
    progress: Progress,
    *,
    remember: bool = True,
) -> PrecomputedActivations:
    """Look at the shape of the activations in a file, and read its digest.

    ``path`` and ``name`` are from ``split_name``; ``axes`` ``None`` is what the number of images
    says, ``grid`` ``None`` a square of the cells that a sparse file has of an image, ``layer``
    ``None`` the name of the array, or of the file without its ending. The images are the rows of
    the dataset, in their order. UsageError if there are others than these.
    """
    n_values = None
    if path.suffix.lower() == NPZ:
        sparse = open_sparse(path)
        if axes is not None:
            raise UsageError(f"`axes` {axes}: {path} is sparse, images x units: leave it out.")
        found, grid = Axes.IMAGES_FIRST, _grid(sparse, grid, dataset)
        maps, n_values = (sparse.shape[1], *grid), sparse.n_values
    elif grid is not None:
        raise UsageError(f"`grid` describes a {NPZ} file, and {path} is none: leave it out.")
    else:
        with open_array(path, name) as array:
            found = _axes(array.where, array.shape, axes, dataset)
            name, maps = array.name, maps_of(array.shape, found)
    sha256, stamp = digest_file(path, memory, progress, remember=remember)
    own_name = path.stem if name is None else name.replace("/", ".")
    return PrecomputedActivations(
        path, name, found, sha256, layer or own_name, grid, stamp, maps, n_values
    )


def _grid(
    file: SparseFile, asked: tuple[int, int] | None, dataset: BrodenDataset
) -> tuple[int, int]:
    """Return how the cells of an image lie, whose rows follow each other in the file."""
    n_images, n_rows = len(dataset.rows), file.shape[0]
    cells, more = divmod(n_rows, n_images)
    there = f"`subset` {dataset.subset} has {n_images:,} images"
    if more or not cells:
        raise UsageError(
            f"{file.where}, but {there}: its rows must be the cells of one image after another, "
            "in the order of the index."
        )
    side = math.isqrt(cells)
    if asked is None and (side**2 != cells or (side > 1 and len(set(dataset.mask_shape)) > 1)):
        raise UsageError(
            f"{file.where}, and {there}: say with `grid` how the {cells:,} cells of an image lie, "
            "as rows x columns."
        )
    if asked is not None and math.prod(asked) != cells:
        raise UsageError(
            f"`grid` {asked[0]}x{asked[1]} does not fit: {file.where}, and {there}, so it has "
            f"{cells:,} cells of each."
        )
    return asked or (side, side)


def maps_of(shape: tuple[int, ...], axes: Axes) -> tuple[int, int, int]:
    """Return units, height and width of an array's maps; vectors are maps of one pixel."""
    units = shape[1 if axes is Axes.IMAGES_FIRST else 0]
    height, width = shape[2:] or (1, 1)
    return units, height, width


def _axes(where: str, shape: tuple[int, ...], asked: Axes | None, dataset: BrodenDataset) -> Axes:
    """Return which axis is the images'."""
    n_images = len(dataset.rows)
    fitting = [
        axes
        for axes, count in zip((Axes.IMAGES_FIRST, Axes.UNITS_FIRST), shape[:2], strict=True)
        if count == n_images
    ]
    there = f"`subset` {dataset.subset} has {n_images:,} images"
    if not fitting:
        raise UsageError(
            f"{where} is {shape_text(shape)}, but {there}: one of the first two axes must be "
            "the images, in the order of the index."
        )
    if asked is None and len(fitting) > 1:
        raise UsageError(
            f"{where} is {shape_text(shape)}, and {there}: say with `axes` whether it "
            "is units-first or images-first."
        )
    if asked is not None and asked not in fitting:
        raise UsageError(
            f"`axes` {asked} does not fit: {where} is {shape_text(shape)} and {there}, "
            f"so it is {fitting[0]}."
        )
    if asked is None and len(shape) == 4:
        _refuse_other_axes(where, shape, fitting[0], dataset)
    return asked or fitting[0]


def _refuse_other_axes(
    where: str, shape: tuple[int, ...], axes: Axes, dataset: BrodenDataset
) -> None:
    """Refuse maps of another shape than the images have: the units may be the last axis."""
    _, height, width = maps_of(shape, axes)
    rows, columns = dataset.mask_shape
    stretched = height * columns / (width * rows)
    channels_last = axes is Axes.IMAGES_FIRST and shape[1] == height != width
    if channels_last or not 1 / _MOST_STRETCHED <= stretched <= _MOST_STRETCHED:
        raise UsageError(
            f"{where} is {shape_text(shape)}, maps of {height} x {width} for images of another "
            "shape: if the units are its last axis, move that forward with numpy.moveaxis; if not, "
            f"say so with `axes` {axes}."
        )


def import_activations(
    dataset: BrodenDataset, source: PrecomputedActivations, cache: ShardedCache, progress: Progress
) -> None:
    """Copy the images that the cache lacks from the file, as float32; finished shards are kept.

    MissingInputError if the file is not there any more, DamagedDataError if it cannot be read or a
    value is not finite, CcxError if it changes meanwhile.
    """
    n_images = len(dataset.rows)
    if covers(cache, n_images):
        return
    if not source.path.exists():
        raise MissingInputError(
            f"{source.path} is gone, and so are its activations in {cache.directory}: put it back."
        )
    with writing(cache.directory, progress):
        cache.refresh()
        if covers(cache, n_images):
            return
        cache.remove_unnamed()
        with _reading(source, dataset) as (block, read):
            missing = missing_spans(cache, n_images, block)
            done = n_images - sum(stop - start for start, stop in missing)
            writer = ShardWriter(cache)
            with progress.task(f"Importing {source.path.name}", n_images, done=done) as task:
                for start, stop in missing:
                    maps = read(start, stop)
                    if stamp_of(source.path) != source.stamp:
                        raise changed_meanwhile(source.path)
                    writer.add(start, maps)
                    task.advance(stop - start)
                writer.flush()


@contextmanager
def _reading(
    source: PrecomputedActivations, dataset: BrodenDataset
) -> Iterator[tuple[int, Callable[[int, int], NDArray[np.float32] | SparseBatch]]]:
    """Open a file; yield how many images to read at a time, and what reads a span of them."""
    if source.grid is not None:
        file = open_sparse(source.path)
        images = read_sparse(file, source.grid, partial(_image_text, dataset))
        block = max(1, _VALUES_AT_ONCE * len(dataset.rows) // (file.n_values + 1))
        yield min(block, images_together(*source.grid)), images.read
        return
    with open_array(source.path, source.array) as array:
        yield _images_per_block(array, source.axes), partial(_read, array, source.axes, dataset)


def _image_text(dataset: BrodenDataset, image: int) -> str:
    return f"image {image} ({dataset.rows[image].image})"


def _images_per_block(array: ArrayFile, axes: Axes) -> int:
    """Return how many images to read at a time: whole chunks of the file where memory allows."""
    units, height, width = maps_of(array.shape, axes)
    block = images_per_shard(units, (height, width))
    if array.chunks is None:
        return block
    chunk = array.chunks[0 if axes is Axes.IMAGES_FIRST else 1]
    if chunk <= block:
        return block - block % chunk
    return chunk if 4 * units * height * width * chunk <= _MOST_BYTES else block


def _read(
    array: ArrayFile, axes: Axes, dataset: BrodenDataset, start: int, stop: int
) -> NDArray[np.float32]:
    """Read some images' maps, ``(n_units, stop - start, height, width)``."""
    images = slice(start, stop)
    values = array.read((images,) if axes is Axes.IMAGES_FIRST else (slice(None), images))
    if axes is Axes.IMAGES_FIRST:
        values = values.swapaxes(0, 1)
    if values.ndim == 2:
        values = values[:, :, None, None]
    with np.errstate(over="ignore"):
        maps = np.ascontiguousarray(values, dtype=np.float32)
    finite = np.isfinite(maps)
    if not finite.all():
        position = np.unravel_index(int(np.argmin(finite)), maps.shape)
        unit, image = int(position[0]), start + int(position[1])
        raise DamagedDataError(
            f"{array.where} holds {values[position]} for unit {unit} and "
            f"{_image_text(dataset, image)}: activations are finite float32 numbers."
        )
    return maps
