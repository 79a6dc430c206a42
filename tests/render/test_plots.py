from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, to_json, to_text
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.render.plots import plot_categories, plot_ious
from ccx_cli.render.style import SCREEN, Style

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


def _dots(axes: Axes) -> list[NDArray[np.float64]]:
    """Where the dots of every row stand, ``(n, 2)``, in points."""
    rows = [line for line in axes.lines if line.get_marker() == "o"]
    points = axes.transData
    return [points.transform(line.get_xydata()) * 72 / axes.figure.dpi for line in rows]


def test_iou_plot_has_a_row_of_dots_per_range_and_its_median() -> None:
    (axes,) = plot_ious("title", RECORDS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["range 0", "range 2"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    found = [np.sort(np.asarray(line.get_xdata())).tolist() for line in dots]
    assert found[0] == pytest.approx([0.1, 0.2, 0.3], abs=0.003)
    assert found[1] == pytest.approx([0.5], abs=0.003)
    medians = [line for line in axes.lines if line.get_marker() != "o"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in medians] == pytest.approx([0.2, 0.5])
    assert [text.get_text() for text in axes.texts] == [
        "median 0.2000\nn = 3",
        "median 0.5000\nn = 1",
    ]


@pytest.mark.parametrize("style", [SCREEN, Style(width=3.25)])
def test_no_dot_covers_another_and_each_is_near_its_iou(style: Style) -> None:
    ious = np.random.default_rng(0).beta(2, 12, (2, 300))
    records = [_record(row, Concept(1), iou) for row in (0, 1) for iou in ious[row].tolist()]
    (axes,) = plot_ious("title", records, style).axes
    size = next(line for line in axes.lines if line.get_marker() == "o").get_markersize()
    dots = _dots(axes)
    every = np.concatenate(dots)
    gaps = np.linalg.norm(every[:, None] - every[None], axis=2)[~np.eye(600, dtype=bool)]
    assert gaps.min() >= size
    for own, row in zip(dots, ious, strict=True):
        exact = axes.transData.transform([(iou, 0) for iou in np.sort(row)])[:, 0]
        assert np.abs(np.sort(own[:, 0]) - exact * 72 / axes.figure.dpi).max() <= size


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
