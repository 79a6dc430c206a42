"""One unit on the images: where it is in range, where its formulas hold, and which to look at."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.probe.upsampling import upsample
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.study.metrics import ImageCounts

if TYPE_CHECKING:
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.probe.activations import Activations


class Show(StrEnum):
    """Which images of a range to look at."""

    SAMPLE = "sample"
    TOP = "top"
    MISSES = "misses"
    FALSE_ALARMS = "false-alarms"


@dataclass(frozen=True)
class UnitImages:
    """One unit's maps, and the pixels of its ranges and formulas image by image.

    ``maps`` are ``(n_images, height, width)`` float32, ``records`` the explanations that have a
    range, in cluster order. For each of these, ``holds`` are the label sets on which its formula
    holds, ``(n_sets,)`` bool, ``counts`` pixels in range, in the formula and in both, ``per_set``
    pixels in range by label set, ``(n_sets,)``.
    """

    unit: int
    maps: NDArray[np.float32]
    records: tuple[ExplanationRecord, ...]
    holds: tuple[NDArray[np.bool_], ...]
    counts: tuple[ImageCounts, ...]
    per_set: tuple[PixelCounts, ...]
    index: ConceptIndex

    def hit_mask(self, position: int, image: int) -> NDArray[np.bool_]:
        """Pixels of an image that are in the range of ``records[position]``, on the mask grid."""
        return in_range(self.maps[image], self.records[position], self.index.mask_shape)

    def formula_mask(self, position: int, image: int) -> NDArray[np.bool_]:
        """Pixels of an image on which the formula of ``records[position]`` holds."""
        return mask_of(self.holds[position], self.index, image)

    def choose(self, position: int, show: Show, top_k: int, seed: int = 0) -> NDArray[np.int64]:
        """Choose at most ``top_k`` images to look at for ``records[position]``; of ties, the first.

        ``sample`` takes a seeded sample of the images that contain the formula, in which the unit
        is in range and whose own IoU is above the explanation's, as published, by their IoU.
        ``top`` takes, for the highest range, the images of highest activation, for any other those
        with most hits; ``misses`` those with most hits that the formula lacks; ``false-alarms``
        those with most pixels of the formula that are no hits.
        """
        counts, record = self.counts[position], self.records[position]
        if show is Show.SAMPLE:
            ious = counts.ious
            fitting = np.flatnonzero((counts.both > 0) & (ious > record.iou))
            generator = random.Random(f"{seed} {self.unit} {record.cluster}")
            sample = generator.sample(range(len(fitting)), min(top_k, len(fitting)))
            chosen = fitting[np.sort(np.array(sample, dtype=np.int64))]
            return chosen[np.argsort(-ious[chosen], kind="stable")]
        if show is Show.MISSES:
            score = (counts.in_range - counts.both).astype(np.float64)
        elif show is Show.FALSE_ALARMS:
            score = (counts.formula - counts.both).astype(np.float64)
        elif record.cluster == record.num_ranges - 1:
            peaks = self.maps.max(axis=(1, 2)).astype(np.float64)
            score = np.where(counts.in_range > 0, peaks - peaks.min() + 1, 0)
        else:
            score = counts.in_range.astype(np.float64)
        best = np.argsort(-score, kind="stable")[:top_k]
        return best[score[best] > 0]


def look_at_unit(
    unit: int, records: Sequence[ExplanationRecord], index: ConceptIndex, activations: Activations
) -> UnitImages:
    """Read one unit's maps and count its pixels image by image."""
    # Here: numba takes long to import, and screens without pictures do without.
    from ccx_cli.runs.inputs import unit_in_data

    read = activations.unit(unit)
    found = unit_in_data(unit, records, lambda _: read, index)
    maps = dense_maps(read)
    if found.hits is None:
        return UnitImages(unit, maps, (), (), (), (), index)
    counts, per_set = tuple(ImageCounts.of_unit(found, index)), tuple(found.hits.per_set)
    return UnitImages(
        unit, maps, tuple(found.records), tuple(found.formulas), counts, per_set, index
    )


def in_range(
    values: NDArray[np.float32], record: ExplanationRecord, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Pixels, after upsampling to ``shape``, that are in a record's range.

    Parameters
    ----------
    values
        ``(height, width)`` float32, a unit's map of one image.
    """
    lower, upper = record.range or (None, None)
    pixels = upsample(values, shape).astype(np.float64)
    above = pixels > (-np.inf if lower is None else lower)
    return above & (pixels < (np.inf if upper is None else upper))


def mask_of(holds: NDArray[np.bool_], index: ConceptIndex, image: int) -> NDArray[np.bool_]:
    """Pixels of an image, on the mask grid, whose label sets are among ``holds``."""
    table = index.local_sets[index.offsets[image] : index.offsets[image + 1]]
    mask: NDArray[np.bool_] = holds[table][index.maps[image]].reshape(index.mask_shape)
    return mask
