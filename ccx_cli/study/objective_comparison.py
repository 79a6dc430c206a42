"""What objectives find in the same units, and how often they agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from msgspec import UNSET

from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import from_json
from ccx_cli.records.studies import ObjectiveOnUnitRecord, ObjectivePairRecord, ObjectiveRecord
from ccx_cli.runs.inputs import RunInputs, holds
from ccx_cli.runs.provenance import space_of
from ccx_cli.runs.splits import split_images
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.space import PROVEN_LENGTH
from ccx_cli.study.resampling import of_known
from ccx_cli.threads import map_in_order

COMPARED = ("iou", "f-beta:2", "mcc", "soft-iou", "pearson", "cosine")


def explain_by_objectives(
    inputs: RunInputs, units: Sequence[int], workers: int
) -> Iterator[list[ObjectiveOnUnitRecord]]:
    """Explain each unit's highest range, or its whole activation, by every objective, in order.

    Concepts, operators and images are the run's, and so is the length, up to the proven one. There
    is nothing of a unit that never fires.
    """
    run, index, activations = inputs.run, inputs.searched, inputs.activations
    split, length = run.about.split, run.identity.search.length
    images = slice(None) if split is None else split_images(inputs.dataset, split)[0]
    data = DataCounts(index)
    longest = PROVEN_LENGTH if length is UNSET else min(length, PROVEN_LENGTH)
    explainers = [
        Explainer(index, data, "", 1, OptimalStrategy(settings, space_of(run)))
        for settings in (OptimumSettings(longest, objective=each) for each in COMPARED)
    ]

    def work(unit: int) -> list[ObjectiveOnUnitRecord]:
        highest = inputs.ranges_of(unit)[-1:]
        if not highest:
            return []
        maps = activations.unit(unit)[images]
        found = []
        for objective, explainer in zip(COMPARED, explainers, strict=True):
            (record,) = explainer.explain(unit, maps, highest)
            total = int(index.sets.totals[holds(record, index)].sum())
            found.append(
                ObjectiveOnUnitRecord(
                    kind="unit",
                    unit=unit,
                    objective=objective,
                    formula=record.formula,
                    labels=record.labels,
                    score=0.0 if record.score is UNSET else record.score,
                    iou=record.iou,
                    lift=None if record.lift is UNSET else record.lift,
                    mcc=None if record.mcc is UNSET else record.mcc,
                    length=record.length,
                    size=total / index.n_pixels,
                )
            )
        return found

    return map_in_order(work, units, workers)


def summarise(found: Sequence[ObjectiveOnUnitRecord]) -> list[ObjectiveRecord]:
    """Average what each objective finds, over the units for which it finds a formula."""
    rows = []
    for objective in COMPARED:
        own = [each for each in found if each.objective == objective and each.formula is not None]
        rows.append(
            ObjectiveRecord(
                kind="objective",
                objective=objective,
                units=len(own),
                iou_mean=of_known(each.iou for each in own),
                lift_mean=of_known(each.lift for each in own),
                mcc_mean=of_known(each.mcc for each in own),
                length_mean=of_known(each.length for each in own),
                size_mean=of_known(each.size for each in own),
            )
        )
    return rows


def agreements(found: Sequence[ObjectiveOnUnitRecord]) -> list[ObjectivePairRecord]:
    """Count for each two objectives the units for which they find equivalent formulas."""
    keys: dict[str, dict[int, object]] = {objective: {} for objective in COMPARED}
    for each in found:
        if each.formula is not None:
            keys[each.objective][each.unit] = canonical_key(from_json(each.labels))
    rows = []
    for a, b in combinations(COMPARED, 2):
        both = keys[a].keys() & keys[b].keys()
        equal = sum(keys[a][unit] == keys[b][unit] for unit in both)
        rows.append(
            ObjectivePairRecord(
                kind="pair",
                objective=a,
                other=b,
                units=len(both),
                equal=equal,
                share=equal / len(both) if both else None,
            )
        )
    return rows
