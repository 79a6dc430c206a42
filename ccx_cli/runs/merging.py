"""Merges stored runs of the same explanations, each of some units, into one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ccx_cli.errors import CcxError, UsageError, few
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Json
from ccx_cli.runs.run import Run
from ccx_cli.store.locks import is_being_written, writing

_AT_ONCE = 256
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A run, and those of its finished units that the merged run takes from it."""

    run: Run
    units: Mapping[int, list[ExplanationRecord]]
    taken: list[int]


def merge_runs(runs: Sequence[Run], results: Path, progress: Progress) -> tuple[Run, list[Part]]:
    """Merge runs into the one of their identity under ``results``, which may be there already.

    Finished units alone are merged; a unit of several runs is the same in all, or all are refused.
    What is merged stays merged if this is ended early, and is not merged twice.

    Returns
    -------
    The merged run, and what of each run was new.

    Raises
    ------
    UsageError
        If the runs are of different explanations.
    CcxError
        If one is being written, or two have different lines for a unit.
    """
    for run in runs:
        run.require_header()
    headers = [run.raw_header() for run in runs]
    merged = Run(results / runs[0].name, headers[0]["identity"])
    _check_alike(runs, headers)
    parts = [run for run in runs if run.directory.resolve() != merged.directory.resolve()]
    for run in parts:
        if is_being_written(run.directory):
            raise CcxError(f"{run.directory} is being written: wait for the ccx that does.")
    # What is refused is so before anything is made.
    stored = merged.lines.finished()
    found = list(_parts(parts, merged, stored))
    with writing(merged.directory, progress):
        known = merged.raw_header()
        merged.lines.drop_torn_line()
        if not stored.is_of_all():
            found = list(_parts(parts, merged, merged.lines.finished()))
        sessions = [each for header in (known, *headers) for each in header.get("sessions", ())]
        distinct = {json.dumps(each, sort_keys=True): each for each in sessions}
        ordered = sorted(distinct.values(), key=lambda each: str(each.get("started")))
        merged.write_header({**(known or headers[0]), "sessions": ordered})
        of_unit = {unit: part.units for part in found for unit in part.taken}
        with progress.task("Merging", len(of_unit), unit="units") as task:
            every = sorted(of_unit)
            for start in range(0, len(every), _AT_ONCE):
                units = every[start : start + _AT_ONCE]
                merged.lines.append(record for unit in units for record in of_unit[unit][unit])
                task.advance(len(units))
        merged.lines.read_brief()
    return Run(merged.directory), found


def _check_alike(runs: Sequence[Run], headers: Sequence[Json]) -> None:
    first = headers[0]
    for run, header in zip(runs[1:], headers[1:], strict=True):
        was, now = first["identity"], header["identity"]
        changed = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
        if first["about"].get("units") != header["about"].get("units"):
            changed.append("number of units")
        if changed:
            raise UsageError(
                f"{run.directory} and {runs[0].directory} are not parts of one run, they differ "
                f"in {few(changed, _NAMED)}: merge runs of one `ccx explain` with other --units."
            )


def _parts(
    runs: Sequence[Run], merged: Run, stored: Mapping[int, list[ExplanationRecord]]
) -> Iterator[Part]:
    """Yield the runs with what is new in each, from the first on; CcxError if two disagree."""
    seen = dict.fromkeys(stored, (merged, stored))
    for run in runs:
        units, taken = run.strict().units, []
        for unit in units:
            if unit not in seen:
                seen[unit] = (run, units)
                taken.append(unit)
                continue
            other, known = seen[unit]
            if known[unit] != units[unit]:
                raise CcxError(
                    f"{other.directory} and {run.directory} have different lines for unit {unit}: "
                    "leave one out, or find which is right with `ccx rerun --check`."
                )
        yield Part(run, units, taken)
