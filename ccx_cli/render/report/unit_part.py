"""What the report shows of one unit beyond its explanations: histogram, metrics, images, masks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.ranges import active_values
from ccx_cli.records.metrics import Metrics
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.study.histogram import count_in_bars
from ccx_cli.study.metrics import measure
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit

BINS = 72


@dataclass(frozen=True, slots=True)
class UnitPart:
    """One unit's part of the report: what the page's script reads when the unit is opened.

    ``metrics`` are by the range's number, ``images`` the indices of the images it shows,
    ascending.
    """

    unit: int
    content: dict[str, Any]
    metrics: dict[int | None, Metrics]
    images: tuple[int, ...]


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
    shown = sorted({int(image) for kinds in chosen for kind in kinds.values() for image in kind})
    return UnitPart(
        unit=unit,
        content={
            "unit": unit,
            "histogram": histogram(found.maps),
            "names": {image: inputs.dataset.rows[image].image for image in shown},
            "ranges": [_range(found, index, kinds) for index, kinds in enumerate(chosen)],
        },
        metrics={
            record.cluster: measure(counts)
            for record, counts in zip(found.records, found.counts, strict=True)
        },
        images=tuple(shown),
    )


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


def _range(found: UnitImages, index: int, kinds: dict[Show, NDArray[np.int64]]) -> dict[str, Any]:
    counts = found.counts[index]
    images = sorted({int(image) for kind in kinds.values() for image in kind})
    return {
        "cluster": found.records[index].cluster,
        "shows": {show.value: kind.tolist() for show, kind in kinds.items()},
        "images": {
            image: {
                "hits": mask_text(found.hit_mask(index, image)),
                "formula": mask_text(found.formula_mask(index, image)),
                "counts": [
                    int(part[image]) for part in (counts.in_range, counts.formula, counts.both)
                ],
            }
            for image in images
        },
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
