"""Explanation records that came from elsewhere, and the stored run that they are from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import (
    ClusterOrNone,
    FormulaOrNone,
    Json,
    LayerName,
    Record,
    UnitNumber,
    to_json,
)
from ccx_cli.records.lines import decode
from ccx_cli.runs.run import Run


class Piped(Record):
    """What a record must have to be found among those of stored runs."""

    unit: UnitNumber
    layer: LayerName
    cluster: ClusterOrNone
    formula: FormulaOrNone


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


_ONLY_STORED = ", and only stored explanations are measured (`ccx score` scores your own formulas)"


def find_run_of(lines: Sequence[PipedLine], runs: Iterable[Run]) -> Run:
    """Return the first of ``runs`` that holds all the records; what they lack is not compared."""
    layer = lines[0].record.layer
    for line in lines:
        if line.record.layer != layer:
            raise UsageError(
                f"Line {line.number} of the input is of {line.record.layer}, line "
                f"{lines[0].number} of {layer}: send in the records of one run at a time."
            )
    for run in runs:
        if run.about.layer != layer:
            continue
        try:
            units = run.lines.finished()
        except CcxError:
            continue
        if _stray(lines, units) is None:
            return run
    raise MissingInputError(
        f"No stored run holds all the records of the input as they are{_ONLY_STORED}: name the run "
        "they are from with --run, or say with --data-dir where it is."
    )


def chosen_records(
    lines: Sequence[PipedLine], units: Mapping[int, Sequence[ExplanationRecord]], name: str
) -> dict[int, list[ExplanationRecord]]:
    """Return the stored records that the lines name, by unit, in cluster order."""
    stray = _stray(lines, units)
    if stray is not None:
        unit, cluster = stray.key
        raise UsageError(
            f"Line {stray.number} of the input, unit {unit} and cluster {cluster}, is not in the "
            f"run {name} as it is{_ONLY_STORED}: name another one with --run."
        )
    wanted = {line.key for line in lines}
    return {
        unit: [record for record in units[unit] if (unit, record.cluster) in wanted]
        for unit in sorted({unit for unit, _ in wanted})
    }


def _stray(
    lines: Sequence[PipedLine], units: Mapping[int, Sequence[ExplanationRecord]]
) -> PipedLine | None:
    """Return the first line that is not what is stored of its range."""
    stored = {
        (unit, record.cluster): to_json(record)
        for unit in {line.record.unit for line in lines} & units.keys()
        for record in units[unit]
    }
    for line in lines:
        there = stored.get(line.key)
        if there is None or any(
            key in there and there[key] != value for key, value in line.content.items()
        ):
            return line
    return None
