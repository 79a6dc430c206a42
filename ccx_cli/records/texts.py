"""What ``ccx export`` writes of a unit: a row of its own table, of CoSy's and of Neuronpedia's."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from ccx_cli.records.fields import (
    ClusterOrNone,
    FormulaOrNone,
    IouOrNone,
    LayerName,
    Lift,
    Mcc,
    Record,
    UnitNumber,
    doc,
)


class UnitText(Record):
    """The text of one unit."""

    unit: UnitNumber
    layer: LayerName
    description: Annotated[str | None, doc("The formula in words; null without one.")]
    sentence: Annotated[str, doc("What the unit responds to, by rule.")]
    cluster: ClusterOrNone
    formula: FormulaOrNone
    iou: IouOrNone
    lift: Lift
    mcc: Mcc


class CosyText(Record):
    """A row of the file of descriptions that CoSy reads."""

    layer: Annotated[str, doc("The last part of the layer's name.")]
    unit: UnitNumber
    description: Annotated[str, doc("The unit's text.")]


class NeuronpediaText(Record):
    """An explanation as Neuronpedia exports it."""

    model_id: Annotated[str, doc("The network's name.")] = field(name="modelId")
    layer: LayerName
    index: Annotated[str, doc("The unit's number, as text.")]
    description: Annotated[str, doc("The unit's text.")]
    explanation_model_name: Annotated[None, doc("The language model that explained it: none.")] = (
        field(name="explanationModelName")
    )
    type_name: Annotated[None, doc("Neuronpedia's name of the method: ccx has none there.")] = (
        field(name="typeName")
    )
