"""The concept index: a dataset as label sets and, per image, one small integer a pixel.

Made once per dataset, subset and mask size, in shards of images. Shard ``images-N`` holds

``maps``     ``(n_images, height * width)`` uint8 or uint16, each pixel's row in its image's table
``offsets``  ``(n_images + 1,)`` int64, where each image's table starts in the shard's table
``indptr``, ``labels``, ``totals``  the images' tables one after another (see ``LabelSets``)

and shard ``sets`` the distinct sets of all images (``indptr``, ``labels``, ``totals``) and
``local_sets``, ``(n_local,)`` int32, the index of every row of every image's table among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset, Label
from ccx_cli.concepts.fingerprints import FileCheck, labels_fingerprint, note_older
from ccx_cli.concepts.index_maps import LocalMaps, ShardMaps, StoredMaps, usual_memory
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.concepts.label_sets import (
    LabelSets,
    Postings,
    collapse_image,
    concatenate,
    count_images,
    merge_tables,
)
from ccx_cli.concepts.processes import in_processes
from ccx_cli.design import size_text
from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.digests import json_digest
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import Shard, ShardedCache
from ccx_cli.store.steps import Step

if TYPE_CHECKING:
    import h5py

KIND = "ccx-concept-index"
VERSION = 1
BLOCK = 256
_SETS = "sets"
_SET_ARRAYS = ("indptr", "labels", "totals")
_IN_PROCESS = 2 * BLOCK
_TIMED = 4
# Bytes of the program and of the pairs of a thousand concepts.
_BESIDE_MAPS = 400_000_000

MadeBlock = tuple[int, Shard]
"""The first image of a block, and its shard."""
IndexElsewhere = Callable[[ShardedCache, list[int]], Iterator[MadeBlock]]
"""Does ``make_block`` for the first image of each of some blocks, in any order."""
_Block = tuple[NDArray[np.uint16], NDArray[np.int64], LabelSets]


@dataclass(frozen=True)
class ConceptIndex:
    """A labeled image set, collapsed.

    Attributes
    ----------
    concepts, labels
        ``(n_concepts,)``, ascending: the label numbers that some pixel carries, and what
        ``label.csv`` says of them. Everywhere else a concept is its index in this array.
    sets
        The distinct label sets; their ``labels`` are indices in ``concepts``.
    local_sets, local_totals
        ``(n_local,)``: the images' tables one after another, each row's index in ``sets`` and its
        pixels. An image's begins at its entry of ``offsets``, ``(n_images + 1,)``.
    maps
        ``(n_images, height * width)``, ``mask_shape`` each: the row of every pixel in its image's
        table; an array or ``StoredMaps``: what passes over all images takes them from ``pieces``.
    """

    concepts: NDArray[np.uint16]
    sets: LabelSets
    local_sets: NDArray[np.int32]
    local_totals: NDArray[np.int32]
    offsets: NDArray[np.int64]
    maps: Any
    mask_shape: tuple[int, int]
    labels: tuple[Label, ...]

    @property
    def n_images(self) -> int:
        """Images in the set."""
        return len(self.maps)

    @cached_property
    def n_pixels(self) -> int:
        """Labeled pixels: those of all label maps, also where no concept is."""
        return int(self.sets.totals.sum())

    def name_of(self, number: int) -> str:
        """Name of the concept with a label number."""
        return self.labels[int(np.searchsorted(self.concepts, number))].name

    @cached_property
    def names(self) -> dict[int, str]:
        """Label number to name, of the concepts that some pixel carries."""
        return {label.number: label.name for label in self.labels}

    @classmethod
    def assemble(
        cls,
        sets: LabelSets,
        local_sets: NDArray[np.int32],
        local_totals: NDArray[np.int32],
        lengths: NDArray[np.int64],
        maps: Any,
        mask_shape: tuple[int, int],
        label: Callable[[int], Label],
    ) -> ConceptIndex:
        """Make an index of ``sets`` that hold label numbers; the rest is as the attributes.

        ``lengths`` are ``(n_images,)``, the rows of each image's table; ``label`` returns the
        label with a number.
        """
        concepts = np.unique(sets.labels)
        index_of = np.zeros(65536, dtype=np.uint16)
        index_of[concepts] = np.arange(len(concepts), dtype=np.uint16)
        return cls(
            concepts,
            LabelSets(sets.indptr, index_of[sets.labels], sets.totals),
            local_sets,
            local_totals,
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            maps,
            mask_shape,
            tuple(label(int(number)) for number in concepts),
        )

    def of_images(self, images: NDArray[np.int64]) -> ConceptIndex:
        """Index of some images only, by index, ascending; concepts they lack are left out."""
        rows = np.concatenate(
            [np.arange(self.offsets[i], self.offsets[i + 1]) for i in images]
            or [np.zeros(0, dtype=np.int64)]
        )
        sets, local_sets = self.sets.of_rows(self.local_sets[rows], self.local_totals[rows])
        by_number = {label.number: label for label in self.labels}
        maps = self.maps
        maps = maps.of_images(images) if isinstance(maps, StoredMaps) else maps[images]
        return ConceptIndex.assemble(
            LabelSets(sets.indptr, self.concepts[sets.labels], sets.totals),
            local_sets,
            self.local_totals[rows],
            np.diff(self.offsets)[images],
            maps,
            self.mask_shape,
            by_number.__getitem__,
        )

    @cached_property
    def postings(self) -> Postings:
        """For every concept the label sets that carry it."""
        return Postings.transpose(self.sets, len(self.concepts))

    def pieces(
        self, images: NDArray[np.int64]
    ) -> Iterator[tuple[slice, int, LocalMaps, NDArray[np.int64]]]:
        """Yield the maps of ``images``, ascending, as much at once as there is in memory.

        Which of the images; then from the first image of the piece on, which is the second: the
        maps as one line of pixels, and the entries of ``offsets``.
        """
        if not isinstance(self.maps, StoredMaps):
            yield slice(None), 0, self.maps.reshape(-1), self.offsets
            return
        for some, first, maps in self.maps.pieces(images):
            yield some, first, maps.reshape(-1), self.offsets[first:]

    @cached_property
    def maps_in_memory(self) -> LocalMaps:
        """All maps as an array, for what takes any image at any time."""
        maps: LocalMaps = np.asarray(self.maps)
        return maps

    def per_image(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Sum values given by row of the images' tables, ``(n_local,)``, to ``(n_images,)``."""
        return np.add.reduceat(values, self.offsets[:-1], dtype=np.int64)

    def pixels_by_image(self, holds: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the pixels whose label set is among ``holds``, ``(n_sets,)`` bool, by image."""
        return self.per_image(np.where(holds[self.local_sets], self.local_totals, 0))

    def images_with(self) -> NDArray[np.int64]:
        """Count the images that carry each concept, ``(n_concepts,)`` int64."""
        return count_images(
            self.offsets, self.local_sets, self.sets.indptr, self.sets.labels, len(self.concepts)
        )

    @cached_property
    def max_local(self) -> int:
        """Rows of the largest image table."""
        return int(np.diff(self.offsets).max(initial=0))


def index_cache(
    dataset: BrodenDataset, segmentations: Path, rebuild: str, check: FileCheck | None = None
) -> ShardedCache:
    """Name the cache of the concept index of ``dataset``, and read what is there of it."""
    height, width = dataset.mask_shape
    made_from = {
        "dataset": dataset.name,
        "subset": dataset.subset,
        "images": len(dataset.rows),
        "mask_shape": [height, width],
        "fingerprint": labels_fingerprint(dataset, segmentations, check or FileCheck()),
        "block": BLOCK,
    }
    key = json_digest(made_from)[:10]
    name = f"{dataset.name}-{dataset.subset}-{height}x{width}-{key}"
    cache = ShardedCache(segmentations / name, KIND, VERSION, made_from, rebuild)
    cache.refresh()
    return cache


def missing_blocks(dataset: BrodenDataset, cache: ShardedCache) -> list[int]:
    """Return the index of the first image of each block that an index lacks, by its manifest."""
    return [start for start in _starts(dataset) if _shard_name(start) not in cache]


def is_whole(dataset: BrodenDataset, cache: ShardedCache) -> bool:
    """Tell whether an index lacks nothing, by its manifest."""
    return _SETS in cache and not missing_blocks(dataset, cache)


def index_step(dataset: BrodenDataset, cache: ShardedCache, workers: int = 1) -> Step:
    """Say how many images an index lacks, and about how many bytes and how long they take."""
    n_images = len(dataset.rows)
    blocks = missing_blocks(dataset, cache)
    missing = _count_images(n_images, blocks)
    done = n_images - missing
    per_image = 2 * dataset.mask_shape[0] * dataset.mask_shape[1]
    if done:
        per_image = sum(shard.size for shard in cache.shards.values()) // done
    size = per_image * missing
    step = Step("concept index", cache.directory, "images", n_images, done, size, pieces_each=BLOCK)
    some = min(_TIMED, missing)
    processes = workers if missing > _IN_PROCESS else 1
    return step.timed(lambda: _collapse(dataset, blocks[0], some), some, processes)


def build_index(
    dataset: BrodenDataset,
    cache: ShardedCache,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    elsewhere: IndexElsewhere | None = None,
) -> None:
    """Make what an index, from ``index_cache``, still lacks; finished shards are kept.

    By ``workers`` processes of this machine, or ``elsewhere``.
    """
    progress = progress or SilentProgress()
    if is_whole(dataset, cache):
        return
    note_older(cache, progress)
    with writing(cache.directory, progress):
        cache.refresh()
        cache.remove_unnamed()
        missing = missing_blocks(dataset, cache)
        if missing:
            n_images = len(dataset.rows)
            n_missing = _count_images(n_images, missing)
            if elsewhere is None:
                make = partial(make_block, dataset, cache.apart())
                made = in_processes(make, missing, workers if n_missing > _IN_PROCESS else 1)
            else:
                made = elsewhere(cache.apart(), missing)
            with progress.task("Concept index", n_images, done=n_images - n_missing) as task:
                for start, shard in made:
                    cache.register({_shard_name(start): shard})
                    task.advance(_count_images(n_images, [start]))
        if _SETS not in cache:
            tables = []
            for start in _starts(dataset):
                with cache.read(_shard_name(start)) as file:
                    tables.append(_read_sets(file))
            sets, local_sets = merge_tables(concatenate(tables))
            with cache.write(_SETS) as file:
                _write_sets(file, sets)
                file["local_sets"] = local_sets


def load_index(
    dataset: BrodenDataset,
    cache: ShardedCache,
    memory: int | None = None,
    *,
    soft_memory: int | None = None,
) -> ConceptIndex:
    """Read a whole index, verifying every shard; maps are left on disk if they exceed ``memory``.

    Or ``soft_memory``, which the rest may exceed: 0 for what does not look at maps. Both are in
    bytes, by default a quarter of what there is. CcxError if the rest alone exceeds ``memory``.
    """
    if not is_whole(dataset, cache):
        raise cache.unfinished()
    lengths: list[NDArray[np.int64]] = []
    totals: list[NDArray[np.int32]] = []
    shards: list[ShardMaps] = []
    for start in _starts(dataset):
        with cache.read(_shard_name(start)) as file:
            found = file["maps"]
            path = cache.directory / cache.shards[_shard_name(start)].file
            offset = found.id.get_offset()
            shards.append(ShardMaps(path, offset, found.dtype, start, start + len(found)))
            lengths.append(np.diff(file["offsets"][()]))
            totals.append(file["totals"][()].astype(np.int32))
    with cache.read(_SETS) as file:
        sets, local_sets = _read_sets(file), file["local_sets"][()]
    shape = len(dataset.rows), dataset.mask_shape[0] * dataset.mask_shape[1]
    dtype = max(shard.dtype for shard in shards)
    taken = _BESIDE_MAPS + _of_tables(sets, len(local_sets))
    if memory is not None and taken > memory:
        raise CcxError(
            f"{cache.directory} takes about {size_text(taken)} even with its maps left on disk, "
            f"more than `memory` of {size_text(memory)}: give more, or take a smaller `subset`."
        )
    maps: LocalMaps | StoredMaps = StoredMaps(shards, np.arange(shape[0]), shape[1])
    limits = [limit for limit in (memory, soft_memory) if limit is not None] or [usual_memory()]
    if taken + shape[0] * shape[1] * dtype.itemsize <= min(limits):
        maps = np.empty(shape, dtype)
        for shard in shards:
            maps[shard.start : shard.stop] = shard.read(shape[1])
    return ConceptIndex.assemble(
        sets,
        local_sets,
        np.concatenate(totals),
        np.concatenate(lengths),
        maps,
        dataset.mask_shape,
        dataset.label,
    )


def _of_tables(sets: LabelSets, n_local: int) -> int:
    """Bytes of tables, postings and the hits of a unit's ranges, and of making them."""
    return 64 * len(sets) + 20 * len(sets.labels) + 8 * n_local


def _count_images(n_images: int, blocks: Sequence[int]) -> int:
    return sum(min(BLOCK, n_images - start) for start in blocks)


def _starts(dataset: BrodenDataset) -> range:
    return range(0, len(dataset.rows), BLOCK)


def _shard_name(start: int) -> str:
    return f"images-{start // BLOCK:05d}"


def _collapse(dataset: BrodenDataset, start: int, n_images: int | None = None) -> _Block:
    """Return maps, offsets and tables of some images, by default a block, as shards hold them."""
    rows = dataset.rows[start : start + (n_images or BLOCK)]
    maps = np.empty((len(rows), dataset.mask_shape[0] * dataset.mask_shape[1]), dtype=np.uint16)
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    tables = []
    for image, row in enumerate(rows):
        image_labels = np.array(row.labels, dtype=np.uint16)
        local, table = collapse_image(read_label_maps(dataset, row), image_labels)
        if len(table) > np.iinfo(np.uint16).max:
            raise CcxError(
                f"{row.image} has {len(table):,} distinct label sets, more than the "
                f"{np.iinfo(np.uint16).max:,} that an index holds: use smaller label PNGs."
            )
        maps[image] = local
        offsets[image + 1] = offsets[image] + len(table)
        tables.append(table)
    return maps, offsets, concatenate(tables)


def make_block(dataset: BrodenDataset, cache: ShardedCache, start: int) -> Shard:
    """Collapse a block's images and write its shard, of which the manifest says nothing yet."""
    maps, offsets, table = _collapse(dataset, start)
    narrow = int(np.diff(offsets).max()) <= 256
    name = _shard_name(start)
    with cache.write(name) as file:
        file["maps"] = maps.astype(np.uint8) if narrow else maps
        file["offsets"] = offsets
        _write_sets(file, table)
    return cache.shards[name]


def _write_sets(file: h5py.File, sets: LabelSets) -> None:
    for name in _SET_ARRAYS:
        file[name] = getattr(sets, name)


def _read_sets(file: h5py.File) -> LabelSets:
    return LabelSets(*(file[name][()] for name in _SET_ARRAYS))
