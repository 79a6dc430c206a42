"""What the report shows of units, concepts and images beyond lines: histograms, masks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Concept, concepts_of, from_json, names_in
from ccx_cli.probe.ranges import active_values
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.metrics import Metrics
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.concept_statistics import images_of
from ccx_cli.study.histogram import count_in_bars
from ccx_cli.study.measuring import measure_unit
from ccx_cli.study.metrics import ImageCounts
from ccx_cli.study.unit_images import Show, look_at_unit, mask_of

BINS = 72


@dataclass(frozen=True, slots=True)
class UnitPart:
    """One unit's part of the report: what the page's script reads when the unit is opened.

    ``metrics`` are by the range's number; ``concepts`` are the label numbers in the formulas of
    every image that it shows, ascending.
    """

    unit: int
    content: dict[str, Any]
    metrics: dict[int | None, Metrics]
    concepts: dict[int, set[int]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which images to show of every range: the kinds, at most ``top_k`` of each."""

    shows: Sequence[Show] = tuple(Show)
    top_k: int = 5
    seed: int = 0


def unit_part(unit: int, inputs: RunInputs, choice: Choice) -> UnitPart:
    """Compute the part of one unit; the index and activations must be open already."""
    found = look_at_unit(unit, inputs.run.units[unit], inputs.index, inputs.activations)
    chosen = [
        {show: found.choose(index, show, choice.top_k, choice.seed) for show in choice.shows}
        for index in range(len(found.records))
    ]
    by_range = [_images(kind for kind in kinds.values()) for kinds in chosen]
    concepts: dict[int, set[int]] = {image: set() for image in _images(by_range)}
    for record, images in zip(found.records, by_range, strict=True):
        for image in images:
            concepts[image].update(concepts_named(record))
    content = {
        "histogram": histogram(found.maps),
        "peaks": {image: float(found.maps[image].max()) for image in concepts},
        "ranges": [
            {
                "cluster": record.cluster,
                "best": _best(found.counts[index], images),
                "shows": {show.value: kind.tolist() for show, kind in kinds.items()},
                "hits": {image: mask_text(found.hit_mask(index, image)) for image in images},
            }
            for index, (record, kinds, images) in enumerate(
                zip(found.records, chosen, by_range, strict=True)
            )
        ],
    }
    measured = measure_unit(found.counts, found.maps, found.holds, inputs.index)
    clusters = (record.cluster for record in found.records)
    return UnitPart(unit, content, dict(zip(clusters, measured, strict=True)), concepts)


def concept_part(number: int, inputs: RunInputs, top_k: int) -> tuple[dict[str, Any], list[int]]:
    """Return the part of one concept, and the images that carry it on most pixels."""
    position = int(np.searchsorted(inputs.index.concepts, number))
    images, pixels = (found[:top_k].tolist() for found in images_of(inputs.index, position))
    size = inputs.index.mask_shape[0] * inputs.index.mask_shape[1]
    shares = {image: count / size for image, count in zip(images, pixels, strict=True)}
    return {"images": images, "shares": shares}, images


def image_parts(
    inputs: RunInputs, concepts: Mapping[int, Collection[int]]
) -> dict[int, dict[str, Any]]:
    """Return the parts of images: the name of each, and the pixels of some concepts."""
    parts: dict[int, dict[str, Any]] = {
        image: {"name": inputs.dataset.rows[image].image, "concepts": {}} for image in concepts
    }
    for number in sorted(set().union(*concepts.values())):
        holds = holds_on(Concept(number), inputs.index)
        for image in [image for image, numbers in concepts.items() if number in numbers]:
            mask = mask_of(holds, inputs.index, image)
            if mask.any():
                parts[image]["concepts"][number] = mask_text(mask)
    return parts


def _best(counts: ImageCounts, images: Sequence[int]) -> int | None:
    """Return the image with the highest IoU of its own; of several, the one with most hits."""

    def worth(image: int) -> tuple[float, int]:
        both, hits = int(counts.both[image]), int(counts.in_range[image])
        return both / max(1, hits + int(counts.formula[image]) - both), hits

    return max(images, key=worth, default=None)


def _images(kinds: Iterable[Iterable[int]]) -> list[int]:
    return sorted({int(image) for kind in kinds for image in kind})


def concepts_named(record: ExplanationRecord) -> dict[int, str]:
    """Return the names of the concepts in a record's formula, and in the best shorter ones."""
    found = dict(record.names)
    for level in record.by_length:
        if level.labels is not UNSET:
            numbers = concepts_of(from_json(level.labels))
            found |= dict(zip(numbers, names_in(level.formula), strict=True))
    return found


def histogram(maps: NDArray[np.float32]) -> dict[str, Any] | None:
    """Count the activations, ``(n_images, height, width)`` float32, that ranges are found from.

    Returns the ends, the counts in bins of equal width and the share of zeros, which are not
    counted; ``None`` for a unit that never fires.
    """
    values = active_values(maps)
    if not values.size or not np.isfinite(values).all():
        return None
    counts, ends = count_in_bars(values, BINS)
    return {
        "lower": float(ends[0]),
        "upper": float(ends[-1]),
        "counts": counts.tolist(),
        "zeros": 1 - values.size / maps.size,
    }


def mask_text(mask: NDArray[np.bool_]) -> str:
    """Encode a ``(height, width)`` mask as its bits or its run lengths, whichever is shorter.

    Bits: ``b`` and base64 of the pixels in row order, eight per byte, the first in the highest
    bit. Run lengths: ``r`` and base64 of the lengths of the runs in row order, the first of
    them outside the mask, as LEB128.
    """
    pixels = mask.reshape(-1)
    bits = np.packbits(pixels).tobytes()
    runs = _run_lengths(pixels)
    if len(runs) < len(bits):
        packed = _leb128(runs)
        if len(packed) < len(bits):
            return "r" + b64encode(packed).decode()
    return "b" + b64encode(bits).decode()


def _run_lengths(pixels: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [len(pixels)]]))
    return np.concatenate([[0], lengths]) if len(pixels) and pixels[0] else lengths


def _leb128(numbers: NDArray[np.int64]) -> bytes:
    """Encode numbers of up to 35 bits: seven bits per byte, the eighth set where more follow."""
    shifts = np.arange(0, 35, 7)
    parts = numbers[:, None] >> shifts
    needed = (parts > 0) | (shifts == 0)
    more = np.zeros_like(needed)
    more[:, :-1] = needed[:, 1:]
    packed = (parts & 0x7F) | np.where(more, 0x80, 0)
    return bytes(packed[needed].astype(np.uint8))
