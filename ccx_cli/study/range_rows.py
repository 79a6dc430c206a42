"""The ranges of a run as rows, each with all that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import Json, to_json
from ccx_cli.records.metrics import MaskingRecord, StoredMetrics
from ccx_cli.runs.chance import kept_against_null
from ccx_cli.runs.run import Run
from ccx_cli.study.measuring import fullest

Measured = Mapping[tuple[int, int | None], Json]


def measured_beside(run: Run) -> tuple[Measured, list[str]]:
    """Return what is kept beside a run of each range, and say what is damaged in it."""
    metrics, problems = fullest(run.directory, "metrics", StoredMetrics)
    masking, others = fullest(run.directory, "masking", MaskingRecord)
    beside: dict[tuple[int, int | None], Json] = {}
    kept: list[StoredMetrics | MaskingRecord] = [*metrics, *masking]
    for record in kept:
        beside.setdefault((record.unit, record.cluster), {}).update(to_json(record))
    for key, against in kept_against_null(run, run.records).items():
        beside.setdefault(key, {}).update(to_json(against))
    return beside, problems + others


def range_row(record: ExplanationRecord, beside: Measured) -> Json:
    """Return an explanation and what was measured of it; of another formula, nothing.

    What explanations have as well is theirs: of a split, on the images that were searched.
    """
    row, more = to_json(record), beside.get((record.unit, record.cluster), {})
    if more.get("formula", record.formula) != record.formula:
        return row
    return row | {key: more[key] for key in more if key not in row}
