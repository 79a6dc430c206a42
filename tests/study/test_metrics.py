from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.records.fields import to_json
from ccx_cli.records.metrics import METRICS
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.metrics import (
    ImageCounts,
    iou_interval,
    mean_and_deviation,
    measure,
)

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.labelled_pixels import LabelledPixels, labelled_pixels
else:
    from golden_data import GoldenNetwork
    from labelled_pixels import LabelledPixels, labelled_pixels

Masks = NDArray[np.bool_]

RECORDED = {
    "iou": "iou",
    "activation_coverage": "activation_coverage",
    "detection_accuracy": "detection_accuracy",
    "samples_coverage": "samples_coverage",
    "explanation_coverage": "explanation_coverage",
    "segmentation_size": "avg_segmentation_size",
    "activation_size": "avg_activation_size",
    "overlapping_activation_size": "avg_overlapping_activation_size",
    "overlap_size": "avg_overlapping",
}

OF_ACTIVATION = (
    "pearson", "cosine", "auprc", "auroc", "precision_at_10", "precision_at_50", "precision_at_90",
    "image_auprc", "image_auroc",
)  # fmt: skip
"""Metrics that counts do not tell: ``test_detection.py`` has them."""


def test_every_recorded_metric_is_reproduced(
    golden_network: GoldenNetwork, golden_index: ConceptIndex, golden_counts: DataCounts
) -> None:
    explained = {
        (e.unit, e.num_clusters, e.cluster): e
        for e in golden_network.explanations
        if e.length == 3 and e.heuristic == "none"
    }
    recorded = golden_network.record["metrics"]
    assert len(recorded) == 48
    for entry in recorded:
        found = explained[entry["unit"], entry["num_clusters"], entry["cluster"]]
        maps = golden_network.activations[found.unit]
        hits = count_hits(maps, [found.range], golden_index, per_image=True)
        assert hits.per_local is not None
        holds = holds_on(found.formula, golden_index)
        measured = measure(ImageCounts.of_labels(hits.per_local[0], holds, golden_index))
        for ours, theirs in RECORDED.items():
            # The program divides in float32 in places.
            assert getattr(measured, ours) == pytest.approx(entry[theirs], abs=1e-6)


def of_masks(in_range: Masks, formula: Masks) -> ImageCounts:
    """Count masks, ``(n_images, height, width)``."""
    n, f, both = (
        part.sum(axis=(1, 2), dtype=np.int64) for part in (in_range, formula, in_range & formula)
    )
    return ImageCounts(n, f, both, pixels=in_range.shape[1] * in_range.shape[2])


def twin(in_range: Masks, formula: Masks) -> dict[str, float | None]:
    """All metrics, image by image, from masks."""
    both = in_range & formula
    some_n, some_f, some_both = (np.any(m, axis=(1, 2)) for m in (in_range, formula, both))

    def ratio(a: float, b: float) -> float | None:
        return a / b if b else None

    def size(mask: Masks, images: Masks) -> float | None:
        shares = mask.mean(axis=(1, 2))[images]
        return float(shares.mean()) if len(shares) else None

    iou, q, v = ratio(both.sum(), (in_range | formula).sum()), formula.mean(), in_range.mean()
    is_mixed = 0 < q < 1 and 0 < v < 1
    return {
        "iou": iou,
        "baseline": float(v),
        "lift": None if iou is None else ratio(iou, q * v / (q + v - q * v)),
        "mcc": np.corrcoef(in_range.ravel(), formula.ravel())[0, 1] if is_mixed else 0.0,
        "activation_coverage": ratio(both.sum(), in_range.sum()),
        "detection_accuracy": ratio(both.sum(), formula.sum()),
        "samples_coverage": ratio(some_both.sum(), some_f.sum()),
        "explanation_coverage": ratio(some_both.sum(), some_n.sum()),
        "segmentation_size": size(formula, some_f),
        "activation_size": size(in_range, some_n),
        "overlapping_activation_size": size(in_range, some_both),
        "overlap_size": size(both, some_both),
        "f1": ratio(2 * both.sum(), in_range.sum() + formula.sum()),
        **dict.fromkeys(OF_ACTIVATION),
    }


def scaled(counts: ImageCounts) -> ImageCounts:
    """Let every pixel be 2^29: sums are past 32 bits, and products of two past 64."""
    n, f, both = (part << 29 for part in (counts.in_range, counts.formula, counts.both))
    return ImageCounts(n, f, both, counts.pixels << 29)


@given(arrays(np.bool_, (2, 3, 2, 2)))
def test_masks_measure_as_their_plain_twin(masks: NDArray[np.bool_]) -> None:
    counts = of_masks(masks[0], masks[1])
    measured = to_json(measure(counts))
    assert to_json(measure(scaled(counts))) == measured
    expected = twin(masks[0], masks[1])
    assert measured.keys() == expected.keys() == {each.key for each in METRICS}
    for name, value in expected.items():
        assert measured[name] == (None if value is None else pytest.approx(value, abs=1e-12))


@given(labelled_pixels(), st.integers(0, 2**32 - 1))
def test_counts_by_label_set_are_counts_of_masks(pixels: LabelledPixels, seed: int) -> None:
    random = np.random.default_rng(seed)
    index = pixels.index()
    shape = (len(pixels.images), *pixels.shape)
    in_range = random.random(shape) < 0.5
    holds = random.random(len(pixels.distinct)) < 0.5
    of_pixel = [pixels.distinct.index(labels) for labels in pixels.pixels]
    formula = holds[of_pixel].reshape(shape)
    rows = (index.maps + index.offsets[:-1, None]).reshape(-1)
    per_local = np.bincount(
        rows, weights=in_range.reshape(-1), minlength=len(index.local_sets)
    ).astype(np.int32)
    ours = ImageCounts.of_labels(per_local, holds, index)
    theirs = of_masks(in_range, formula)
    assert ours.in_range.tolist() == theirs.in_range.tolist()
    assert ours.formula.tolist() == theirs.formula.tolist()
    assert ours.both.tolist() == theirs.both.tolist()
    assert ours.pixels == theirs.pixels


def test_an_interval_holds_the_iou_and_narrows_with_alike_images() -> None:
    four, six, two = (np.full(20, n, dtype=np.int64) for n in (4, 6, 2))
    alike = ImageCounts(four, six, two, pixels=16)
    assert iou_interval(alike, 50, seed=0) == [0.25, 0.25]
    random = np.random.default_rng(0)
    both = random.integers(0, 5, 40)
    mixed = ImageCounts(both + 2, both + 3, both, 16)
    interval = iou_interval(mixed, 500, seed=0)
    iou = measure(mixed).iou
    assert interval is not None
    assert iou is not None
    assert interval[0] < iou < interval[1]
    assert iou_interval(mixed, 500, seed=0) == interval
    assert iou_interval(scaled(mixed), 500, seed=0) == interval
    zeros = np.zeros(3, dtype=np.int64)
    nothing = ImageCounts(zeros, zeros, zeros, pixels=16)
    assert iou_interval(nothing, 50, seed=0) is None


def test_means_leave_out_what_is_not_there() -> None:
    assert mean_and_deviation([1.0, None, 3.0]) == (2.0, 1.0)
    assert mean_and_deviation([None]) == (None, None)
    assert mean_and_deviation([]) == (None, None)
