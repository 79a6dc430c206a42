"""Stored runs as the views read them, in threads: every method here may take a while."""

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
from ccx_cli.printable import printable
from ccx_cli.store.locks import is_being_written

if TYPE_CHECKING:
    from ccx_cli.formulas.parse import Vocabulary
    from ccx_cli.runs.viewed import ViewedRun
    from ccx_cli.store.paths import Roots
    from ccx_cli.tui.looking import UnitLook

_UNIT = re.compile(rb'^\{"unit": ?(\d+)', re.MULTILINE)
_KEPT_LOOKS = 4
HEADER, LINES = "header.json", "explanations.jsonl"


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
    """A run and what was read for it so far; threads may ask side by side.

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
        self._looks: OrderedDict[int, UnitLook] = OrderedDict()
        self._stamp = stamp

    @classmethod
    def read(cls, directory: Path, roots: Roots) -> OpenRun:
        """Read a run's header and lines, as far as they can be read."""
        from ccx_cli.runs.results import ResultsRun
        from ccx_cli.runs.viewed import view_run

        # Before the files: what is added while they are read is read next time.
        stamp = _stamp(directory)
        return cls(view_run(ResultsRun(directory, {}), roots), stamp)

    def read_again(self, *, always: bool = False) -> bool:
        """Read the lines again if the files have changed; tell whether they were read."""
        from ccx_cli.runs.results import ResultsRun
        from ccx_cli.runs.viewed import view_run

        with self._lock:
            stamp = _stamp(self.view.directory)
            if stamp == self._stamp and not always:
                return False
            self._stamp = stamp
            was = self.view
            self.view = view_run(ResultsRun(was.directory, {}), was.roots)
            if always or self.view.identity != was.identity:
                self._source = self.view
                self._looks.clear()
            return True

    def categories(self) -> dict[int, str]:
        """Label number to category; raises ``CcxError`` without the data set."""
        with self._lock:
            return {label.number: printable(label.category) for label in self.dataset.labels}

    def vocabulary(self) -> Vocabulary:
        """Names that a formula may use; raises ``CcxError`` without the data set."""
        from ccx_cli.formulas.parse import Vocabulary

        with self._lock:
            return Vocabulary({label.number: label.name for label in self.dataset.labels})

    @property
    def dataset(self) -> Any:
        """The labelled images; raises ``CcxError`` if they are gone."""
        with self._lock:
            return self._source.dataset

    @property
    def index(self) -> Any:
        """The concept index; raises ``CcxError`` if it is gone."""
        with self._lock:
            return self._source.index

    def look(self, unit: int, wanted: Callable[[], bool] = lambda: True) -> UnitLook | None:
        """Read one unit's maps and count its pixels; ``None`` if nobody wants it any more.

        Raises
        ------
        CcxError
            If the data set, the concept index or the activations are not there.
        """
        from ccx_cli.tui.looking import look_closely

        with self._lock:
            if not wanted():
                return None
            records = self.view.units.get(unit, [])
            known = self._looks.get(unit)
            if known is not None and len(known.images.records) == sum(
                record["range"] is not None for record in records
            ):
                self._looks.move_to_end(unit)
                return known
            activations = self._source.activations
            if unit >= activations.units:
                raise DamagedDataError(
                    f"{self.view.name} has lines of unit {unit}, but its activations have "
                    f"{activations.units:,} units: run `ccx explain` again."
                )
            look = look_closely(self.view, unit, records, self._source.index, activations)
            self._looks[unit] = look
            while len(self._looks) > _KEPT_LOOKS:
                self._looks.popitem(last=False)
            return look


_Stamp = tuple[tuple[int, int], ...]


def _stamp(directory: Path) -> _Stamp:
    """Return what tells one state of a run from another: its files, and whether it is written."""
    stamps = [(int(is_being_written(directory)), 0)]
    for name in (HEADER, LINES):
        try:
            status = (directory / name).stat()
        except OSError:
            stamps.append((0, 0))
        else:
            stamps.append((status.st_size, status.st_mtime_ns))
    return tuple(stamps)
