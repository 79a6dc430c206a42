"""What comparisons of runs say: by unit or range, over all units, and of layers side by side."""

from __future__ import annotations

from typing import Annotated, Literal

from ccx_cli.records.fields import (
    ClusterOrNone,
    FormulaOrNone,
    NonNegative,
    Proportion,
    RangeEnds,
    Record,
    UnitNumber,
    count,
    doc,
    joined,
)


class ComparedRunRecord(Record):
    """Two runs, over all ranges."""

    ranges: Annotated[int, count("Ranges that have a formula in both runs.")]
    equal: Annotated[int, count("Those whose formulas are equivalent.")]
    better: Annotated[int, count("Those whose IoU is larger in B.")]
    worse: Annotated[int, count("Those whose IoU is smaller in B.")]
    mean_difference: Annotated[float | None, doc("Mean IoU in B minus IoU in A.")]
    only_a: Annotated[int, count("Ranges with a formula in A only.")]
    only_b: Annotated[int, count("Ranges with a formula in B only.")]
    neither: Annotated[int, count("Ranges without a formula in either.")]


class _OfUnit(Record):
    unit: Annotated[NonNegative | None, doc("The unit's number; null for all.")]


class _OfCluster(Record):
    cluster: Annotated[NonNegative | None, doc("The range's number; null for all.")]


ComparedUnitRecord = joined(
    __name__, "ComparedUnitRecord", "Two runs, by unit.", _OfUnit, ComparedRunRecord
)
ComparedClusterRecord = joined(
    __name__,
    "ComparedClusterRecord",
    "Two runs, by number of the range.",
    _OfCluster,
    ComparedRunRecord,
)


class ComparedRangeRecord(Record):
    """A range in both runs."""

    unit: UnitNumber
    cluster: ClusterOrNone
    formula_a: FormulaOrNone
    formula_b: FormulaOrNone
    equal: Annotated[bool | None, doc("Whether they are equivalent; null unless there are two.")]
    iou_a: Annotated[float | None, doc("IoU in A.")]
    iou_b: Annotated[float | None, doc("IoU in B.")]
    difference: Annotated[float | None, doc("IoU in B minus IoU in A.")]
    range_a: Annotated[RangeEnds | None, doc("The range in A.")]
    range_b: Annotated[RangeEnds | None, doc("The range in B.")]


MeasureName = Literal["mcc", "activation_coverage", "iou", "explained"]
MEASURES: tuple[MeasureName, ...] = ("mcc", "activation_coverage", "iou", "explained")
Interval = Annotated[list[float] | None, doc("Its 95% interval; null for fewer than two units.")]


class RunDifferenceRecord(Record):
    """By how much a measure differs between two runs, over units."""

    kind: Annotated[Literal["difference"], doc("A measure, over all units.")]
    measure: Annotated[
        MeasureName,
        doc(
            "mcc, activation_coverage and iou of each unit's leading explanation, that with the "
            "largest MCC; explained: the share of units where its formula beats its baseline."
        ),
    ]
    paired: Annotated[
        bool, doc("Whether the same units are compared; else two samples of different ones.")
    ]
    units_a: Annotated[int, count("Units of A that have it; if paired, in both runs.")]
    units_b: Annotated[int, count("The same of B.")]
    mean_a: Annotated[float | None, doc("Its mean over these units of A.")]
    mean_b: Annotated[float | None, doc("Its mean over these units of B.")]
    difference: Annotated[float | None, doc("The mean in B minus that in A.")]
    difference_interval: Interval
    p_value: Annotated[
        Proportion | None, doc("Two-sided p-value of a permutation test; null without units.")
    ]


class ComparedLayerRecord(Record):
    """What the units of a layer respond to, and how well, by their leading explanations."""

    run: Annotated[str, doc("The run's name.")]
    layer: Annotated[str | None, doc("The layer, and the sparse autoencoder on it.")]
    layer_units: Annotated[NonNegative | None, doc("Units of the layer.")]
    units: Annotated[int, count("Units in the run.")]
    dead: Annotated[int, count("Those that never fire.")]
    explained: Annotated[NonNegative | None, doc("Those whose leading formula beats its baseline.")]
    mcc_units: Annotated[int, count("Those with a leading formula, of which the rest are.")]
    mcc_mean: Annotated[float | None, doc("Mean MCC, over units.")]
    mcc_interval: Interval
    mcc_lower_quartile: Annotated[float | None, doc("A quarter of the units have a lower MCC.")]
    mcc_median: Annotated[float | None, doc("Median MCC.")]
    mcc_upper_quartile: Annotated[float | None, doc("A quarter of the units have a higher MCC.")]
    iou_mean: Annotated[float | None, doc("Mean IoU.")]
    lift_median: Annotated[float | None, doc("Median lift.")]
    activation_coverage_mean: Annotated[float | None, doc("Mean share of the hits covered.")]
    length_mean: Annotated[float | None, doc("Mean number of concepts in the formula.")]
    formulas: Annotated[int, count("Distinct formulas: logically equivalent ones count once.")]
    category: Annotated[str | None, doc("The category of most of the explained units.")]
    categories: Annotated[
        dict[str, int],
        doc("Explained units by the category of most concepts that the formula asks for."),
    ]
