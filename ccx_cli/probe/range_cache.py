"""The ranges found so far, stored beside the activations they come from.

One shard, ``ranges``: ``count`` ``(n_units,)`` int16, -1 for a unit not done yet, and ``lower`` and
``upper`` ``(n_units, num_clusters)`` float64, NaN where a unit has fewer ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from errno import EACCES, EPERM, EROFS
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np

from ccx_cli.probe.activations import Activations
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress
from ccx_cli.store.locks import writing
from ccx_cli.store.shards import ShardedCache
from ccx_cli.store.steps import Step
from ccx_cli.threads import map_in_order

KIND = "ccx-ranges"
VERSION = 1
_SHARD = "ranges"
READ_ONLY = (EACCES, EPERM, EROFS)


def ranges_cache(
    activations: ShardedCache, method: RangeMethod, split: str | None = None
) -> ShardedCache:
    """Name the cache of a layer's ranges, without reading what is there of it."""
    identity = method.identity() | ({"split": split} if split else {})
    name = "ranges-" + "-".join(f"{key}={value}" for key, value in identity.items())
    made_from = {"activations": activations.directory.name, **identity}
    directory = activations.directory / name
    return ShardedCache(directory, KIND, VERSION, made_from, activations.rebuild)


def ranges_step(cache: ShardedCache, units: Sequence[int], num_clusters: int) -> Step:
    """Say how many of the units have ranges already."""
    done = len(known_ranges(cache).keys() & set(units))
    size = len(units) * (2 + 16 * num_clusters)
    return Step("ranges", cache.directory, "units", len(units), done, size)


def known_ranges(cache: ShardedCache) -> dict[int, tuple[Range, ...]]:
    """Read the ranges that are known already, by unit."""
    cache.refresh()
    if _SHARD not in cache:
        return {}
    with cache.read(_SHARD) as file:
        count, lower, upper = (file[key][()] for key in ("count", "lower", "upper"))
    return {
        unit: tuple(
            Range(float(low), float(high))
            for low, high in zip(
                lower[unit, : count[unit]], upper[unit, : count[unit]], strict=True
            )
        )
        for unit in np.flatnonzero(count >= 0).tolist()
    }


class UnitRanges(NamedTuple):
    """A unit's ranges, how many of its activations lie in each, and how many there are."""

    unit: int
    ranges: tuple[Range, ...]
    counts: list[int]
    n_values: int


Asked = tuple[int, tuple[Range, ...] | None]
"""A unit, and its ranges if they are known."""
RangesElsewhere = Callable[[Activations, RangeMethod, Sequence[Asked]], Iterator[UnitRanges]]
"""Does ``ranges_of_unit`` for each, in any order."""


def ranges_of_unit(activations: Activations, method: RangeMethod, asked: Asked) -> UnitRanges:
    """Find the ranges of a unit that are not known, and count what lies in each."""
    unit, known = asked
    maps = activations.unit(unit)
    ranges = find_ranges(maps, method) if known is None else known
    return UnitRanges(unit, ranges, [each.count(maps) for each in ranges], int(maps.size))


class RangeCache:
    """Ranges of a layer's units, on the images of ``split``, found once for all threads."""

    def __init__(
        self,
        activations: Activations,
        method: RangeMethod,
        progress: Progress,
        *,
        split: str | None = None,
    ) -> None:
        self._cache = ranges_cache(activations.cache, method, split)
        self._method = method
        self._progress = progress
        self._activations = activations
        self._lock = Lock()
        self._new: dict[int, tuple[Range, ...]] = {}
        try:
            with writing(self._cache.directory, progress):
                self._known = known_ranges(self._cache)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            # A directory that is read-only is not being written either.
            self._known = known_ranges(self._cache)

    def of(self, unit: int, maps: Maps) -> tuple[Range, ...]:
        """Return a unit's ranges; ``maps`` are its activations, used if they are not known yet."""
        known = self._known.get(unit)
        if known is not None:
            return known
        found = find_ranges(maps, self._method)
        self.keep(unit, found)
        return found

    def keep(self, unit: int, found: tuple[Range, ...]) -> None:
        """Take in a unit's ranges, wherever they were found."""
        with self._lock:
            if unit not in self._known:
                self._known[unit] = self._new[unit] = found

    def of_units(
        self, units: Sequence[int], workers: int, elsewhere: RangesElsewhere | None = None
    ) -> Iterator[UnitRanges]:
        """Yield the ranges of units, in order, found side by side in threads or ``elsewhere``."""
        asked = [(unit, self._known.get(unit)) for unit in units]
        if elsewhere is None:
            measure = partial(ranges_of_unit, self._activations, self._method)
            found = map_in_order(measure, asked, workers)
        else:
            found = elsewhere(self._activations, self._method, asked)
        waiting: dict[int, UnitRanges] = {}
        left = iter(units)
        unit = next(left, None)
        for each in found:
            self.keep(each.unit, each.ranges)
            waiting[each.unit] = each
            while unit in waiting:
                yield waiting.pop(unit)
                unit = next(left, None)

    def save(self) -> None:
        """Add what this process found to the file, beside what others have.

        A note says so where it is read-only: the ranges are found again when they are needed.
        """
        with self._lock:
            new, self._new = self._new, {}
        if not new:
            return
        try:
            self._write(new)
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            self._progress.note(f"New ranges are not kept: {error.filename}: {error.strerror}.")

    def _write(self, new: dict[int, tuple[Range, ...]]) -> None:
        with writing(self._cache.directory, self._progress):
            merged = known_ranges(self._cache) | new
            count = np.full(self._activations.units, -1, dtype=np.int16)
            ends = np.full((2, self._activations.units, self._method.num_clusters), np.nan)
            for unit, ranges in merged.items():
                count[unit] = len(ranges)
                for position, found in enumerate(ranges):
                    ends[:, unit, position] = found.lower, found.upper
            with self._cache.write(_SHARD) as file:
                file["count"] = count
                file["lower"], file["upper"] = ends
