"""The measures of an activation against scikit-learn's and SciPy's, pixel by pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import pearsonr
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
)

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activation_levels import ActivationLevels
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.probe.upsampling import upsample
from ccx_cli.records.metrics import Metrics
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.detection import Detection
from ccx_cli.study.measuring import measure_unit
from ccx_cli.study.metrics import ImageCounts

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
    from tests.sparse_activations import sparse_of
else:
    from golden_data import GoldenNetwork
    from labelled_pixels import LabelledPixels, labelled_pixels
    from sparse_activations import sparse_of

Floats = NDArray[np.float32]
Masks = NDArray[np.bool_]
NEW = (
    "f1", "pearson", "cosine", "auprc", "auroc", "precision_at_10", "precision_at_50",
    "precision_at_90", "image_auprc", "image_auroc",
)  # fmt: skip


def measured(maps: Maps, found: Range, holds: Masks, index: ConceptIndex) -> Metrics:
    """Measure as ``ccx metrics`` does, from hits and levels by label set."""
    hits = count_hits(maps, [found], index, per_image=True)
    assert hits.per_local is not None
    counts = ImageCounts.of_labels(hits.per_local[0], holds, index)
    (metrics,) = measure_unit([counts], maps, [holds], index)
    return metrics


def twin(
    values: NDArray[np.float64], peaks: Floats, hits: Masks, formula: Masks
) -> list[float | None]:
    """All new metrics from dense maps, ``(n_images, n_pixels)``, by libraries."""
    scores, labels = values.reshape(-1), formula.reshape(-1)
    of_images: Masks = np.any(formula, axis=1)
    is_mixed = 0 < labels.sum() < labels.size
    is_constant = len(np.unique(scores)) == 1
    length = np.linalg.norm(scores) * np.sqrt(labels.sum())

    def precision_at(percent: int) -> float | None:
        if not labels.any():
            return None
        precision, recall, _ = precision_recall_curve(labels, scores)
        return float(precision[recall >= percent / 100][-1])

    def auprc(labels: Masks, scores: NDArray[np.floating]) -> float | None:
        return float(average_precision_score(labels, scores)) if labels.any() else None

    def auroc(labels: Masks, scores: NDArray[np.floating]) -> float | None:
        is_mixed = 0 < labels.sum() < labels.size
        return float(roc_auc_score(labels, scores)) if is_mixed else None

    either = hits.any() or formula.any()
    return [
        float(f1_score(labels, hits.reshape(-1))) if either else None,
        float(pearsonr(scores, labels).statistic) if is_mixed and not is_constant else None,
        float(scores @ labels / length) if length else None,
        auprc(labels, scores),
        auroc(labels, scores),
        *map(precision_at, (10, 50, 90)),
        auprc(of_images, peaks),
        auroc(of_images, peaks),
    ]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Floats, LabelledPixels, Masks]:
    """Maps of eighths on the mask grid, which are not rounded, labels, and a formula."""
    pixels = draw(labelled_pixels())
    shape = (len(pixels.images), *pixels.shape)
    least = draw(st.sampled_from([-8, 0, 3]))
    most = draw(st.sampled_from([least, 8]))
    maps = draw(hnp.arrays(np.int64, shape, elements=st.integers(least, most))) / 8
    # The ends are such that a step is a power of two: then every eighth is a level.
    if most != least:
        maps.reshape(-1)[: min(2, maps.size)] = [0.0, 1.0][: min(2, maps.size)]
        if least < 0:
            maps.reshape(-1)[0] = -1.0
    formula = draw(hnp.arrays(np.bool_, len(pixels.distinct)))
    return maps.astype(np.float32), pixels, formula


@given(cases())
@settings(max_examples=200)
@pytest.mark.filterwarnings("ignore:No positive class found")
def test_measures_are_those_of_libraries(case: tuple[Floats, LabelledPixels, Masks]) -> None:
    maps, pixels, holds = case
    of_pixel = [pixels.distinct.index(labels) for labels in pixels.pixels]
    formula = holds[of_pixel].reshape(len(maps), -1)
    values = maps.reshape(len(maps), -1).astype(np.float64)
    expected = twin(values, maps.max(axis=(1, 2)), values > 0.5, formula)
    for each in (maps, sparse_of(maps)):
        metrics = measured(each, Range(0.5, np.inf), holds, pixels.index())
        for key, value in zip(NEW, expected, strict=True):
            want = None if value is None else pytest.approx(value, abs=1e-12)
            assert getattr(metrics, key) == want, key


@given(hnp.arrays(np.int64, (2, 5), elements=st.integers(0, 9)), st.integers(-3, 3))
def test_pixels_past_32_bits_are_measured_alike(counts: NDArray[np.int64], zero: int) -> None:
    inside, outside = counts
    few = ActivationLevels(
        np.arange(5) / 4 + zero, inside + outside + 1, inside[None], np.ones(3, dtype=np.float32)
    )
    many = few._replace(pixels=few.pixels << 45, inside=few.inside << 45)
    found, expected = (
        Detection.of_levels(levels, 0, np.array([True, False, True])) for levels in (many, few)
    )
    assert (found.pearson, found.cosine) == (expected.pearson, expected.cosine)
    assert (found.pixels.auroc, found.pixels.auprc) == (
        expected.pixels.auroc,
        expected.pixels.auprc,
    )
    for percent in (10, 50, 90):
        assert found.pixels.precision_at(percent) == expected.pixels.precision_at(percent)


@pytest.mark.slow
def test_rounding_moves_measures_by_less_than_tables_show(
    golden_network: GoldenNetwork, golden_index: ConceptIndex
) -> None:
    """Activations of a network, not rounded beforehand.

    Rounding to 2^-18 of the span ties pixels that lie closer. Average precision takes the precision
    after all of them, which is where it differs most; where many pixels differ less, more.
    """
    for found in golden_network.explanations[:40:4]:
        maps = golden_network.activations[found.unit]
        holds = holds_on(found.formula, golden_index)
        metrics = measured(maps, found.range, holds, golden_index)
        rows = golden_index.maps.astype(np.int64) + golden_index.offsets[:-1, None]
        formula = holds[golden_index.local_sets[rows]]
        upsampled = upsample(maps, golden_index.mask_shape).reshape(len(maps), -1)
        values = upsampled.astype(np.float64)
        hits = (values > found.range.lower) & (values < found.range.upper)
        expected = twin(values, maps.max(axis=(1, 2)), hits, formula)
        for key, value in zip(NEW, expected, strict=True):
            most = 1e-6 if key == "auroc" else 3e-4
            want = None if value is None else pytest.approx(value, abs=most)
            assert getattr(metrics, key) == want, key
