from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import astuple, replace

from ccx_cli.formulas.formula import Formula, to_json, to_text
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.runs.run import Run
from ccx_cli.study.run_comparison import compare_runs, tally

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

NAMES = {1: "sky", 2: "red wine", 3: 'a "b"', 4: "not"}
OTHER_NAMES = {1: 'a "b"', 2: "not", 3: "sky", 4: "red wine"}


def record(
    unit: int,
    cluster: int | None,
    text: str | None,
    iou: float = 0.0,
    names: dict[int, str] = NAMES,
) -> ExplanationRecord:
    formula: Formula | None = None
    if text is not None:
        formula = parse_formula(text, Vocabulary(names))
    return explanation(
        unit,
        cluster,
        formula=None if formula is None else to_text(formula, names.__getitem__),
        labels=None if formula is None else to_json(formula),
        iou=iou,
    )


def stored(*records: ExplanationRecord) -> Run:
    units: dict[int, list[ExplanationRecord]] = {}
    for each in records:
        units.setdefault(each.unit, []).append(each)
    return Run(Path("run")).with_units(units)


A = stored(
    record(0, 0, "sky OR red wine", 0.25),
    record(0, 1, "sky AND NOT red wine", 0.5),
    record(0, 2, "sky", 0.5),
    record(1, 0, "'a \"b\"'", 0.125),
    record(1, 1, None),
    record(2, None, None),
    record(4, None, None),
)
B = stored(
    record(0, 0, "red wine OR sky", 0.25),
    record(0, 1, "(sky OR red wine) AND NOT red wine", 0.25),
    record(0, 2, "sky OR 'not'", 0.625),
    record(1, 0, None),
    record(1, 1, None),
    record(1, 2, "sky", 0.5),
    record(2, 0, "sky", 0.75),
    record(3, 0, None),
    record(4, None, None),
)


def test_ranges_are_matched_by_number() -> None:
    pairs = compare_runs(A, B)
    told = [(pair.unit, pair.cluster, pair.equal, *pair.ious, pair.difference) for pair in pairs]
    assert told == [
        (0, 0, True, 0.25, 0.25, 0.0),
        (0, 1, True, 0.5, 0.25, -0.25),
        (0, 2, False, 0.5, 0.625, 0.125),
        (1, 0, None, 0.125, None, None),
        (1, 1, None, None, None, None),
        (1, 2, None, None, 0.5, None),
        (2, 0, None, None, 0.75, None),
        (3, 0, None, None, None, None),
        (4, None, None, None, None, None),
    ]
    assert astuple(tally(pairs)) == (3, 2, 1, 1, -0.125 / 3, 1, 2, 3)
    assert astuple(tally(pairs[4:5])) == (0, 0, 0, 0, None, 0, 0, 1)
    assert astuple(tally([])) == (0, 0, 0, 0, None, 0, 0, 0)


def test_a_run_equals_itself() -> None:
    summed = tally(compare_runs(A, A))
    assert (summed.ranges, summed.equal, summed.better, summed.worse) == (4, 4, 0, 0)
    assert summed.mean_difference == 0


def test_where_numbers_mean_other_names_the_names_count() -> None:
    text = "(sky OR red wine) AND NOT 'not'"
    ours = stored(record(0, 0, text, 0.5), record(1, 0, "sky", 0.5))
    theirs = stored(
        record(0, 0, text, 0.5, OTHER_NAMES), record(1, 0, "'a \"b\"'", 0.5, OTHER_NAMES)
    )
    assert [pair.equal for pair in compare_runs(ours, theirs)] == [True, False]


def test_names_are_read_off_the_lines() -> None:
    assert names_of(A.records) == {1: "sky", 2: "red wine", 3: 'a "b"'}
    with pytest.raises(ValueError, match="the text and the labels of the formula differ"):
        explanation(formula="sky OR grass", labels=1)


def test_a_formula_of_the_whole_activation_is_matched_with_the_highest_range() -> None:
    whole = replace(record(0, 0, "sky", 0.125), objective="pearson", num_ranges=1)
    pairs = compare_runs(A, stored(whole, record(2, None, None)))
    assert [(pair.unit, pair.cluster, pair.equal, pair.ious) for pair in pairs][:4] == [
        (0, 0, None, (0.25, None)),
        (0, 1, None, (0.5, None)),
        (0, 2, True, (0.5, 0.125)),
        (1, 0, None, (0.125, None)),
    ]
    assert [pair.cluster for pair in pairs if pair.unit == 2] == [None]
