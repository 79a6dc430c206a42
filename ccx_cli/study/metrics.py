"""Quality of an explanation: how a formula's pixels F and the pixels in range N meet.

The metrics of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 4), from
the counts of each image alone, and those of the activation itself (``detection.py``);
``docs/measures.md`` says what each is. A ratio without a denominator is ``None``: there is nothing
to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccx_cli.records.metrics import Metrics
from ccx_cli.search.overlap import Overlap
from ccx_cli.study.detection import Detection

if TYPE_CHECKING:
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.runs.inputs import UnitInData

NOT_KNOWN = Detection()


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """Pixels in range, of the formula and of both, image by image; each ``(n_images,)`` int64.

    ``pixels`` are those of the mask grid.
    """

    in_range: NDArray[np.int64]
    formula: NDArray[np.int64]
    both: NDArray[np.int64]
    pixels: int

    @classmethod
    def of_labels(
        cls, per_local: NDArray[np.int32], holds: NDArray[np.bool_], index: ConceptIndex
    ) -> ImageCounts:
        """Count from hits by label set.

        Parameters
        ----------
        per_local
            ``(n_local,)`` int32, hits by row of the images' tables.
        holds
            ``(n_sets,)`` bool, the label sets on which the formula holds.
        index
            The dataset.
        """
        height, width = index.mask_shape
        return cls(
            index.per_image(per_local),
            index.pixels_by_image(holds),
            index.per_image(np.where(holds[index.local_sets], per_local, 0)),
            height * width,
        )

    @classmethod
    def of_unit(cls, unit: UnitInData, index: ConceptIndex) -> list[ImageCounts]:
        """Count every range of a unit, from the lowest up; none if it never fires."""
        if unit.hits is None or unit.hits.per_local is None:
            return []
        pairs = zip(unit.hits.per_local, unit.formulas, strict=True)
        return [cls.of_labels(per_local, holds, index) for per_local, holds in pairs]

    @property
    def ious(self) -> NDArray[np.float64]:
        """IoU of each image, ``(n_images,)``, 0 where there are neither hits nor formula."""
        unions = np.maximum(self.in_range + self.formula - self.both, 1)
        ious: NDArray[np.float64] = self.both / unions
        return ious


def measure(counts: ImageCounts, detection: Detection = NOT_KNOWN) -> Metrics:
    """Compute all metrics that need no network; ``detection`` has those of the activation."""
    in_range, formula, both = (
        int(part.sum()) for part in (counts.in_range, counts.formula, counts.both)
    )
    overlap = Overlap(in_range, both, formula, len(counts.in_range) * counts.pixels)
    meeting = counts.both > 0
    with_both = int(meeting.sum())
    with_formula = int((counts.formula > 0).sum())
    with_range = int((counts.in_range > 0).sum())
    pixels = counts.pixels
    meeting_range = int(counts.in_range[meeting].sum())
    return Metrics(
        iou=_ratio(both, overlap.union),
        baseline=overlap.baseline,
        lift=overlap.lift,
        mcc=overlap.mcc,
        activation_coverage=_ratio(both, in_range),
        detection_accuracy=_ratio(both, formula),
        samples_coverage=_ratio(with_both, with_formula),
        explanation_coverage=_ratio(with_both, with_range),
        segmentation_size=_ratio(formula, with_formula * pixels),
        activation_size=_ratio(in_range, with_range * pixels),
        overlapping_activation_size=_ratio(meeting_range, with_both * pixels),
        overlap_size=_ratio(both, with_both * pixels),
        f1=overlap.f1,
        pearson=detection.pearson,
        cosine=detection.cosine,
        auprc=detection.pixels.auprc,
        auroc=detection.pixels.auroc,
        precision_at_10=detection.pixels.precision_at(10),
        precision_at_50=detection.pixels.precision_at(50),
        precision_at_90=detection.pixels.precision_at(90),
        image_auprc=detection.images.auprc,
        image_auroc=detection.images.auroc,
    )


def mean_and_deviation(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and standard deviation (of a population) of the values there are."""
    there = np.array([value for value in values if value is not None], dtype=np.float64)
    return (float(there.mean()), float(there.std())) if there.size else (None, None)


def iou_interval(
    counts: ImageCounts, rounds: int, seed: int, confidence: float = 0.95
) -> list[float] | None:
    """Bootstrap interval of the IoU: images are sampled with replacement, ``rounds`` times.

    The percentile interval of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993),
    chapter 13; ``None`` where no round has a pixel to divide by.
    """
    random = np.random.default_rng(seed)
    n_images = len(counts.in_range)
    union = counts.in_range + counts.formula - counts.both
    ious = []
    for _ in range(rounds):
        sample = random.integers(0, n_images, n_images)
        below = int(union[sample].sum())
        if below:
            ious.append(int(counts.both[sample].sum()) / below)
    if not ious:
        return None
    ends: list[float] = np.quantile(ious, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return ends


def _ratio(above: int, below: int) -> float | None:
    return above / below if below else None
