"""What masking a formula's pixels in the input changes, and masking everything else."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET

from ccx_cli.records.fields import (
    Cluster,
    Ends,
    FormulaText,
    Maybe,
    NonNegative,
    NumRanges,
    Proportion,
    RangeEnds,
    Record,
    UnitNumber,
    count,
    doc,
)

Fill = Literal["mean", "noise", "blur"]
MEASURES = ("peak", "mean", "in_range", "probability", "flipped")
"""The keys of what is measured."""
RELATIVE = ("peak", "mean")
"""Those whose changes are relative to whole images in means over units."""

Control = Annotated[
    float | None,
    doc("The same at control masks: the formula's mask moved elsewhere. Null without any."),
]
Interval = Annotated[Ends | None, doc("95% bootstrap interval of the difference; null below two.")]
P = Annotated[Proportion | None, doc("Two-sided p-value of the difference, by flipping signs.")]


class Change(Record):
    """How much masking changes one measure: means over images."""

    whole: Annotated[float, doc("Its mean over the whole images.")]
    formula: Annotated[float, doc("Mean change when the formula's pixels are masked.")]
    rest: Annotated[float, doc("Mean change when everything else is masked.")]
    control: Control
    difference: Annotated[
        float | None, doc("Mean of the change of formula minus control, over images with both.")
    ]
    difference_interval: Interval
    p: P
    q: Maybe[
        Annotated[
            Proportion | None,
            doc("The p-value adjusted over all ranges of the answer (false discovery rate)."),
        ]
    ] = UNSET


class AblationRecord(Record):
    """What masking the formula of one range changes."""

    kind: Annotated[Literal["range"], doc("One range.")]
    unit: UnitNumber
    cluster: Cluster
    num_ranges: NumRanges
    range: RangeEnds
    formula: FormulaText
    fill: Annotated[Fill, doc("What masked pixels are replaced by.")]
    images: Annotated[int, count("Images that contain the formula, of those sampled.")]
    controlled: Annotated[int, count("Those in which a mask of equal size fits elsewhere.")]
    overlap: Annotated[
        Proportion | None, doc("Mean share of the formula's pixels that control masks meet.")
    ]
    peak: Annotated[Change | None, doc("The unit's largest activation in an image.")]
    mean: Annotated[Change | None, doc("The unit's mean activation over an image.")]
    in_range: Annotated[Change | None, doc("Cells of the unit's map that are in the range.")]
    probability: Annotated[
        Change | None,
        doc("Probability of the class predicted for the whole image; null without classes."),
    ]
    flipped: Annotated[
        Change | None, doc("Share of images whose predicted class changes; null without classes.")
    ]


class MeanChange(Record):
    """How much masking changes one measure, over ranges: means over units."""

    ranges: Annotated[int, count("Ranges that it is known of.")]
    whole: Annotated[float, doc("Its mean over the whole images.")]
    formula: Annotated[float, doc("Mean change when the formula's pixels are masked.")]
    rest: Annotated[float, doc("Mean change when everything else is masked.")]
    control: Control
    difference: Annotated[
        float | None, doc("Mean of the ranges' differences, formula minus control.")
    ]
    difference_interval: Interval
    p: P
    tested: Annotated[int, count("Ranges with a difference.")]
    significant: Annotated[
        int, count("Those with a q of at most 0.05, where masking the formula changes more.")
    ]


class AblationMeanRecord(Record):
    """What masking formulas changes, over the ranges of one number or over all."""

    kind: Annotated[Literal["layer"], doc("Over the ranges of one number, or over all.")]
    cluster: Annotated[NonNegative | None, doc("Their number; null for all.")]
    ranges: Annotated[int, count("Ranges with a formula.")]
    peak: Annotated[
        MeanChange | None,
        doc("The largest activation; changes are relative to that in whole images."),
    ]
    mean: Annotated[
        MeanChange | None,
        doc("The mean activation; changes are relative to that over whole images."),
    ]
    in_range: Annotated[MeanChange | None, doc("The cells in the range.")]
    probability: Annotated[MeanChange | None, doc("The predicted class's probability.")]
    flipped: Annotated[MeanChange | None, doc("The share of images with another class.")]
