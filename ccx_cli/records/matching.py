"""What ``ccx compare units`` says: which units of two runs are alike."""

from __future__ import annotations

from typing import Annotated, Literal

from ccx_cli.records.fields import FormulaOrNone, NonNegative, Proportion, Record, count, doc


class MatchedUnit(Record):
    """A unit of A, and its best matches in B by activation and by formula."""

    kind: Annotated[Literal["unit"], doc("One unit of A.")]
    unit: Annotated[int, count("The unit's number in A.")]
    formula: FormulaOrNone
    match: Annotated[
        NonNegative | None,
        doc("The unit of B whose activation correlates most; null if this one's is constant."),
    ]
    correlation: Annotated[float | None, doc("Pearson correlation of the two activations.")]
    mutual: Annotated[bool | None, doc("Whether this unit is the best match of that one in A.")]
    match_formula: FormulaOrNone
    match_overlap: Annotated[
        Proportion | None, doc("IoU of the pixels of both formulas; null unless there are two.")
    ]
    formula_match: Annotated[
        NonNegative | None,
        doc("The unit of B whose formula overlaps most; of equals the one that correlates more."),
    ]
    overlap: Annotated[
        Proportion | None, doc("IoU of the pixels of these two formulas; null unless there are.")
    ]
    formula_correlation: Annotated[
        float | None, doc("Pearson correlation of the activations of these two.")
    ]
    agree: Annotated[bool | None, doc("Whether both matches are the same unit; null without one.")]


class AllMatches(Record):
    """All units of A, against those that permuted images match."""

    kind: Annotated[Literal["all"], doc("All units of A.")]
    units: Annotated[int, count("Units of A.")]
    candidates: Annotated[int, count("Units of B.")]
    matched: Annotated[int, count("Units of A with a match by activation; the next are of them.")]
    correlation_mean: Annotated[float | None, doc("Mean correlation with the match.")]
    correlation_by_chance: Annotated[
        float | None, doc("The same where the images of A are permuted; null without permutations.")
    ]
    percentile_95_by_chance: Annotated[
        float | None, doc("95th percentile of the correlations with those matches.")
    ]
    above_chance: Annotated[NonNegative | None, doc("Units whose correlation is above that.")]
    mutual: Annotated[Proportion | None, doc("Share of the matches that are mutual.")]
    mutual_by_chance: Annotated[
        Proportion | None, doc("The same where the images of A are permuted.")
    ]
    overlap_mean: Annotated[float | None, doc("Mean overlap with the match by formula.")]
    match_overlap_mean: Annotated[
        float | None, doc("Mean overlap with the formula of the match by activation.")
    ]
    agree: Annotated[
        Proportion | None, doc("Share of the units with both matches where they are one unit.")
    ]
