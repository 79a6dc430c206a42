"""What commands say of ranges, runs and units: one record a line of their output."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET

from ccx_cli.records.fields import (
    Baseline,
    ClassName,
    Cluster,
    ClusterOrNone,
    FormulaOrNone,
    FormulaText,
    Hits,
    HoldsZero,
    Iou,
    IouOrNone,
    LayerName,
    Lift,
    Maybe,
    Mcc,
    NonNegative,
    NumClusters,
    NumRanges,
    Proportion,
    RangeEnds,
    RangeOrNone,
    Record,
    Tree,
    TreeOrNone,
    UnitNumber,
    UnitRange,
    count,
    doc,
    share,
)


class SpecialisationRecord(Record):
    """Specialisation of the ranges of one number, or of all."""

    kind: Annotated[Literal["cluster"], doc("Ranges of one number.")]
    cluster: Annotated[NonNegative | None, doc("Their number; null for all.")]
    ranges: Annotated[int, count("Ranges.")]
    explanations: Annotated[int, count("Those with a formula.")]
    unspecialised: Annotated[int, count("Those with a default formula.")]
    unspecialised_share: Annotated[Proportion | None, doc("Share of the explanations.")]
    weakly_specialised: Annotated[int, count("Those that begin with a default pair.")]
    weakly_specialised_share: Annotated[Proportion | None, doc("Share of the explanations.")]


class DefaultRecord(Record):
    """A formula or pair that the untrained network has by default."""

    kind: Annotated[
        Literal["default formula", "default pair"],
        doc("What the untrained network has by default."),
    ]
    formula: FormulaText
    labels: Tree
    untrained: Annotated[int, count("Ranges of the untrained network that have it.")]
    trained: Annotated[int, count("Ranges of the run that have it.")]


class SpecialisedRangeRecord(Record):
    """The specialisation of one range."""

    kind: Annotated[Literal["range"], doc("One range, with --each.")]
    unit: UnitNumber
    cluster: Cluster
    formula: FormulaOrNone
    labels: TreeOrNone
    iou: IouOrNone
    specialisation: Annotated[
        str | None, doc("unspecialised, weakly specialised or specialised; null without a formula.")
    ]


class RangeRecord(UnitRange):
    """A range of one unit's activation, or a unit that never fires."""

    values: Annotated[int, count("Activations strictly inside.")]
    share: Annotated[float, share("Their share of all.")]
    holds_zero: HoldsZero = UNSET


class HeuristicRecord(Record):
    """A search over all ranges."""

    heuristic: Annotated[str, doc("The search.")]
    ranges: Annotated[int, count("Ranges searched.")]
    visited_mean: Annotated[float, doc("Mean number of formulas visited.")]
    visited_deviation: Annotated[float, doc("Its standard deviation.")]
    seconds_mean: Annotated[float, doc("Mean time in seconds.")]
    seconds_deviation: Annotated[float, doc("Its standard deviation.")]
    iou_mean: Annotated[float, doc("Mean IoU.")]
    best_in: Annotated[int, count("Ranges where no other search found a larger IoU.")]
    missed: Annotated[float, doc("Share of the ranges where another search found a larger IoU.")]
    lost_mean: Annotated[float | None, doc("Mean share of that IoU lost there; null without any.")]
    lost_max: Annotated[float | None, doc("The largest share that is lost.")]


class HeuristicOnRangeRecord(Record):
    """A search on one range."""

    unit: UnitNumber
    cluster: Cluster
    heuristic: Annotated[str, doc("The search.")]
    formula: FormulaOrNone
    iou: Iou
    visited: Annotated[int, count("Formulas visited.")]
    seconds: Annotated[float, doc("Time in seconds.")]


class ObjectiveRecord(Record):
    """What an objective finds in all units."""

    kind: Annotated[Literal["objective"], doc("One objective.")]
    objective: Annotated[str, doc("What is maximized, as in --objective.")]
    units: Annotated[int, count("Units for which it finds a formula; the means are over these.")]
    iou_mean: Annotated[float | None, doc("Mean IoU with the hits of a unit's highest range.")]
    lift_mean: Annotated[float | None, doc("Mean lift with these.")]
    mcc_mean: Annotated[float | None, doc("Mean MCC with these.")]
    length_mean: Annotated[float | None, doc("Mean number of concepts in a formula.")]
    size_mean: Annotated[float | None, doc("Mean share of the pixels on which a formula holds.")]


class ObjectivePairRecord(Record):
    """How often two objectives agree."""

    kind: Annotated[Literal["pair"], doc("Two objectives.")]
    objective: Annotated[str, doc("One of them.")]
    other: Annotated[str, doc("The other.")]
    units: Annotated[int, count("Units for which both find a formula.")]
    equal: Annotated[int, count("Those for which the two are equivalent.")]
    share: Annotated[Proportion | None, doc("Their share; null without units.")]


class ObjectiveOnUnitRecord(Record):
    """What an objective finds in one unit."""

    kind: Annotated[Literal["unit"], doc("One unit, with --each.")]
    unit: UnitNumber
    objective: Annotated[str, doc("What is maximized, as in --objective.")]
    formula: FormulaOrNone
    labels: TreeOrNone
    score: Annotated[float, count("What it scores by this objective.")]
    iou: Annotated[float, share("IoU with the hits of the highest range; 0 without a formula.")]
    lift: Lift
    mcc: Mcc
    length: Annotated[int, count("Number of concepts in the formula.")]
    size: Annotated[float, share("Share of the pixels on which it holds.")]


Quantile = Annotated[float, doc("Quantile of the non-zero activations.")]
ThresholdSide = Annotated[Literal["high", "low"], doc("Whether above or below the threshold.")]


class ThresholdRecord(Record):
    """The categories at one threshold."""

    kind: Annotated[Literal["threshold"], doc("One threshold.")]
    quantile: Quantile
    side: ThresholdSide
    units: Annotated[int, count("Units.")]
    explained: Annotated[int, count("Units with a formula.")]
    iou_mean: Annotated[float | None, doc("Mean IoU.")]
    concepts: Annotated[int, count("Concepts that the formulas ask for.")]


class ThresholdExplanationRecord(Record):
    """The formula of one unit at one threshold."""

    kind: Annotated[Literal["explanation"], doc("One unit at one threshold.")]
    unit: UnitNumber
    quantile: Quantile
    side: ThresholdSide
    range: RangeOrNone
    hits: Hits
    formula: FormulaOrNone
    iou: IouOrNone
    labels: TreeOrNone
    categories: Annotated[list[str], doc("Categories of the concepts that the formula asks for.")]


class ClusterImportanceRecord(Record):
    """What the predictions owe to the ranges of one number."""

    cluster: Cluster
    images: Annotated[int, count("Number of images.")]
    changed: Annotated[int, count("Images whose predicted class changes.")]
    changed_at_random: Annotated[int, count("The same with as many random activations ablated.")]
    zeroed: Annotated[float, share("Share of the units' activations that are ablated.")]
    share: Annotated[float, share("Share of the images whose predicted class changes.")]
    share_at_random: Annotated[float, share("The same with randomly sampled activations ablated.")]


class ClassDrop(Record):
    """How much the probability of a class drops."""

    class_: ClassName = msgspec.field(name="class")
    drop: Annotated[float, doc("Mean drop of its probability over the images predicted as it.")]


class RangeImportanceRecord(Record):
    """What the predictions owe to one range."""

    unit: UnitNumber
    cluster: Cluster
    images: Annotated[int, count("Images in which the unit fires in the range.")]
    changed: Annotated[int, count("Those whose predicted class changes.")]
    drop: Annotated[float | None, doc("Mean drop of the predicted class's probability.")]
    classes: Annotated[list[ClassDrop], doc("The classes whose probability drops most.")]
    range: RangeEnds
    formula: FormulaOrNone


class DifferenceRecord(Record):
    """A line that differs."""

    kind: Annotated[Literal["difference"], doc("A line that differs.")]
    unit: UnitNumber
    cluster: ClusterOrNone
    differs: Annotated[list[str], doc("Keys that differ.")]
    formula: FormulaOrNone
    formula_now: FormulaOrNone
    iou: Annotated[float | None, doc("The stored IoU.")]
    iou_now: Annotated[float | None, doc("The IoU found now.")]


class CheckRecord(Record):
    """How many lines are equal."""

    kind: Annotated[Literal["check"], doc("All lines.")]
    run: Annotated[str, doc("Its name.")]
    units: Annotated[int, count("Units checked.")]
    lines: Annotated[int, count("Their lines.")]
    equal: Annotated[int, count("Lines that are the same.")]
    different: Annotated[int, count("Lines that differ, or are in one only.")]


class ClassContribution(Record):
    """How much a unit contributes to a class."""

    class_: ClassName = msgspec.field(name="class")
    contribution: Annotated[float, doc("Its weight for the class times its mean activation.")]


class RoleRecord(Record):
    """What a unit does in the network."""

    unit: UnitNumber
    cluster: Annotated[int, count("Number of its top range.")]
    range: RangeEnds
    formula: FormulaOrNone
    iou: Iou
    images: Annotated[int, count("Images in which the unit is in its top range.")]
    labelled: Annotated[int, count("Images whose true class is known.")]
    accuracy: Annotated[float | None, doc("Share of those that are predicted correctly.")]
    classes: Annotated[list[ClassContribution], doc("The classes it contributes to most.")]


class ScoreRecord(Record):
    """A formula on one range; with --unit, the best formula beside it."""

    formula: Annotated[str, doc("The formula that was scored.")]
    layer: LayerName
    num_clusters: NumClusters
    unit: UnitNumber
    cluster: Cluster
    num_ranges: NumRanges
    range: RangeEnds
    hits: Hits
    both: Annotated[int, count("Hits that are in the formula.")]
    total: Annotated[int, count("Pixels in the formula.")]
    iou: Iou
    baseline: Baseline
    lift: Lift
    mcc: Mcc
    best_formula: Maybe[FormulaOrNone] = UNSET
    best_iou: Maybe[Annotated[float, share("IoU of the best formula of the space.")]] = UNSET
    same_here: Maybe[Annotated[bool, doc("Whether the two differ on no pixel.")]] = UNSET


class UnitSummaryRecord(Record):
    """One unit."""

    kind: Annotated[Literal["unit"], doc("One unit.")]
    unit: UnitNumber
    ranges: Annotated[int, count("Ranges it has.")]
    explained: Annotated[int, count("Ranges that have a formula.")]
    category: Annotated[str | None, doc("Category of most concepts asked for.")]
    polysemy: Annotated[
        float | None,
        doc("Mean Jaccard distance of its formulas' pixels; null with fewer than two."),
    ]
    concepts: Annotated[list[str], doc("Concepts in its formulas.")]
    cluster: Annotated[NonNegative | None, doc("Range of the best formula.")]
    formula: FormulaOrNone
    iou: Annotated[float | None, doc("Its IoU.")]
    baseline: Annotated[
        float | None,
        doc("IoU of a formula that all labeled pixels satisfy with the range of the best formula."),
    ]
    unbeaten: Annotated[int, count("Ranges whose formula does not beat their baseline.")]
    lead_cluster: Annotated[NonNegative | None, doc("Range of the formula with the largest MCC.")]
    lead_formula: FormulaOrNone
    lead_iou: Annotated[float | None, doc("Its IoU.")]
    lead_lift: Lift
    lead_mcc: Mcc


class ConceptSummaryRecord(Record):
    """One concept."""

    kind: Annotated[Literal["concept"], doc("One concept.")]
    concept: Annotated[str, doc("Its name.")]
    label: Annotated[int, count("Its number.")]
    category: Annotated[str, doc("Its category.")]
    units: Annotated[int, count("Units that ask for it.")]
    ranges: Annotated[int, count("Ranges that ask for it.")]
    negated: Annotated[int, count("Ranges that exclude it.")]
    iou: Annotated[float | None, doc("The best IoU of a formula that asks for it.")]


class CategorySummaryRecord(Record):
    """One category."""

    kind: Annotated[Literal["category"], doc("One category.")]
    category: Annotated[str, doc("Its name.")]
    threshold: Annotated[float, share("IoU above which a unit counts.")]
    units: Annotated[int, count("Units whose best formula beats it, mostly of this category.")]
    share: Annotated[float | None, doc("Share of the units.")]
    formulas: Annotated[int, count("Distinct formulas among those.")]
