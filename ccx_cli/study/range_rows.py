"""The ranges of a run as rows, each with all that was measured of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ccx_cli.records.explanation import ExplainedRange, ExplanationRecord
from ccx_cli.records.fields import Json, to_json
from ccx_cli.runs.answers import KEPT_ABLATION, KEPT_MASKING, KEPT_METRICS, KEPT_STABILITY, Key
from ccx_cli.runs.chance import kept_against_null
from ccx_cli.runs.run import Run
from ccx_cli.study.ablation_changes import with_q_values

Measured = Mapping[Key, Sequence[Json]]
_OF_RANGE = {*ExplainedRange.__struct_fields__, "kind", "iou"}


def measured_beside(run: Run) -> tuple[Measured, list[str]]:
    """Return what is kept beside a run of each range, and say what is damaged in it."""
    problems: list[str] = []
    beside: dict[Key, list[Json]] = defaultdict(list)
    for kept in (KEPT_METRICS, KEPT_MASKING):
        for key, record in kept.fullest(run.directory, problems).items():
            beside[key].append(to_json(record))
    for key, against in kept_against_null(run, run.records).items():
        beside[key].append(to_json(against))
    stability = KEPT_STABILITY.of_formulas(run.directory, run.records)
    ablation = with_q_values([*KEPT_ABLATION.of_formulas(run.directory, run.records).values()])
    for name, lines in (("stability", stability.values()), ("ablation", ablation)):
        for line in lines:
            found = to_json(line)
            of_formula = {key: found[key] for key in found if key not in _OF_RANGE}
            beside[line.unit, line.cluster].append({name: of_formula})
    return beside, problems


def range_row(record: ExplanationRecord, beside: Measured) -> Json:
    """Return an explanation and what was measured of it; of another formula, nothing.

    What explanations have as well is theirs: of a split, on the images that were searched. What
    ``ccx stability`` and ``ccx ablate`` say of a formula is under these names.
    """
    row = to_json(record)
    for more in beside.get((record.unit, record.cluster), ()):
        if more.get("formula", record.formula) == record.formula:
            row |= {key: more[key] for key in more if key not in row}
    return row
