"""Stored runs as the screens read them, in threads: everything here may take a while."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from msgspec import UNSET
from rich.console import RenderableType

from ccx_cli.errors import DamagedDataError
from ccx_cli.formulas.formula import labels_in
from ccx_cli.printable import printable
from ccx_cli.records.brief import keeping_all
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.findings import alone, short_names, simplified, unit_sentence
from ccx_cli.runs.run import HEADER, LINES, Run
from ccx_cli.store.locks import is_being_written
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs
    from ccx_cli.tui.histogram import ActivationHistogram
    from ccx_cli.tui.pictures import PictureList
    from ccx_cli.tui.unit_data import UnitData

T = TypeVar("T")
_KEPT_UNITS = 8
# Units are only counted: to read the lines of all runs would take long.
_UNIT = re.compile(rb'\{"unit": ?(\d+)')
# A run that grows is read again after so many times as long as that took.
_PATIENCE = 10
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
                units = _count_units(directory / LINES)
                before = ListedRun(Run(directory, shown=True), units, stamp)
            listed[directory] = before
    return listed


def _count_units(path: Path) -> int:
    if not path.is_file():
        return 0
    with path.open("rb") as lines:
        return len({found[1] for found in map(_UNIT.match, lines) if found})


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


@dataclass(frozen=True, slots=True)
class Glance:
    """The images of a row; of a range also its unit's activations, by its ``records``.

    ``about`` is what is said of the row, where that is not known before it was read.
    """

    pictures: PictureList | None
    histogram: ActivationHistogram | None = None
    records: Sequence[ExplanationRecord] = ()
    cluster: int | None = None
    about: RenderableType | None = None


class OpenRun:
    """A run and what was read for it so far; threads may ask in parallel.

    ``as_stored`` is whether people read the formulas as they are stored, rather than the simplest
    ones that score nearly as high. ``shown`` are the explanations that they read, and ``stored``
    those of the run, by unit and cluster, both without the formulas beside theirs, which
    ``records_of`` has; ``short`` gives the names that they read. ``common`` are the ranges whose
    formula is also common in the untrained network, where that was explained.
    """

    def __init__(self, directory: Path, roots: Roots) -> None:
        self._roots = roots
        self._lock = RLock()
        self._inputs: RunInputs | None = None
        self._units: OrderedDict[tuple[object, ...], UnitData] = OrderedDict()
        self.as_stored = False
        self.common: set[tuple[int, int | None]] = set()
        self._read(directory, _stamp(directory))

    def _read(self, directory: Path, stamp: _Stamp) -> None:
        # The stamp is older than the files: what is added meanwhile is read next time.
        began, run = time.monotonic(), Run(directory, shown=True)
        self._hold(run, run.read_lines)
        self.run, self._stamp = run, stamp
        self._next = time.monotonic() + _PATIENCE * (time.monotonic() - began)

    def _hold(
        self, run: Run, read: Callable[[Callable[[ExplanationRecord], object]], object]
    ) -> None:
        """Keep of every record that ``read`` shows what lists have of it."""
        found: dict[tuple[int, int | None], ExplanationRecord] = {}
        names: dict[int, str] = {}
        self.knows_mcc = False

        def keep(record: ExplanationRecord) -> None:
            found[record.unit, record.cluster] = alone(simplified(record))
            self.knows_mcc = self.knows_mcc or record.mcc is not UNSET
            if record.labels is not None and not names.keys() >= set(labels_in(record.labels)):
                names.update(record.names)

        with keeping_all():
            read(keep)
            order = sorted(found, key=lambda key: (key[0], key[1] or 0))
            self._simplest = {key: found[key] for key in order}
        self._stored: dict[tuple[int, int | None], ExplanationRecord] | None = None
        self._records, self.short = run.units, short_names(names)

    @property
    def stored(self) -> Mapping[tuple[int, int | None], ExplanationRecord]:
        """The explanations of the run, by unit and cluster; read when they are first asked for."""
        if self._stored is None:
            records = (record for some in self._records.values() for record in some)
            self._stored = {(each.unit, each.cluster): alone(each) for each in records}
        return self._stored

    @property
    def shown(self) -> Mapping[tuple[int, int | None], ExplanationRecord]:
        """The explanations that people read, by unit and cluster."""
        return self.stored if self.as_stored else self._simplest

    def records_of(self, unit: int, *, as_stored: bool = False) -> list[ExplanationRecord]:
        """Return a unit's explanations, from the lowest range up, as people read them."""
        records = self._records.get(unit, [])
        return records if as_stored or self.as_stored else list(map(simplified, records))

    def stored_one(self, record: ExplanationRecord) -> ExplanationRecord:
        """Return the explanation of a record's range as it is stored, in full."""
        of_unit = self.records_of(record.unit, as_stored=True)
        return next(each for each in of_unit if each.cluster == record.cluster)

    def sentence_on(self, unit: int) -> str:
        return unit_sentence(unit, self.records_of(unit, as_stored=True), short=self.short)

    def learn(self) -> dict[int, str]:
        """Return the category of every label; learn short names, measures and what is common."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.study.specialisation import untrained_defaults

        def read(inputs: RunInputs) -> dict[int, str]:
            labels = inputs.dataset.labels
            complete = inputs if self.knows_mcc else inputs.against_chance()
            if complete is not inputs:
                self._hold(complete.run, lambda keep: [*map(keep, complete.run.records)])
            self.short = short_names(label._replace(name=printable(label.name)) for label in labels)
            defaults = untrained_defaults(self.run, self._roots.results)
            if defaults is not None:
                self.common = {
                    key
                    for key, record in self.stored.items()
                    if record.tree is not None and defaults.has(record.tree)
                }
            return {label.number: printable(label.category) for label in labels}

        return self.with_inputs(read)

    def read_again(self, *, always: bool = False) -> None:
        """Read the lines again if the files have changed."""
        with self._lock:
            before, stamp = self.run, _stamp(self.run.directory)
            if (stamp == self._stamp or time.monotonic() < self._next) and not always:
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

    def glance_at_concept(self, number: int) -> Glance:
        """Choose images with a concept; raises ``CcxError`` without the concept index."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import pictures_of_concept

        return Glance(self.with_inputs(lambda inputs: pictures_of_concept(inputs, number)))

    def glance_at(self, record: ExplanationRecord, is_wanted: Callable[[], bool]) -> Glance | None:
        """Choose images for one range; ``None`` if it is not wanted any more, see ``read_unit``."""
        data = self.read_unit(record.unit, is_wanted)
        if data is None:
            return None
        cluster = record.cluster
        pictures = data.pictures(cluster, "top", record.tree) if cluster in data.metrics else None
        return Glance(pictures, data.histogram, data.images.records, cluster)

    def read_unit(self, unit: int, is_wanted: Callable[[], bool] = lambda: True) -> UnitData | None:
        """Read one unit's maps and count its pixels; ``None`` if it is not wanted any more."""
        # Here, since numba takes long to import: see ``unit_data``.
        from ccx_cli.tui.unit_data import read_unit

        def read(inputs: RunInputs) -> UnitData | None:
            if not is_wanted():
                return None
            records = self.records_of(unit)
            key = unit, *(record.formula for record in records)
            known = self._units.get(key)
            if known is None:
                if unit >= inputs.activations.units:
                    raise DamagedDataError(
                        f"{self.run.called} has lines of unit {unit}, but its activations have "
                        f"{inputs.activations.units:,} units: run `ccx explain` again."
                    )
                known = read_unit(unit, records, inputs)
            self._units[key] = known
            self._units.move_to_end(key)
            while len(self._units) > _KEPT_UNITS:
                self._units.popitem(last=False)
            return known

        return self.with_inputs(read)
