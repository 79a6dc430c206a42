"""Stored runs as the screens read them, in threads: everything here may take a while."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from ccx_cli.errors import DamagedDataError
from ccx_cli.printable import printable
from ccx_cli.runs.run import HEADER, LINES, Run
from ccx_cli.store.locks import is_being_written
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs
    from ccx_cli.tui.pictures import PictureList
    from ccx_cli.tui.unit_data import UnitData

T = TypeVar("T")
_KEPT_UNITS = 4
# Units are only counted: to read the lines of all runs would take long.
_UNIT = re.compile(rb'^\{"unit": ?(\d+)', re.MULTILINE)
_Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run in the list, its lines not read: its number of units, a stamp that its files change."""

    run: Run
    units: int
    stamp: _Stamp

    @property
    def changed(self) -> float:
        """When its files changed last, in seconds since the epoch; 0 if that is unknown."""
        return max(time for _, time in self.stamp) / 1e9


def list_runs(results: Path, known: Mapping[Path, ListedRun]) -> dict[Path, ListedRun]:
    """List the runs under a results root by directory; ``known`` ones are read if they changed."""
    listed = {}
    for directory in results.iterdir() if results.is_dir() else ():
        if any((directory / name).is_file() for name in (HEADER, LINES)):
            stamp, before = _stamp(directory), known.get(directory)
            if before is None or before.stamp != stamp:
                lines = directory / LINES
                units = set(_UNIT.findall(lines.read_bytes())) if lines.is_file() else ()
                before = ListedRun(Run(directory, shown=True), len(units), stamp)
            listed[directory] = before
    return listed


def _stamp(directory: Path) -> _Stamp:
    """Return what changes with a run: its files, and whether it is being written."""
    stamp = [(int(is_being_written(directory)), 0)]
    for name in (HEADER, LINES):
        try:
            status = (directory / name).stat()
            stamp.append((status.st_size, status.st_mtime_ns))
        except OSError:
            stamp.append((0, 0))
    return tuple(stamp)


def label_categories(inputs: RunInputs) -> dict[int, str]:
    """Return the category of every label by its number."""
    return {label.number: printable(label.category) for label in inputs.dataset.labels}


class OpenRun:
    """A run and what was read for it so far; threads may ask in parallel."""

    def __init__(self, directory: Path, roots: Roots) -> None:
        self._roots = roots
        self._lock = RLock()
        self._inputs: RunInputs | None = None
        self._units: OrderedDict[int, UnitData] = OrderedDict()
        self._read(directory, _stamp(directory))

    def _read(self, directory: Path, stamp: _Stamp) -> None:
        # The stamp is older than the files: what is added meanwhile is read next time.
        run = Run(directory, shown=True)
        assert run.units is not None  # read here, in a thread
        self.run, self._stamp = run, stamp

    def read_again(self, *, always: bool = False) -> None:
        """Read the lines again if the files have changed."""
        with self._lock:
            before, stamp = self.run, _stamp(self.run.directory)
            if stamp == self._stamp and not always:
                return
            self._read(before.directory, stamp)
            # While only lines are added, the inputs stay in memory.
            if always or self.run.identity_key != before.identity_key:
                self._inputs = None
                self._units.clear()

    def with_inputs(self, work: Callable[[RunInputs], T]) -> T:
        """Return what ``work`` reads from the run's inputs; raises ``CcxError`` without them."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.runs.inputs import RunInputs

        with self._lock:
            if self._inputs is None:
                self._inputs = RunInputs(self.run, self._roots)
            return work(self._inputs)

    def pictures_of_concept(self, number: int) -> PictureList:
        """Choose images with a concept; raises ``CcxError`` without the concept index."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import pictures_of_concept

        return self.with_inputs(lambda inputs: pictures_of_concept(inputs, number))

    def read_unit(self, unit: int, is_wanted: Callable[[], bool] = lambda: True) -> UnitData | None:
        """Read one unit's maps and count its pixels; ``None`` if it is not wanted any more.

        Raises ``CcxError`` if the dataset, the concept index or the activations are not
        there.
        """
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import read_unit

        def read(inputs: RunInputs) -> UnitData | None:
            if not is_wanted():
                return None
            records = self.run.units.get(unit, [])
            known = self._units.get(unit)
            ranged = sum(record.range is not None for record in records)
            if known is None or len(known.images.records) != ranged:
                if unit >= inputs.activations.units:
                    raise DamagedDataError(
                        f"{self.run.name} has lines of unit {unit}, but its activations have "
                        f"{inputs.activations.units:,} units: run `ccx explain` again."
                    )
                known = read_unit(unit, records, inputs)
            self._units[unit] = known
            self._units.move_to_end(unit)
            while len(self._units) > _KEPT_UNITS:
                self._units.popitem(last=False)
            return known

        return self.with_inputs(read)
