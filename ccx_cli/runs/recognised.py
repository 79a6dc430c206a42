"""Explanation records that came from elsewhere, and the stored run that they are from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError
from ccx_cli.runs.results import ResultsRun
from ccx_cli.store.lines import Record

_NEEDED = ("unit", "layer", "cluster", "formula")


@dataclass(frozen=True, slots=True)
class Line:
    """A record, and the number of its line from 1 up."""

    number: int
    record: Record

    @property
    def key(self) -> tuple[int, int | None]:
        """Unit and cluster."""
        return self.record["unit"], self.record["cluster"]


def read_lines(text: Iterable[str | bytes]) -> list[Line]:
    """Read explanation records, one a line; empty lines are passed over.

    Raises
    ------
    DamagedDataError
        If a line is no such record, or a range comes twice.
    MissingInputError
        If there is none.
    """
    lines: list[Line] = []
    seen: dict[tuple[int, int | None], int] = {}
    for number, content in enumerate(text, start=1):
        if not content.strip():
            continue
        line = Line(number, _record(number, content))
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


def find_run_of(lines: Sequence[Line], runs: Iterable[ResultsRun]) -> ResultsRun:
    """Return the first of ``runs`` that holds all the records; what they lack is not compared.

    Raises
    ------
    MissingInputError
        If none does.
    UsageError
        If the records are of several layers, so of several runs.
    """
    for line in lines:
        if line.record["layer"] != lines[0].record["layer"]:
            raise UsageError(
                f"Line {line.number} of the input is of {line.record['layer']}, line "
                f"{lines[0].number} of {lines[0].record['layer']}: send in the records of one run "
                "at a time."
            )
    for run in runs:
        try:
            if run.header().get("about", {}).get("layer") != lines[0].record["layer"]:
                continue
            units = run.finished()
        except (CcxError, AttributeError):
            continue
        if _stray(lines, units) is None:
            return run
    raise MissingInputError(
        "No stored run holds all the records of the input as they are: name the run they are from "
        "with --run, or say with --data-dir where it is."
    )


def chosen_records(
    lines: Sequence[Line], units: Mapping[int, Sequence[Record]], name: str
) -> dict[int, list[Record]]:
    """Return the stored records that the lines name, by unit, in cluster order.

    Raises
    ------
    UsageError
        If one is not stored, or says something else there.
    """
    stray = _stray(lines, units)
    if stray is not None:
        unit, cluster = stray.key
        raise UsageError(
            f"Line {stray.number} of the input, unit {unit} and cluster {cluster}, is not in the "
            f"run {name}: name another one with --run."
        )
    wanted = {line.key for line in lines}
    return {
        unit: [record for record in units[unit] if (unit, record["cluster"]) in wanted]
        for unit in sorted({unit for unit, _ in wanted})
    }


def _record(number: int, content: str | bytes) -> Record:
    try:
        record = json.loads(content)
    except ValueError as error:
        raise DamagedDataError(
            f"Line {number} of the input is no JSON: send in one record a line, such as "
            "`ccx explain --format jsonl` and `jq -c` write."
        ) from error
    if not isinstance(record, dict):
        raise DamagedDataError(
            f"Line {number} of the input is no object: send in the records that "
            "`ccx explain --format jsonl` writes, one a line."
        )
    for key in _NEEDED:
        if key not in record:
            raise DamagedDataError(
                f"Line {number} of the input has no key {key}: an explanation has "
                f"{', '.join(_NEEDED)}."
            )
    if type(record["unit"]) is not int or type(record["cluster"]) not in (int, type(None)):
        raise DamagedDataError(
            f"Line {number} of the input has a unit or a cluster that is no whole number."
        )
    return record


def _stray(lines: Sequence[Line], units: Mapping[int, Sequence[Record]]) -> Line | None:
    """Return the first line that is not what is stored of its range."""
    stored = {
        (unit, record["cluster"]): record for unit, records in units.items() for record in records
    }
    for line in lines:
        there = stored.get(line.key)
        if there is None or any(
            key in there and there[key] != value for key, value in line.record.items()
        ):
            return line
    return None
