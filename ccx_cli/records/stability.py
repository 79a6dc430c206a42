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


class OtherFormula(Record):
    """A formula that resamples have instead."""

    formula: FormulaText
    share: Annotated[float, share("Share of the resamples with this formula or an equivalent one.")]
    labels: Tree


class StabilityRecord(ExplainedRange):
    """The stability of one explanation; without a formula its measures are null."""

    iou: Annotated[Proportion | None, doc("IoU of the formula on the images it was found on.")]
    resamples: Annotated[int, count("Bootstrap samples of the images that were searched.")]
    same: Annotated[
        Proportion | None, doc("Share of the resamples with the same formula, as text.")
    ]
    equivalent: Annotated[
        Proportion | None, doc("Share of the resamples with a logically equivalent formula.")
    ]
    first_concept: Annotated[
        Proportion | None, doc("Share of the resamples whose formula begins with the same concept.")
    ]
    formulas: Annotated[
        NonNegative | None,
        doc("Number of formulas that the resamples have, equivalent ones as one."),
    ]
    out_of_bag_iou: Annotated[
        Proportion | None,
        doc(
            "Mean IoU of the resamples' formulas, each on the images that its resample left out; "
            "null if those have neither hits nor formula."
        ),
    ]
    out_of_bag_interval: Annotated[
        Annotated[list[float], Meta(min_length=2, max_length=2)] | None,
        doc("The middle 95% of these IoUs."),
    ]
    others: Annotated[
        list[OtherFormula], doc("The most common of the formulas that are not equivalent to it.")
    ]
