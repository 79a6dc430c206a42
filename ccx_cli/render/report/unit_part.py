"""What the page shows of one unit beyond its explanations: histogram, metrics, images, masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.probe.ranges import active_values
from ccx_cli.render.report.mask_text import mask_text
from ccx_cli.store.lines import Record
from ccx_cli.study.histogram import count_in_bars
from ccx_cli.study.metrics import measure
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit

if TYPE_CHECKING:
    from ccx_cli.runs.viewed import ViewedRun

BINS = 72


@dataclass(frozen=True, slots=True)
class UnitPart:
    """One unit's part of the page.

    Attributes
    ----------
    unit
        Its number.
    content
        What the page's script reads once the unit is opened.
    metrics
        Its ranges' metrics, by cluster.
    images
        Places of the images it shows, ascending.
    """

    unit: int
    content: dict[str, Any]
    metrics: dict[int, dict[str, float | None]]
    images: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which images to show of every range.

    Attributes
    ----------
    shows
        The kinds.
    top_k
        How many of each at most.
    seed
        Of the sample.
    """

    shows: Sequence[Show] = tuple(Show)
    top_k: int = 5
    seed: int = 0


def unit_part(unit: int, run: ViewedRun, choice: Choice) -> UnitPart:
    """Look at one unit of a run whose index and activations are open already."""
    looked = look_at_unit(unit, run.units[unit], run.index, run.activations)
    chosen = [
        {show: looked.choose(place, show, choice.top_k, choice.seed) for show in choice.shows}
        for place in range(len(looked.records))
    ]
    shown = sorted({int(image) for kinds in chosen for kind in kinds.values() for image in kind})
    return UnitPart(
        unit=unit,
        content={
            "unit": unit,
            "histogram": histogram(looked.maps),
            "names": {image: run.dataset.rows[image].image for image in shown},
            "ranges": [
                _range(looked, place, record, kinds)
                for place, (record, kinds) in enumerate(zip(looked.records, chosen, strict=True))
            ],
        },
        metrics={
            record["cluster"]: asdict(measure(counts))
            for record, counts in zip(looked.records, looked.counts, strict=True)
        },
        images=tuple(shown),
    )


def histogram(maps: NDArray[np.float32]) -> dict[str, Any] | None:
    """Count a unit's activations, those that clustering looks at, in equal bins.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32.

    Returns
    -------
    The ends, the counts and the share of all activations that is left out as zero; ``None`` for a
    unit that never fires.
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


def _range(
    looked: UnitImages, place: int, record: Record, kinds: dict[Show, NDArray[np.int64]]
) -> dict[str, Any]:
    counts = looked.counts[place]
    images = sorted({int(image) for kind in kinds.values() for image in kind})
    return {
        "cluster": record["cluster"],
        "shows": {show.value: kind.tolist() for show, kind in kinds.items()},
        "images": {
            image: {
                "hits": mask_text(looked.hit_mask(place, image)),
                "formula": mask_text(looked.formula_mask(place, image)),
                "counts": [
                    int(part[image]) for part in (counts.in_range, counts.formula, counts.both)
                ],
            }
            for image in images
        },
    }
