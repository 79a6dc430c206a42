"""One unit in the data: its activations, metrics and images, and typed formulas on its ranges.

What this needs is compiled, which takes longer to import than the rest of the terminal interface
takes to start: ``reading`` imports it in a thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.algebra import simplify
from ccx_cli.formulas.formula import Concept, concepts_of, length_of, names_in, to_text
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.printable import printable
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.ranges import active_values
from ccx_cli.records.fields import to_json
from ccx_cli.runs.stored import formula_of
from ccx_cli.search.scoring import FormulaOnData, holds_on
from ccx_cli.store.lines import Record
from ccx_cli.study.histogram import count_in_bars
from ccx_cli.study.metrics import measure
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit, mask_of
from ccx_cli.tui.drawing import PictureList
from ccx_cli.tui.histogram import ActivationHistogram

MAX_PICTURES = 60
_FINE_BINS = 2400


@dataclass(frozen=True, slots=True)
class Trial:
    """A typed formula on the ranges of a unit.

    Attributes
    ----------
    text
        As the program writes it.
    ious
        By cluster.
    same_as
        Clusters whose own formula holds on the same pixels.
    unseen
        Names in it that no pixel of the dataset carries.
    """

    text: str
    ious: dict[int, float]
    same_as: tuple[int, ...]
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class UnitData:
    """What the screen of a unit shows besides its lines.

    Attributes
    ----------
    dataset
        The labelled images.
    images
        The unit's maps and pixels.
    histogram
        Of its activations; ``None`` for a unit that never fires.
    metrics
        By cluster, name to value; those that were stored beside the run as well.
    shorter
        By cluster, the shortest equivalent formula if it is shorter than the one found.
    """

    dataset: BrodenDataset
    images: UnitImages
    histogram: ActivationHistogram | None
    metrics: dict[int, dict[str, float | None]]
    shorter: dict[int, str | None]

    def try_formula(self, text: str, vocabulary: Vocabulary) -> Trial:
        """Score a formula on all ranges.

        Raises
        ------
        UsageError
            If the text is no formula.
        """
        images = self.images
        typed = FormulaOnData.read(text, vocabulary, images.index)
        clusters = [record["cluster"] for record in images.records]
        return Trial(
            printable(typed.text),
            {
                cluster: typed.score(in_range).iou
                for cluster, in_range in zip(clusters, images.per_set, strict=True)
            },
            tuple(
                record["cluster"]
                for record, holds in zip(images.records, images.holds, strict=True)
                if record["formula"] is not None and typed.is_same_here(holds)
            ),
            tuple(map(printable, typed.unseen)),
        )

    def pictures(self, cluster: int, show: str) -> PictureList:
        """Choose images for one range; ``show`` is a value of ``study.unit_images.Show``."""
        images = self.images
        position = [record["cluster"] for record in images.records].index(cluster)
        counts = images.counts[position]
        chosen = images.choose(position, Show(show), MAX_PICTURES).tolist()
        union = counts.in_range + counts.formula - counts.both
        ious = counts.both / np.maximum(union, 1)
        return PictureList(
            self.dataset,
            tuple(chosen),
            tuple(f"IoU {ious[image]:.4f}  {_name(self.dataset, image)}" for image in chosen),
            lambda image: images.hit_mask(position, image),
            lambda image: images.formula_mask(position, image),
        )


def read_unit(
    unit: int,
    records: Sequence[Record],
    directory: Path,
    dataset: BrodenDataset,
    index: ConceptIndex,
    activations: Activations,
) -> UnitData:
    """Read a unit's maps, count its pixels and measure its explanations.

    ``directory`` is the run's, beside whose lines more metrics may be stored.
    """
    images = look_at_unit(unit, records, index, activations)
    stored = stored_metrics(directory, unit)
    clusters = [record["cluster"] for record in images.records]
    return UnitData(
        dataset,
        images,
        count_activations(images.maps),
        {
            cluster: {**to_json(measure(counts)), **stored.get(cluster, {})}
            for cluster, counts in zip(clusters, images.counts, strict=True)
        },
        {record["cluster"]: shorter_formula(record) for record in images.records},
    )


def count_activations(maps: NDArray[np.float32]) -> ActivationHistogram | None:
    """Count a unit's activations, ``None`` for a unit that never fires."""
    values = active_values(maps)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    counts, edges = count_in_bars(values, _FINE_BINS)
    cumulative = np.concatenate([[0], np.cumsum(counts)])
    zeros = maps.size - values.size
    return ActivationHistogram(float(edges[0]), float(edges[-1]), cumulative, zeros)


def shorter_formula(record: Record) -> str | None:
    """Write the shortest formula equivalent to a record's, ``None`` unless it is shorter."""
    formula = formula_of(record)
    if formula is None:
        return None
    shortest = simplify(formula)
    if length_of(shortest) >= length_of(formula):
        return None
    names = dict(zip(concepts_of(formula), names_in(record["formula"]), strict=True))
    return to_text(shortest, names.__getitem__)


def stored_metrics(directory: Path, unit: int) -> dict[int, dict[str, float | None]]:
    """Read what ``ccx metrics`` kept of label masking beside a run, by cluster.

    A line that cannot be read is passed over: it is no reason not to show the rest.
    """
    found: dict[int, dict[str, float | None]] = {}
    needle = f'"unit": {unit},'.encode()
    for path in sorted(directory.glob("masking-*.jsonl")):
        try:
            lines = [line for line in path.read_bytes().split(b"\n") if needle in line]
        except OSError:
            continue
        for line in lines:
            try:
                record: Any = json.loads(line)
                cluster, value = record["cluster"], record["label_masking"]
            except (ValueError, KeyError, TypeError):
                continue
            if record["unit"] == unit and type(cluster) is int and isinstance(value, float | None):
                found[cluster] = {"label_masking": value}
    return found


def pictures_of_concept(dataset: BrodenDataset, index: ConceptIndex, number: int) -> PictureList:
    """Choose the images that carry a concept on most pixels; the first ones win ties."""
    holds = holds_on(Concept(number), index)
    pixels = index.pixels_by_image(holds)
    chosen = np.argsort(-pixels, kind="stable")[:MAX_PICTURES]
    images = chosen[pixels[chosen] > 0].tolist()
    size = index.mask_shape[0] * index.mask_shape[1]
    return PictureList(
        dataset,
        tuple(images),
        tuple(f"{pixels[image] / size:4.0%}  {_name(dataset, image)}" for image in images),
        None,
        lambda image: mask_of(holds, index, image),
    )


def _name(dataset: BrodenDataset, image: int) -> str:
    return printable(str(dataset.rows[image].image))
