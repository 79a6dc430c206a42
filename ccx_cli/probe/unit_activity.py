"""How active units are, and by which number they rank, stored beside the activations.

Shard ``activity`` holds of every unit, ``(n_units,)``, the largest ``activation``, float32, and its
``frequency``, int64: the activations above zero in all maps. Shard ``importance`` holds
``importance``, float64, of ``attribution.unit_importance``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.activation_shards import shard_span
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.range_cache import READ_ONLY
from ccx_cli.progress import Progress
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    import h5py

By = Literal["activation", "frequency", "importance"]
Values = Mapping[str, NDArray[Any]]

KIND = "ccx-unit-activity"
VERSION = 1
_SHARDS = {"activation": "activity", "frequency": "activity", "importance": "importance"}


def known_ranking(activations: ShardedCache, by: By) -> list[int] | None:
    """Return the units by rank; ``None`` where what they rank by is not known yet."""
    return _known(_cache(activations), by)


def rank_units(
    activations: Activations,
    by: By,
    importance: Callable[[], NDArray[np.float64]],
    progress: Progress,
) -> list[int]:
    """Return the units, those with the largest value first and of equal ones the lowest number.

    What is not known of the values is found and kept; a directory that is read-only stays as it is.
    ``importance`` finds it, ``(n_units,)``.
    """
    cache = _cache(activations.cache)

    def found() -> Values:
        if by == "importance":
            return {by: importance()}
        return _activity(activations, progress)

    try:
        with writing(cache.directory, progress):
            known = _known(cache, by)
            if known is not None:
                return known
            values = found()
            with cache.write(_SHARDS[by]) as file:
                for name, each in values.items():
                    file[name] = each
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise
        values = found()
    return _ranked(values[by])


def _cache(activations: ShardedCache) -> ShardedCache:
    made_from = {"activations": activations.directory.name}
    directory = activations.directory / "unit-activity"
    return ShardedCache(directory, KIND, VERSION, made_from, activations.rebuild)


def _known(cache: ShardedCache, by: By) -> list[int] | None:
    cache.refresh()
    if _SHARDS[by] not in cache:
        return None
    with cache.read(_SHARDS[by]) as file:
        return _ranked(file[by][()])


def _ranked(values: NDArray[Any]) -> list[int]:
    order: list[int] = np.argsort(-values, kind="stable").tolist()
    return order


def _activity(activations: Activations, progress: Progress) -> Values:
    """Read the shards one after another, not unit by unit."""
    largest = np.full(activations.units, -np.inf, dtype=np.float32)
    active = np.zeros(activations.units, dtype=np.int64)
    with progress.task("Activity of the units", activations.n_images) as task:
        for name in activations.names:
            with activations.cache.read(name) as file:
                found = _of_sparse(file) if "ends" in file else _of_dense(file)
            np.maximum(largest, found[0], out=largest)
            active += found[1]
            start, stop = shard_span(name)
            task.advance(stop - start)
    return {"activation": largest, "frequency": active}


def _of_dense(file: h5py.File) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    maps = file["activations"][()]
    return maps.max(axis=(1, 2, 3)), np.count_nonzero(maps > 0, axis=(1, 2, 3))


def _of_sparse(file: h5py.File) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    values, ends = file["values"][()], file["ends"][()]
    counts = np.diff(ends, prepend=0)
    starts, some = ends - counts, counts > 0
    largest = np.full(len(ends), -np.inf, dtype=np.float32)
    active = np.zeros(len(ends), dtype=np.int64)
    if len(values):
        largest[some] = np.maximum.reduceat(values, starts[some])
        active[some] = np.add.reduceat(values > 0, starts[some], dtype=np.int64)
    has_zeros = counts < prod(file.attrs["shape"][1:])
    return np.where(has_zeros, np.maximum(largest, 0), largest), active
