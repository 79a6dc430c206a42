"""What ``ccx simulate`` says: how well formulas predict the activation of units."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ccx_cli.records.fields import Record, UnitNumber, count, doc, joined


class _OfUnit(Record):
    kind: Annotated[Literal["unit"], doc("One unit.")]
    unit: UnitNumber
    formulas: Annotated[int, count("Ranges whose formula predicts.")]


class _OfLayer(Record):
    kind: Annotated[Literal["layer"], doc("All units with a correlation.")]
    statistic: Annotated[Literal["mean", "median"], doc("What the numbers are of the units'.")]
    units: Annotated[int, count("Units with a correlation.")]
    left_out: Annotated[int, count("Units without: they or their predictions are constant.")]


class _Correlations(Record):
    images: Annotated[int, count("Images on which the activation is predicted.")]
    held_out: Annotated[bool, doc("Whether these are images that were not searched.")]
    correlation: Annotated[
        float | None, doc("Pearson correlation over pixels; null if either is constant.")
    ]
    image_correlation: Annotated[
        float | None, doc("The same over images, of the means over their pixels.")
    ]
    fitted_correlation: Annotated[
        float | None,
        doc("Over pixels, predicting the mean activation where the same formulas hold."),
    ]


class _Shuffled(Record):
    shuffled_mean: Annotated[
        float | None, doc("Mean correlation with the predictions of permuted images.")
    ]
    shuffled_percentile_95: Annotated[float | None, doc("Its 95th percentile.")]


class StoredSimulation(_Correlations):
    """One unit, as it is kept beside a run: with the correlation of every permutation."""

    # A unit has one line, whatever its ranges.
    cluster: ClassVar[None] = None
    num_ranges: ClassVar[int] = 1

    unit: UnitNumber
    formulas: int
    shuffled: list[float]


UnitSimulation = joined(
    __name__,
    "UnitSimulation",
    "How well a unit's formulas predict it.",
    _OfUnit,
    _Correlations,
    _Shuffled,
)
LayerSimulation = joined(
    __name__,
    "LayerSimulation",
    "How well the formulas predict the units of a layer.",
    _OfLayer,
    _Correlations,
    _Shuffled,
)
