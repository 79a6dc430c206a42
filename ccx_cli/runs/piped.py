"""Explanation records that came from elsewhere, and the stored run that they are from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.formulas.formula import to_json as formula_to_json
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.records.explanation import ExplainedRange, ExplanationRecord
from ccx_cli.records.fields import (
    ClusterOrNone,
    FormulaOrNone,
    Json,
    LayerName,
    Maybe,
    Record,
    UnitNumber,
    to_json,
)
from ccx_cli.records.lines import decode
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.search.scoring import FormulaOnData, check_seen


class Piped(Record):
    """What names a range of a stored run, and its formula or one of the user's own."""

    unit: UnitNumber
    cluster: ClusterOrNone
    formula: FormulaOrNone
    layer: Maybe[LayerName] = UNSET


@dataclass(frozen=True, slots=True)
class PipedLine:
    """A record, all its keys, and the number of its line from 1 up."""

    number: int
    record: Piped
    content: Json

    @property
    def key(self) -> tuple[int, int | None]:
        """Unit and cluster."""
        return self.record.unit, self.record.cluster


def read_lines(text: Iterable[str | bytes]) -> list[PipedLine]:
    """Read explanation records, one a line; empty lines are passed over."""
    lines: list[PipedLine] = []
    seen: dict[tuple[int, int | None], int] = {}
    for number, content in enumerate(text, start=1):
        if not content.strip():
            continue
        try:
            line = PipedLine(number, decode(content, Piped), json.loads(content))
        except ValueError as error:
            raise DamagedDataError(
                f"Line {number} of the input is not an explanation ({error}): send in the records "
                "that `ccx explain --format jsonl` and `jq -c` write, one a line."
            ) from error
        if line.key in seen:
            raise DamagedDataError(
                f"Line {number} of the input is of the same unit and cluster as line "
                f"{seen[line.key]}: leave one out."
            )
        seen[line.key] = number
        lines.append(line)
    if not lines:
        raise MissingInputError(
            "The input holds no explanations: pipe in what `ccx explain --format jsonl` writes."
        )
    return lines


def find_run_of(lines: Sequence[PipedLine], runs: Iterable[Run]) -> Run:
    """Return the first of ``runs`` that holds all the records, else the first with their ranges."""
    first, *others = [line for line in lines if line.record.layer] or lines[:1]
    layer = first.record.layer
    for line in others:
        if line.record.layer != layer:
            raise UsageError(
                f"Line {line.number} of the input is of {line.record.layer}, line "
                f"{first.number} of {layer}: send in the records of one run at a time."
            )
    with_ranges = None
    for run in runs:
        if layer and run.about.layer != layer:
            continue
        try:
            units = run.lines.finished()
        except CcxError:
            continue
        if _stray(lines, units) is None:
            return run
        if with_ranges is None and _stray(lines, units, with_own=True) is None:
            with_ranges = run
    if with_ranges is None:
        raise MissingInputError(
            "No stored run has the ranges of the input, with hits and all that the lines say of "
            "them: name the run they are from with --run, or say with --data-dir where it is."
        )
    return with_ranges


def chosen_records(
    lines: Sequence[PipedLine], inputs: RunInputs, scratch: Path | None
) -> tuple[RunInputs, dict[int, list[ExplanationRecord]]]:
    """Return the records that the lines name, by unit, in cluster order, and what they are of.

    Formulas that are not the stored ones are the user's own, evaluated on the same ranges and
    measured into ``scratch``; without it they are refused. UsageError if a line is not of the run,
    or its formula has a concept that the dataset does not have.
    """
    run = inputs.run
    stray = _stray(lines, run.units, with_own=scratch is not None)
    if stray is not None:
        unit, cluster = stray.key
        raise UsageError(
            f"Line {stray.number} of the input, unit {unit} and cluster {cluster}, is not in the "
            f"run {run.name} as it is: name another run with --run"
            + (
                ", and send in unit, cluster and formula alone for a formula of your own."
                if scratch is not None
                else "; `ccx metrics -` and `ccx score` measure formulas of your own."
            )
        )
    own = {
        line.key: _with_formula(record, line, inputs)
        for line in lines
        for record in run.units[line.record.unit]
        if record.cluster == line.record.cluster
        and record.range is not None
        and record.formula != line.record.formula
    }
    if own:
        units = {
            unit: [own.get((unit, record.cluster), record) for record in records]
            for unit, records in run.units.items()
        }
        inputs = inputs.with_units(units, scratch)
    wanted = {line.key for line in lines}
    chosen = defaultdict(list)
    for record in inputs.run.records:
        if (record.unit, record.cluster) in wanted:
            chosen[record.unit].append(record)
    return inputs, dict(chosen)


def _with_formula(
    record: ExplanationRecord, line: PipedLine, inputs: RunInputs
) -> ExplanationRecord:
    """Return a record with a line's formula in place of its own."""
    vocabulary = Vocabulary({label.number: label.name for label in inputs.dataset.labels})
    try:
        found = FormulaOnData.read(line.record.formula or "", vocabulary, inputs.index)
        check_seen([found])
    except UsageError as error:
        raise UsageError(f"Line {line.number} of the input: {error}") from error
    labels = formula_to_json(found.formula)
    unknown = dict.fromkeys(("lift", "mcc", "f1", "pearson", "cosine"))
    return replace(record, formula=found.text, labels=labels, by_length=[], **unknown)


def _stray(
    lines: Sequence[PipedLine],
    units: Mapping[int, Sequence[ExplanationRecord]],
    with_own: bool = False,
) -> PipedLine | None:
    """Return the first line that is not what is stored of its range; ``with_own``, of a formula."""
    stored = {
        (unit, record.cluster): to_json(record)
        for unit in {line.record.unit for line in lines} & units.keys()
        for record in units[unit]
    }
    for line in lines:
        there = stored.get(line.key)
        formula = line.record.formula
        if there and with_own and there["range"] and formula and formula != there["formula"]:
            # The rest of what `ccx score` says in a line is of its formula.
            there = {key: there[key] for key in ExplainedRange.__struct_fields__}
            del there["formula"]
        if not _agrees(there, line.content):
            return line
    return None


def _agrees(stored: Any, given: Any) -> bool:
    """Compare JSON; what is added to lines of older versions when they are read is passed over."""
    match stored, given:
        case dict(), dict():
            return all(key not in stored or _agrees(stored[key], given[key]) for key in given)
        case list(), list():
            return len(stored) == len(given) and all(map(_agrees, stored, given))
        case _:
            return bool(stored == given)
