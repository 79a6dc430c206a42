"""What is measured of a run, kept beside its explanations as soon as it is found."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines
from ccx_cli.runs.dask_worker import kept
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.inputs_on_dask import StoredInputs
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.workers import Tasks, in_threads, side_by_side
from ccx_cli.store.locks import writing
from ccx_cli.store.steps import Step

R = TypeVar("R", bound=Record)

Measure = Callable[[int, Sequence[ExplanationRecord]], list[R]]
"""Measures a unit, given its number and its explanations."""


def kept_or_found(
    inputs: RunInputs,
    lines: RecordLines[R],
    units: Sequence[int],
    find: Callable[[Sequence[int]], Iterator[tuple[int, list[R]]]],
    title: str,
    progress: Progress,
) -> Iterator[list[R]]:
    """Yield every unit's lines, in order; what ``find`` yields of missing units is kept."""
    known = lines.finished()
    missing = [unit for unit in units if unit not in known]
    if not missing:
        yield from (known[unit] for unit in units)
        return
    found: dict[int, list[R]] = {}
    with writing(inputs.kept, progress):
        lines.drop_torn_line()
        done = len(units) - len(missing)
        with progress.task(title, len(units), done=done, unit="units") as task:
            coming = find(missing)
            for unit in units:
                while unit not in known and unit not in found:
                    of, found[of] = next(coming)
                    lines.append(found[of])
                    task.advance()
                yield known[unit] if unit in known else found.pop(unit)


@dataclass(frozen=True)
class UnitStudy(Generic[R]):
    """What is measured of each unit of a run.

    ``make``, a function of a module, returns of the inputs and the ``settings`` what measures a
    unit: on another machine it is made anew.
    """

    inputs: RunInputs
    lines: RecordLines[R]
    title: str
    make: Callable[..., Measure[R]]
    settings: tuple[Hashable, ...]

    def found(
        self,
        units: Sequence[int],
        workers: int,
        progress: Progress,
        cluster: DaskCluster | None = None,
    ) -> Iterator[list[R]]:
        """Yield every unit's lines, in order; what was found before is read.

        Raises
        ------
        LostTaskError
            Of units whose workers end again and again, once all others are kept.
        """

        def find(missing: Sequence[int]) -> Iterator[tuple[int, list[R]]]:
            records = self.inputs.run.units
            with self._measuring(workers, cluster) as (tasks, measure):
                yield from side_by_side(
                    missing,
                    lambda unit: tasks.begin(measure, unit, records[unit]),
                    tasks,
                    "Unit {}".format,
                )

        return kept_or_found(self.inputs, self.lines, units, find, self.title, progress)

    @contextmanager
    def _measuring(
        self, workers: int, cluster: DaskCluster | None
    ) -> Iterator[tuple[Tasks, Measure[R]]]:
        """Open who measures units, and what does."""
        if cluster is None:
            with in_threads(workers) as threads:
                yield threads, self.make(self.inputs, *self.settings)
            return
        # What changed is refused here, by name.
        _ = self.inputs.index, self.inputs.activations
        stored = StoredInputs.of(self.inputs)
        with cluster.tasks(stored.header) as tasks:
            yield tasks, partial(_measure_there, stored, self.make, self.settings)

    def step(self, name: str, units: Sequence[int], workers: int, share: float = 1) -> Step:
        """Say how many of the units are not kept yet, and about how long they take.

        With these settings a unit takes so large a ``share`` of what there is to do for it.
        """
        step = self.lines.step(name, units)
        if not step.missing:
            return step
        known = self.lines.finished()
        unit = next(unit for unit in units if unit not in known)
        measure = self.make(self.inputs, *self.settings)
        return step.timed(lambda: measure(unit, self.inputs.run.units[unit]), share, workers)


def _measure_there(
    stored: StoredInputs,
    make: Callable[..., Measure[R]],
    settings: tuple[Hashable, ...],
    unit: int,
    records: Sequence[ExplanationRecord],
) -> list[R]:
    """Measure a unit on a worker."""
    measure = kept((stored, make, settings), lambda: make(stored.opened(), *settings))
    return measure(unit, records)
