"""The text of units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec import to_builtins

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.header import About
from ccx_cli.runs.findings import unit_sentence
from ccx_cli.runs.texts import cosy_text, neuronpedia_text, unit_text

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

FORMULAS = {"sky-s": 3, "(sky-s OR road) AND NOT red-c": ["AND", ["OR", 3, 4], ["NOT", 5]]}
SHORT = {"sky-s": "sky", "red-c": "red"}


def ranged(cluster: int, formula: str | None, mcc: float, **other: Any) -> ExplanationRecord:
    known: dict[str, Any] = {
        "formula": formula,
        "labels": None if formula is None else FORMULAS[formula],
    }
    ends = [float(cluster), None if cluster == 3 else float(cluster + 1)]
    lift = 2.0 if mcc > 0 else 0.5
    known |= {"range": ends, "mcc": mcc, "lift": lift}
    return explanation(cluster=cluster, **known | other)


def test_the_text_is_of_the_formula_that_the_sentence_says_first() -> None:
    records = [
        ranged(0, "sky-s", 0.9),
        ranged(1, "sky-s", 0.1),
        ranged(2, "(sky-s OR road) AND NOT red-c", 0.5),
        ranged(3, "sky-s", 0.2),
    ]
    text = unit_text(7, "block.2", records, SHORT)
    assert text.description == "sky or road, not red"
    assert (text.cluster, text.mcc, text.formula) == (2, 0.5, "(sky-s OR road) AND NOT red-c")
    assert text.sentence == unit_sentence(7, records, short=SHORT)
    assert text.sentence.startswith("Unit 7 responds to (sky OR road) AND NOT red")


@pytest.mark.parametrize(
    "records",
    [
        [explanation(cluster=None)],
        [ranged(0, None, 0.0, iou=0.0, length=0)],
        [ranged(2, "sky-s", -0.1), ranged(3, "sky-s", -0.2)],
        [ranged(0, "sky-s", 0.9, skipped=True)],
        # Low activations alone: the unit does not respond to it.
        [ranged(0, "sky-s", 0.9, range=[None, 0.5])],
        [ranged(0, "sky-s", 0.0, hits=0, lift=None)],
    ],
)
def test_a_unit_without_a_text(records: list[ExplanationRecord]) -> None:
    text = unit_text(7, "block.2", records, SHORT)
    assert (text.description, text.formula, text.iou, text.cluster) == (None, None, None, None)
    assert text.sentence.startswith("Unit 7 ")


def test_a_description_of_cosy_names_a_folder() -> None:
    text = unit_text(7, "features.12", [ranged(3, "sky-s", 0.9)], {"sky-s": "sky/sea_\n swim\x00"})
    row = cosy_text(text, str(text.description))
    assert to_builtins(row) == {"layer": "12", "unit": 7, "description": "sky sea swim"}


def test_neuronpedia_has_the_keys_of_its_export() -> None:
    text = unit_text(7, "layer4", [ranged(3, "sky-s", 0.9)], SHORT)
    said = to_builtins(neuronpedia_text(text, "sky", About(model="/a/nets.py:make"), "mine"))
    assert said == {
        "modelId": "nets.py:make",
        "layer": "layer4",
        "index": "7",
        "description": "sky",
        "explanationModelName": None,
        "typeName": None,
    }
    assert neuronpedia_text(text, "sky", About(), "mine").model_id == "mine"
