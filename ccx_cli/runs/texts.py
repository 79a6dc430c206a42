"""The text of units, in the forms that description benchmarks and dashboards read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ccx_cli.formulas.words import to_words
from ccx_cli.records.explanation import TOLERANCE, ExplanationRecord
from ccx_cli.records.header import About, model_name
from ccx_cli.records.texts import CosyText, NeuronpediaText, UnitText
from ccx_cli.runs.findings import response_of, simplified, unit_sentence

_NO_FOLDER = re.compile(r"[\s/\\_\x00-\x1f\x7f]+")


def range_text(
    record: ExplanationRecord, short: Mapping[str, str], tolerance: float = TOLERANCE
) -> str | None:
    """Return the ``simplest`` formula of a range in words; ``None`` without one."""
    simple = simplified(record, tolerance)
    names = simple.names
    if simple.tree is None:
        return None
    return to_words(simple.tree, lambda number: short.get(names[number], names[number]))


def unit_text(
    unit: int,
    layer: str,
    records: Sequence[ExplanationRecord],
    short: Mapping[str, str],
    tolerance: float = TOLERANCE,
) -> UnitText:
    """Return what a unit responds to: in words, in a sentence, and the explanation of it.

    ``records`` are its explanations, from the lowest range up; concepts have the names of
    ``short``.
    """
    lead = response_of(records, tolerance)

    def of_lead(key: str) -> float | None:
        value = getattr(lead, key, None)
        return value if isinstance(value, float) else None

    return UnitText(
        unit=unit,
        layer=layer,
        description=None if lead is None else range_text(lead, short, tolerance),
        sentence=unit_sentence(unit, records, tolerance, short),
        cluster=None if lead is None else lead.cluster,
        formula=None if lead is None else lead.formula,
        iou=of_lead("iou"),
        lift=of_lead("lift"),
        mcc=of_lead("mcc"),
    )


def cosy_text(unit: UnitText, description: str) -> CosyText:
    """Return a row of CoSy's, which makes a folder of every description: it has spaces alone."""
    plain = _NO_FOLDER.sub(" ", description).strip()
    return CosyText(layer=cosy_layer(unit.layer), unit=unit.unit, description=plain)


def cosy_layer(layer: str) -> str:
    """Return what CoSy calls a layer in names of files: the last part of its name."""
    return layer.rpartition(".")[2]


def neuronpedia_text(
    unit: UnitText, description: str, about: About, called: str
) -> NeuronpediaText:
    """Return an explanation of Neuronpedia's; a run without a network is ``called`` as itself."""
    return NeuronpediaText(
        model_id=model_name(about.model) if about.model else called,
        layer=unit.layer,
        index=str(unit.unit),
        description=description,
        explanation_model_name=None,
        type_name=None,
    )
