"""How far runs and caches are, and what works on them, as another process sees it.

Nothing is written, and nobody waits for who looks.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ccx_cli.errors import CcxError
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.status import CacheStatusRecord, RunStatusRecord
from ccx_cli.runs.provenance import found_at, images_in, is_complete, studies_of
from ccx_cli.runs.run import HEADER, LINES, Run, RunState
from ccx_cli.runs.unit_spans import read_spans
from ccx_cli.store.locks import Held, look_at_lock
from ccx_cli.store.paths import Roots
from ccx_cli.store.shards import ShardedCache, read_manifest

Working = Literal["yes", "no", "unknown"]
_ORDER: Mapping[Working, int] = {"yes": 0, "unknown": 1, "no": 2}
_MADE = {"ccx-concept-index", "ccx-activations"}
# The pace of a cache is that of its last shards: it may be made in several sittings.
_LAST_SHARDS = 8


class _Line(Record):
    """What tells of a line whether its unit is finished."""

    unit: int
    cluster: int | None
    num_ranges: int


def all_runs(results: Path) -> list[Run]:
    """Return all runs under the results root, also those that lost their headers."""
    found = {path.parent for file in (HEADER, LINES) for path in results.glob(f"*/{file}")}
    return [Run(directory) for directory in sorted(found)]


class StatusReader:
    """Reads how far runs and caches are; a cache of several runs is read once."""

    def __init__(self, roots: Roots) -> None:
        self._roots = roots
        self._cache = cache(_read_cache)

    def runs(self, runs: Sequence[Run]) -> list[tuple[RunStatusRecord, list[str]]]:
        """Return each run's record, and sentences on what is wrong with it.

        Those in progress come first, then those last written.
        """
        found = [self._run(run) for run in runs]
        found.sort(key=lambda each: each[0].written or "", reverse=True)
        return sorted(found, key=lambda each: _ORDER[each[0].working])

    def _run(self, run: Run) -> tuple[RunStatusRecord, list[str]]:
        held = look_at_lock(run.directory)  # Once, and before the header: it may end meanwhile.
        run, faults = _counted(run)
        working, host, pid = _process(run, held)
        each, left = (None, None) if working == "no" else _pace_of_units(run)
        about, asked = run.about, run.asked_units
        state = RunState.DAMAGED if faults else run.state
        record = RunStatusRecord(
            kind="run",
            run=run.name,
            name=run.naming.name,
            model=about.model,
            layer=about.layer_text,
            state=(RunState.BEING_WRITTEN if working == "yes" else state).value,
            working=working,
            host=host,
            pid=pid,
            images=about.images,
            index_images=self._images(self._roots.segmentations, about.segmentation),
            activations_images=self._images(self._roots.activations, about.activations),
            finished=len(run.finished_units),
            asked=None if asked is None else len(asked),
            of_layer=about.units,
            studies=_studies(run.directory),
            seconds_each=each,
            seconds_left=left,
            written=_last_written(run.directory),
            directory=str(run.directory.absolute()),
        )
        return record, faults

    def _images(self, root: Path, was: str | None) -> int | None:
        made = None if was is None else self._cache(found_at(root, was))
        return None if made is None else images_in(made)

    def caches(self) -> Iterator[CacheStatusRecord]:
        """Yield the concept indexes and activations that are not whole, or being written."""
        for directory in sorted(self._roots.segmentations.glob("*/")):
            yield from self._made(directory, "concept index")
        for directory in sorted(self._roots.activations.glob("*/")):
            yield from self._made(directory, "activations")

    def _made(
        self, directory: Path, holds: Literal["concept index", "activations"]
    ) -> Iterator[CacheStatusRecord]:
        held, made = look_at_lock(directory), self._cache(directory)
        if not held.is_held and (made is None or is_complete(made)):
            return
        done = 0 if made is None else images_in(made)
        total = None if made is None else made.made_from.get("images")
        each = _pace_of_shards(made) if made is not None and held.is_held else None
        yield CacheStatusRecord(
            kind="cache",
            cache=directory.name,
            holds=holds,
            working=_WORKING[held.is_held],
            pid=held.pid,
            images=total,
            done=done,
            seconds_each=each,
            seconds_left=None if each is None or total is None else each * (total - done),
            written=_last_written(directory),
            directory=str(directory.absolute()),
        )


_WORKING: Mapping[bool | None, Working] = {True: "yes", False: "no", None: "unknown"}


def _counted(run: Run) -> tuple[Run, list[str]]:
    """Return a run whose units are only counted, and sentences on what is wrong with it."""
    damaged: list[int] = []
    units: Any = {}
    faults = [run.fault] if run.fault else []
    try:
        lines = RecordLines(run.directory / LINES, _Line)
        units = lines.by_unit(lambda number, _: damaged.append(number))
    except OSError as error:
        faults.append(f"{run.directory / LINES} cannot be read ({error.strerror}).")
    if damaged:
        count = "1 line" if len(damaged) == 1 else f"{len(damaged):,} lines"
        faults.append(f"{run.directory / LINES}: {count} damaged, the first is {damaged[0]}.")
    return run.with_units(units), faults


def _process(run: Run, held: Held) -> tuple[Working, str | None, int | None]:
    """Return whether a process works on a run, on which machine it does or last did, and its id."""
    here = platform.node()
    if held.pid is not None:
        return "yes", here, held.pid
    last = run.sessions[-1] if run.sessions else None
    if last is None:
        return _WORKING[held.is_held], None, None
    is_open = last.finished is None
    working = _WORKING[held.is_held]
    # Many a shared disk shows no machine the locks of another one.
    if working == "no" and is_open and last.host not in (None, here):
        working = "unknown"
    if working == "unknown" and not is_open:
        working = "no"
    return working, last.host, last.pid if is_open and working != "no" else None


def _pace_of_units(run: Run) -> tuple[float | None, float | None]:
    """Return the seconds for each unit of the last session so far, and those left.

    That began when it wrote the header, by the clock of the disk, as are the times of lines.
    """
    last, total = run.sessions[-1] if run.sessions else None, run.about.units
    if last is None or last.finished or last.asked is None or last.stored is None or not total:
        return None, None
    try:
        asked = read_spans(last.asked, total)
    except ValueError:
        return None, None
    done = len(set(asked).intersection(run.finished_units))
    seconds = _written(run.directory / LINES) - _written(run.directory / HEADER)
    if done <= last.stored or seconds <= 0:
        return None, None
    each = seconds / (done - last.stored)
    return each, each * (len(asked) - done)


def _pace_of_shards(made: ShardedCache) -> float | None:
    """Return the seconds for each image of the last shards."""
    times = {name: _written(made.directory / shard.file) for name, shard in made.shards.items()}
    last = sorted(times, key=times.__getitem__)[-_LAST_SHARDS:]
    images = images_in(made, last[1:])
    return (times[last[-1]] - times[last[0]]) / images if images else None


def _studies(directory: Path) -> dict[str, int]:
    """Return how many units each study has in the fullest of its files."""
    units: dict[str, int] = {}
    with suppress(OSError):
        for each in studies_of(directory):
            units[each["study"]] = max(each["units"], units.get(each["study"], 0))
    return units


def _read_cache(directory: Path) -> ShardedCache | None:
    with suppress(CcxError, OSError):
        made = read_manifest(directory)
        return made if made.kind in _MADE else None
    return None


def _written(path: Path) -> float:
    """Return when a file was last written, in seconds since the epoch; 0 if that is unknown."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _last_written(directory: Path) -> str | None:
    """Return when any file in a directory was last written, but for its lock."""
    times: list[float] = []
    with suppress(OSError), os.scandir(directory) as entries:
        times += [each.stat().st_mtime for each in entries if not each.name.startswith(".")]
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds") if times else None
