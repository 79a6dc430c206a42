from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, to_json, to_text
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.plots import plot_categories, plot_ious

if TYPE_CHECKING:
    from tests.explanations import explanation
else:
    from explanations import explanation

CATEGORY_OF = {1: "object", 2: "object", 3: "color", 4: "part"}
NAMES = ("color", "object", "part", "scene")


def _record(cluster: int, formula: Formula | None, iou: float = 0.0) -> ExplanationRecord:
    labels = None if formula is None else to_json(formula)
    text = None if formula is None else to_text(formula, lambda number: f"c{number}")
    return explanation(cluster=cluster, formula=text, labels=labels, iou=iou)


RECORDS = [
    _record(0, Or(Concept(1), Concept(3)), 0.1),
    _record(0, And(Concept(2), Not(Concept(4))), 0.3),
    _record(0, Concept(1), 0.2),
    _record(2, Concept(3), 0.5),
    _record(1, None),
]


def test_iou_plot_has_a_row_of_dots_per_range_and_its_median() -> None:
    (axes,) = plot_ious("title", RECORDS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["range 0", "range 2"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [np.sort(np.asarray(line.get_xdata())).tolist() for line in dots] == [
        [0.1, 0.2, 0.3],
        [0.5],
    ]
    medians = [line for line in axes.lines if line.get_marker() != "o"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in medians] == pytest.approx([0.2, 0.5])
    assert [text.get_text() for text in axes.texts] == [
        "median 0.2000, n = 3",
        "median 0.5000, n = 1",
    ]


def test_category_shares_are_of_the_concepts_asked_for() -> None:
    (axes,) = plot_categories("title", RECORDS, CATEGORY_OF, NAMES).axes
    shares = {bars.get_label(): [bar.get_width() for bar in bars] for bars in axes.containers}
    # The part stands under NOT; no formula asks for a scene.
    assert shares == {"color": [0.25, 1.0], "object": [0.75, 0.0]}
    assert [text.get_text() for text in axes.texts][-2:] == ["n = 4", "n = 1"]


def test_plots_without_any_formula_say_so() -> None:
    for figure in (
        plot_ious("title", RECORDS[-1:]),
        plot_categories("title", RECORDS[-1:], CATEGORY_OF, NAMES),
    ):
        assert [text.get_text() for text in figure.axes[0].texts] == ["no formula"]
