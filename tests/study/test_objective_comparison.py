from __future__ import annotations

import pytest

from ccx_cli.formulas.formula import to_json
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.records.studies import ObjectiveOnUnitRecord
from ccx_cli.study.objective_comparison import COMPARED, agreements, summarise

VOCABULARY = Vocabulary({1: "sky", 2: "sea"})


def found(
    unit: int, objective: str, formula: str | None, iou: float = 0.0, lift: float | None = None
) -> ObjectiveOnUnitRecord:
    return ObjectiveOnUnitRecord(
        kind="unit",
        unit=unit,
        objective=objective,
        formula=formula,
        labels=None if formula is None else to_json(parse_formula(formula, VOCABULARY)),
        score=0.5,
        iou=iou,
        lift=lift,
        mcc=None if lift is None else lift / 10,
        length=0 if formula is None else 2,
        size=iou / 2,
    )


UNITS = [
    found(0, "iou", "sky OR sea", 0.25, 2.0),
    found(0, "mcc", "sea OR sky", 0.25, 2.0),
    found(0, "pearson", "sky", 0.125, 3.0),
    found(1, "iou", "sky AND sea", 0.75, None),
    found(1, "mcc", "sky", 0.5, 1.0),
    found(1, "pearson", None),
]


def test_means_are_over_units_with_a_formula() -> None:
    rows = {row.objective: row for row in summarise(UNITS)}
    assert tuple(rows) == COMPARED
    assert (rows["iou"].units, rows["iou"].iou_mean, rows["iou"].size_mean) == (2, 0.5, 0.25)
    assert (rows["iou"].lift_mean, rows["mcc"].lift_mean) == (2.0, 1.5)
    assert rows["mcc"].mcc_mean == pytest.approx(0.15)
    assert (rows["pearson"].units, rows["pearson"].iou_mean) == (1, 0.125)
    assert (rows["cosine"].units, rows["cosine"].iou_mean) == (0, None)


def test_objectives_agree_where_their_formulas_are_equivalent() -> None:
    pairs = {(row.objective, row.other): row for row in agreements(UNITS)}
    assert len(pairs) == 15
    told = {key: (row.units, row.equal, row.share) for key, row in pairs.items()}
    assert told["iou", "mcc"] == (2, 1, 0.5)
    assert told["iou", "pearson"] == (1, 0, 0.0)
    assert told["mcc", "pearson"] == (1, 0, 0.0)
    assert told["iou", "cosine"] == (0, 0, None)
