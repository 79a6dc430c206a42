"""Explains the units of one or several layers side by side, and stores each as it is finished."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import few
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress, Task
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.lines import UnitLines
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.runs.workers import LostTaskError, SideBySide, Tasks
from ccx_cli.search.older_lines import FormulaSizes
from ccx_cli.store.locks import writing


class Explained(NamedTuple):
    """A unit's explanations, and all ranges of the unit."""

    records: list[ExplanationRecord]
    ranges: tuple[Range, ...]


class UnitTasks(NamedTuple):
    """Who explains units, and the task of a unit of each layer."""

    tasks: Tasks
    explain: Sequence[Callable[[int], Explained]]


@dataclass
class LayerUnits:
    """Units of a layer that are asked for, and where what is found of them is kept."""

    results: Run
    units: Sequence[int]
    about: Mapping[str, Any]
    session: Mapping[str, Any]
    index: ConceptIndex
    ranges: RangeCache | Sequence[Range]
    stored: UnitLines[ExplanationRecord] = field(init=False)
    missing: list[int] = field(init=False, default_factory=list)
    found: dict[int, list[ExplanationRecord]] = field(init=False, default_factory=dict)
    lost: list[int] = field(init=False, default_factory=list)
    bar: Task = field(init=False)
    bars: ExitStack = field(init=False, default_factory=ExitStack)
    held: ExitStack = field(init=False, default_factory=ExitStack)
    left: int = field(init=False)
    is_begun: bool = field(init=False, default=False)
    began: float = field(init=False)
    ended: float = field(init=False)

    def is_finished(self) -> bool:
        """Read what is stored, and tell whether nothing is missing of it."""
        self.stored = self.results.lines.finished()
        return all(unit in self.stored for unit in self.units) and self.results.has_header()

    def begin(self) -> None:
        """Begin a session, and list what is missing; hold the right to write in the run."""
        self.results.lines.drop_torn_line()
        if not self.stored.is_of_all():
            self.stored = self.results.lines.finished()
        self.missing = [unit for unit in self.units if unit not in self.stored]
        known = len(self.units) - len(self.missing)
        self.results.begin_session(self.about, {**self.session, "stored": known})
        self.is_begun = True
        self.began = self.ended = time.monotonic()
        self.left = len(self.missing)
        if not self.left:
            self.end()

    def come_to(self) -> None:
        """Count time from here, when all layers before are begun, as does who reads the header."""
        self.began = self.ended = time.monotonic()
        os.utime(self.results.directory / HEADER)

    def knows(self, unit: int) -> bool:
        """Tell whether a unit is explained, or lost."""
        return any(unit in some for some in (self.stored, self.found, self.lost))

    def take(self, unit: int, future: Future[Explained]) -> None:
        """Store what was found of a unit, and end the session with the last one."""
        self.ended = time.monotonic()
        try:
            records, ranges = future.result()
        except LostTaskError:
            self.lost.append(unit)
            return
        if isinstance(self.ranges, RangeCache):
            self.ranges.keep(unit, ranges)
        self.results.lines.append(records)
        self.bar.advance()
        self.found[unit] = records
        self.left -= 1
        if not self.left:
            self.end()

    def save(self) -> None:
        """Keep what ranges were found."""
        if isinstance(self.ranges, RangeCache):
            self.ranges.save()

    def end(self) -> None:
        """End the session, of which all units are stored, and let others write in the run."""
        self.save()
        seconds = round(self.ended - self.began, 1)
        self.results.end_session(units=len(self.missing), seconds=seconds)
        self.results.lines.read_brief()
        self.held.close()


class _Missing(NamedTuple):
    """A unit to explain, of which there may be a hundred thousand."""

    layer: LayerUnits
    unit: int
    explain: Callable[[int], Explained]


def explain_layers(
    layers: Sequence[LayerUnits],
    opening: Callable[[], AbstractContextManager[UnitTasks]],
    progress: Progress,
) -> Generator[tuple[int, list[ExplanationRecord]], None, None]:
    """Yield each unit's layer, by position, and records, in order; find what is not stored yet.

    ``opening`` opens what explains them, once all headers are written. Units of all layers are one
    queue: nobody waits for the last unit of a layer.
    """
    unfinished = [layer for layer in layers if not layer.is_finished()]
    if not unfinished:
        for position, layer in enumerate(layers):
            sizes = FormulaSizes(layer.index)
            for unit in layer.units:
                yield position, sizes.completed(layer.stored[unit])
        return
    with ExitStack() as held:
        # In one order, so that two processes never wait for each other.
        for layer in sorted(unfinished, key=lambda each: each.results.directory):
            held.enter_context(layer.held)
            layer.held.enter_context(writing(layer.results.directory, progress))
        for layer in unfinished:
            layer.begin()
        try:
            with opening() as explaining, ExitStack() as bars:
                yield from _explain_all(layers, explaining, progress, bars)
        finally:
            for layer in unfinished:
                layer.save()
    lost = [
        f"{unit} of {layer.about.get('layer')}" if len(layers) > 1 else f"{unit}"
        for layer in layers
        for unit in sorted(layer.lost)
    ]
    if lost:
        units = "Unit" if len(lost) == 1 else "Units"
        raise LostTaskError(
            f"{units} {few(lost)} ended the Dask workers again and again: see their logs."
        )


def _explain_all(
    layers: Sequence[LayerUnits], explaining: UnitTasks, progress: Progress, bars: ExitStack
) -> Generator[tuple[int, list[ExplanationRecord]], None, None]:
    """Explain what is missing side by side; store each unit as it is finished."""
    tasks = explaining.tasks
    missing = sum(len(layer.missing) for layer in layers)
    total = None
    if len(layers) > 1:
        n_units = sum(len(layer.units) for layer in layers)
        bar = progress.task(
            "Explanations of all layers",
            n_units,
            done=n_units - missing,
            unit="units",
            whole=True,
        )
        total = bars.enter_context(bar)
    queue = SideBySide(
        _in_turn(layers, explaining, progress, bars),
        lambda piece: tasks.begin(piece.explain, piece.unit),
        tasks,
    )
    for position, layer in enumerate(layers):
        sizes = FormulaSizes(layer.index)
        for unit in layer.units:
            while not layer.knows(unit) or queue.has_ended:
                for piece, future in queue.ended():
                    piece.layer.take(piece.unit, future)
                    if total is not None and piece.unit not in piece.layer.lost:
                        total.advance()
            if unit not in layer.lost:
                found = layer.found.pop(unit) if unit in layer.found else layer.stored[unit]
                yield position, sizes.completed(found)
        layer.bars.close()


def _in_turn(
    layers: Sequence[LayerUnits], explaining: UnitTasks, progress: Progress, bars: ExitStack
) -> Iterator[_Missing]:
    """Yield missing units with their layer and task; a layer's bar opens with its first."""
    for layer, explain in zip(layers, explaining.explain, strict=True):
        if not layer.is_begun:
            continue
        layer.come_to()
        of = f" of {layer.about.get('layer')}" if len(layers) > 1 else ""
        done = len(layer.units) - len(layer.missing)
        bar = progress.task(f"Explanations{of}", len(layer.units), done=done, unit="units")
        layer.bar = bars.enter_context(layer.bars).enter_context(bar)
        for unit in layer.missing:
            yield _Missing(layer, unit, explain)
