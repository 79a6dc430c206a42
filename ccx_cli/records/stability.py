"""What a search finds in other samples of the images: a line of ``ccx stability``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ccx_cli.records.explanation import ExplainedRange
from ccx_cli.records.fields import (
    FormulaText,
    NonNegative,
    Proportion,
    Record,
    Tree,
    count,
    doc,
    share,
)
from ccx_cli.records.metrics import ALL_METRICS, metric, metric_names


class OtherFormula(Record):
    """A formula that resamples have instead."""

    formula: FormulaText
    share: Annotated[float, share("Share of the resamples with this formula or an equivalent one.")]
    labels: Tree


class StabilityRecord(ExplainedRange):
    """The stability of one explanation; what is measured is null without a formula."""

    iou: Annotated[Proportion | None, doc("IoU of the formula on the images it was found on.")]
    resamples: Annotated[int, count("Bootstrap samples of the images that were searched.")]
    equivalent: Annotated[
        Proportion | None,
        metric(
            "Stability",
            "stability",
            "Share of the bootstrap samples of the images whose best formula is logically "
            "equivalent to this one.",
        ),
    ]
    same: Annotated[
        Proportion | None, doc("Share of the resamples with the same formula, as text.")
    ]
    first_concept: Annotated[
        Proportion | None, doc("Share of the resamples whose formula begins with the same concept.")
    ]
    formulas: Annotated[
        NonNegative | None,
        doc("Number of formulas of all resamples, equivalent ones as one."),
    ]
    out_of_bag_iou: Annotated[
        Proportion | None,
        metric(
            "Out-of-bag IoU",
            "out-of-bag IoU",
            "Mean IoU of the resamples' formulas, each on the images that its resample left out; "
            "null if those have neither hits nor formula.",
        ),
    ]
    out_of_bag_interval: Annotated[
        Annotated[list[float], Meta(min_length=2, max_length=2)] | None,
        doc("The middle 95% of these IoUs."),
    ]
    others: Annotated[
        list[OtherFormula], doc("The most common of the formulas that are not equivalent to it.")
    ]


STABLE = 0.5
"""Share of the resamples with an equivalent formula from which on a formula counts as stable."""
STABILITY = metric_names(StabilityRecord)
"""What is shown of the stability of an explanation."""
MEASURED = (*ALL_METRICS, *STABILITY)
"""What is shown of an explanation as far as it was measured."""
