"""Answers of studies that are kept beside a run, for its report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from ccx_cli.progress import Progress
from ccx_cli.records.ablation import AblationRecord
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines, json_line
from ccx_cli.records.simulation import StoredSimulation
from ccx_cli.records.stability import StabilityRecord
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import json_digest
from ccx_cli.store.locks import writing

R = TypeVar("R", bound=Record)
OfFormula = TypeVar("OfFormula", StabilityRecord, AblationRecord)


def _file(what: str, **asked: str) -> str:
    """Name the file that keeps an answer, as those of metrics are named."""
    return f"{what}-{json_digest(asked)[:8]}.jsonl"


ROLES = _file("roles")
IMPORTANCE = _file("importance", per="cluster")
RANGE_IMPORTANCE = _file("importance", per="unit")


def read_kept(path: Path, kind: type[R]) -> list[R]:
    """Read the records of a file beside a run; those that cannot be read are left out."""
    return list(RecordLines(path, kind, printable_texts=True).read(lambda *_: None))


def kept_stability(
    directory: Path, records: Iterable[ExplanationRecord]
) -> dict[tuple[int, int | None], StabilityRecord]:
    """Read the stability that was kept of formulas, by unit and cluster.

    Of several files it is the one of most ranges, then the one of most resamples.
    """

    def amount(lines: Sequence[StabilityRecord]) -> tuple[int, int]:
        return len(lines), max((line.resamples for line in lines), default=0)

    paths = sorted(directory.glob("stability-*.jsonl"))
    lines = max((read_kept(path, StabilityRecord) for path in paths), key=amount, default=[])
    return _of_records([line for line in lines if line.formula is not None], records)


def kept_ablation(
    directory: Path, records: Iterable[ExplanationRecord]
) -> dict[tuple[int, int | None], AblationRecord]:
    """Read what masking formulas changed, of several files the one of most ranges."""
    paths = sorted(directory.glob("ablation-*.jsonl"))
    every = (read_kept(path, AblationRecord) for path in paths)
    return _of_records(max(every, key=len, default=[]), records)


def _of_records(
    lines: Sequence[OfFormula], records: Iterable[ExplanationRecord]
) -> dict[tuple[int, int | None], OfFormula]:
    """Return by unit and cluster the lines that are of the records' formulas."""
    if not lines:
        return {}  # Then the records, which may be very many, are not read either.
    by_range: dict[tuple[int, int | None], OfFormula] = {
        (line.unit, line.cluster): line for line in lines
    }
    found = {}
    for record in records:
        line = by_range.get((record.unit, record.cluster))
        if line is not None and line.formula == record.formula:
            found[record.unit, record.cluster] = line
    return found


def kept_simulation(directory: Path) -> list[StoredSimulation]:
    """Read the simulation that was kept of most units, then of most permutations; by unit."""

    def amount(lines: Sequence[StoredSimulation]) -> tuple[int, int]:
        return len(lines), max((len(line.shuffled) for line in lines), default=0)

    paths = sorted(directory.glob("simulation-*.jsonl"))
    lines = max((read_kept(path, StoredSimulation) for path in paths), key=amount, default=[])
    by_unit = {line.unit: line for line in lines}
    return [by_unit[unit] for unit in sorted(by_unit)]


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
