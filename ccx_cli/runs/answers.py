"""Answers of studies that are kept beside a run: one declaration a study of what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import UNSET

from ccx_cli.progress import Progress
from ccx_cli.records.ablation import AblationRecord
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines, json_line
from ccx_cli.records.metrics import MaskingRecord, NullRecord, StoredMetrics
from ccx_cli.records.simulation import StoredSimulation
from ccx_cli.records.stability import StabilityRecord
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import json_digest
from ccx_cli.store.locks import writing

R = TypeVar("R", bound=Record)
Key = tuple[int, int | None]


def range_of(record: Record) -> Key:
    """Return which range of which unit a kept record is of."""
    return getattr(record, "unit", 0), getattr(record, "cluster", None)


def _file(what: str, **asked: int | str) -> str:
    return f"{what}-{json_digest(asked)[:8]}.jsonl"


ROLES = _file("roles")
IMPORTANCE = _file("importance", per="cluster")
RANGE_IMPORTANCE = _file("importance", per="unit")


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """What a study keeps beside a run: a file for every way of asking, a record a line.

    ``name`` begins the names of the files, ``amount`` says how much a record is of.
    """

    name: str
    kind: type[R]
    amount: Callable[[R], int] = lambda _: 0

    def lines(self, directory: Path, **asked: int | str) -> RecordLines[R]:
        """Name the file that keeps what was ``asked``."""
        return RecordLines(directory / _file(self.name, **asked), self.kind)

    def fullest(self, directory: Path, problems: list[str] | None = None) -> dict[Key, R]:
        """Read the file of most ranges, of several the one of the largest amount, by range.

        What cannot be read is said in ``problems``; without them it raises.
        """

        def read(path: Path) -> dict[Key, R]:
            lines = RecordLines(path, self.kind, printable_texts=True)

            def note(number: int, fault: str) -> None:
                assert problems is not None
                problems.append(str(lines.damaged_line(number, fault)))

            try:
                found = lines.read(None if problems is None else note)
                return {range_of(one): one for one in found}
            except OSError as error:
                if problems is None:
                    raise
                problems.append(f"{path}: {error.strerror}.")
                return {}

        def size(found: Mapping[Key, R]) -> tuple[int, int]:
            return len(found), max(map(self.amount, found.values()), default=0)

        found = [read(path) for path in sorted(directory.glob(f"{self.name}-*.jsonl"))]
        # Of one file, which may be large, nothing is counted.
        return max(found, key=size) if len(found) > 1 else next(iter(found), {})

    def of_formulas(self, directory: Path, records: Iterable[ExplanationRecord]) -> dict[Key, R]:
        """Return by range what was kept of the records' formulas, as far as it can be read."""
        by_range = self.fullest(directory, problems=[])
        found: dict[Key, R] = {}
        # The records, which may be very many, are read only if there is something of them.
        for record in records if by_range else ():
            line: Any = by_range.get(range_of(record))
            if line is not None and line.formula is not None and line.formula == record.formula:
                found[range_of(record)] = line
        return found


def _known_keys(record: StoredMetrics) -> int:
    return sum(getattr(record, key) is not UNSET for key in record.__struct_fields__)


KEPT_METRICS = Kept("metrics", StoredMetrics, _known_keys)
KEPT_MASKING = Kept("masking", MaskingRecord)
KEPT_NULL = Kept("null", NullRecord, lambda one: len(one.null_ious))
KEPT_STABILITY = Kept("stability", StabilityRecord, lambda one: one.resamples)
KEPT_SIMULATION = Kept("simulation", StoredSimulation, lambda one: len(one.shuffled))
KEPT_ABLATION = Kept("ablation", AblationRecord)


def read_kept(path: Path, kind: type[R]) -> list[R]:
    """Read the records of a file beside a run; those that cannot be read are left out."""
    return list(RecordLines(path, kind, printable_texts=True).read(lambda *_: None))


def kept_simulation(directory: Path) -> list[StoredSimulation]:
    """Return what was kept of every unit's simulation, by unit, as far as it can be read."""
    found = KEPT_SIMULATION.fullest(directory, problems=[])
    return sorted(found.values(), key=lambda one: one.unit)


def keep(path: Path, records: Sequence[Record], progress: Progress) -> None:
    """Write an answer beside a run; ranges that are not in it stay, where it cannot: a note."""
    if not records:
        return
    try:
        with writing(path.parent, progress):
            every = [*read_kept(path, type(records[0])), *records]
            by_range = {(getattr(one, "unit", 0), getattr(one, "cluster", 0)): one for one in every}
            write_text(path, "".join(map(json_line, by_range.values())))
    except OSError as error:
        progress.note(f"The answer is not kept for reports: {path}: {error.strerror}.")
