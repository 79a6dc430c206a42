"""Stored runs as the screens read them, in threads: every method here may take a while."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from ccx_cli.errors import DamagedDataError
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.printable import printable
from ccx_cli.runs.run import HEADER, LINES, Run
from ccx_cli.runs.viewed import ViewedRun, view_run
from ccx_cli.store.locks import is_being_written
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from ccx_cli.tui.drawing import PictureList
    from ccx_cli.tui.unit_data import UnitData

_UNIT = re.compile(rb'^\{"unit": ?(\d+)', re.MULTILINE)
_KEPT_UNITS = 4


@dataclass(frozen=True, slots=True)
class RunEntry:
    """What the list of runs says of one.

    Attributes
    ----------
    directory
        Where it is.
    about
        Its header's, ``{}`` if the header cannot be read.
    search
        Name of the search, ``""`` if nobody knows.
    units, total
        Units that have lines, and units of the layer; ``None`` if nobody knows.
    changed
        When its files changed last, in seconds since the epoch.
    state
        ``whole``, ``partly``, ``written`` if another process is at it, ``other`` for a header of
        another version, or ``unreadable`` for one that is damaged or not there.
    """

    directory: Path
    about: dict[str, Any]
    search: str
    units: int
    total: int | None
    changed: float
    state: str

    @property
    def name(self) -> str:
        """Name of its directory."""
        return printable(self.directory.name)


def list_runs(results: Path) -> list[RunEntry]:
    """List the runs under a results root, those that changed last first; none may be whole."""
    if not results.is_dir():
        return []
    entries = [
        _entry(path)
        for path in results.iterdir()
        if (path / HEADER).is_file() or (path / LINES).is_file()
    ]
    return sorted(entries, key=lambda entry: (-entry.changed, entry.name))


def _entry(directory: Path) -> RunEntry:
    try:
        header = json.loads((directory / HEADER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        header = {}
    header = header if isinstance(header, dict) else {}
    about = header.get("about")
    about = about if isinstance(about, dict) else {}
    identity = header.get("identity")
    search = identity.get("search") if isinstance(identity, dict) else None
    search = search.get("name") if isinstance(search, dict) else None
    try:
        content = (directory / LINES).read_bytes()
    except OSError:
        content = b""
    units = len(set(_UNIT.findall(content)))
    total = about.get("units")
    sessions = header.get("sessions")
    last = sessions[-1] if isinstance(sessions, list) and sessions else {}
    if header.get("format") != "ccx-results":
        state = "unreadable"
    elif header.get("version") != 1:
        state = "other"
    elif isinstance(last, dict) and "finished" in last:
        state = "whole"
    else:
        state = "written" if is_being_written(directory) else "partly"
    return RunEntry(
        directory,
        about,
        printable(str(search or "")),
        units,
        total if type(total) is int else None,
        _changed(directory),
        state,
    )


def _changed(directory: Path) -> float:
    times = [0.0]
    for name in (HEADER, LINES):
        path = directory / name
        if path.exists():
            times.append(path.stat().st_mtime)
    return max(times)


class OpenRun:
    """A run and what was read for it so far; threads may ask in parallel.

    Attributes
    ----------
    view
        Its header and lines as they were last read.
    """

    def __init__(self, view: ViewedRun, stamp: _Stamp = ()) -> None:
        self.view = view
        # What the caches are read through: they stay in memory while only lines are added.
        self._source = view
        self._lock = RLock()
        self._units: OrderedDict[int, UnitData] = OrderedDict()
        self._stamp = stamp

    @classmethod
    def read(cls, directory: Path, roots: Roots) -> OpenRun:
        """Read a run's header and lines, as far as they can be read."""
        # Before the files: what is added while they are read is read next time.
        stamp = _stamp(directory)
        return cls(view_run(Run(directory, {}), roots), stamp)

    def read_again(self, *, always: bool = False) -> None:
        """Read the lines again if the files have changed."""
        with self._lock:
            stamp = _stamp(self.view.directory)
            if stamp == self._stamp and not always:
                return
            self._stamp = stamp
            before = self.view
            self.view = view_run(Run(before.directory, {}), before.roots)
            if always or self.view.identity != before.identity:
                self._source = self.view
                self._units.clear()

    def categories(self) -> dict[int, str]:
        """Label number to category; raises ``CcxError`` without the dataset."""
        with self._lock:
            return {
                label.number: printable(label.category) for label in self._source.dataset.labels
            }

    def vocabulary(self) -> Vocabulary:
        """Names that a formula may use; raises ``CcxError`` without the dataset."""
        with self._lock:
            return Vocabulary({label.number: label.name for label in self._source.dataset.labels})

    def concept_names(self) -> list[str]:
        """Names of the concepts, those in most images first; raises ``CcxError`` if unknown."""
        with self._lock:
            index = self._source.index
            images = index.images_with()
            return [printable(index.labels[n].name) for n in (-images).argsort(kind="stable")]

    def images_with_concepts(self) -> dict[int, int]:
        """Label number to number of images; raises ``CcxError`` without the concept index."""
        with self._lock:
            index = self._source.index
            return dict(zip(index.concepts.tolist(), index.images_with().tolist(), strict=True))

    def pictures_of_concept(self, number: int) -> PictureList:
        """Choose images with a concept; raises ``CcxError`` without the concept index."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import pictures_of_concept

        with self._lock:
            return pictures_of_concept(self._source.dataset, self._source.index, number)

    def read_unit(self, unit: int, is_wanted: Callable[[], bool] = lambda: True) -> UnitData | None:
        """Read one unit's maps and count its pixels; ``None`` if it is not wanted any more.

        Raises
        ------
        CcxError
            If the dataset, the concept index or the activations are not there.
        """
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import read_unit

        with self._lock:
            if not is_wanted():
                return None
            records = self.view.units.get(unit, [])
            known = self._units.get(unit)
            if known is not None and len(known.images.records) == sum(
                record["range"] is not None for record in records
            ):
                self._units.move_to_end(unit)
                return known
            source = self._source
            if unit >= source.activations.units:
                raise DamagedDataError(
                    f"{self.view.name} has lines of unit {unit}, but its activations have "
                    f"{source.activations.units:,} units: run `ccx explain` again."
                )
            read = read_unit(
                unit,
                records,
                self.view.directory,
                source.dataset,
                source.index,
                source.activations,
            )
            self._units[unit] = read
            while len(self._units) > _KEPT_UNITS:
                self._units.popitem(last=False)
            return read


_Stamp = tuple[tuple[int, int], ...]


def _stamp(directory: Path) -> _Stamp:
    """Return what changes with a run: its files, and whether it is being written."""
    stamps = [(int(is_being_written(directory)), 0)]
    for name in (HEADER, LINES):
        try:
            status = (directory / name).stat()
        except OSError:
            stamps.append((0, 0))
        else:
            stamps.append((status.st_size, status.st_mtime_ns))
    return tuple(stamps)
