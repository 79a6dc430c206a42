"""One unit in the data: its activations, metrics and images, and typed formulas on its ranges.

What this needs is compiled, which takes longer to import than the rest of the terminal interface
takes to start: ``open_run`` imports it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray
from rich.text import Text

from ccx_cli import design
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.formulas.formula import Concept, Formula, Operator
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.printable import printable
from ccx_cli.probe.ranges import active_values
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.records.metrics import MASKING
from ccx_cli.records.stability import STABILITY
from ccx_cli.runs.answers import KEPT_MASKING, KEPT_STABILITY
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.provenance import space_of
from ccx_cli.search.scoring import FormulaOnData, holds_on
from ccx_cli.search.space import outside_space
from ccx_cli.study.histogram import count_in_bars
from ccx_cli.study.measuring import measure_unit
from ccx_cli.study.unit_images import Show, UnitImages, look_at_unit, mask_of
from ccx_cli.tui.histogram import ActivationHistogram
from ccx_cli.tui.pictures import SHOW, PictureList

MAX_PICTURES = 60
_FINE_BINS = 2400


@dataclass(frozen=True, slots=True)
class Trial:
    """A typed formula, as the program writes it, and its IoU on the ranges of a unit by cluster.

    ``same_as`` are clusters whose own formula holds on the same pixels, ``unseen`` names in it
    that no pixel of the dataset carries. ``outside`` says, where it beats one of those formulas,
    why the run did not try it.
    """

    text: str
    formula: Formula
    ious: dict[int | None, float]
    same_as: tuple[int | None, ...]
    unseen: tuple[str, ...]
    outside: str = ""


@dataclass(frozen=True)
class UnitData:
    """What the screen of a unit shows besides its lines; all by cluster.

    ``metrics`` has label masking where that is known, which is that of the stored formula;
    ``outside`` says why a formula is none of those that the run searched.
    """

    dataset: BrodenDataset
    images: UnitImages
    histogram: ActivationHistogram | None
    metrics: dict[int | None, dict[str, float | None]]
    outside: Callable[[Formula], str] = lambda _: ""

    def try_formula(self, text: str, vocabulary: Vocabulary) -> Trial:
        """Score a formula on all ranges; raises ``UsageError`` if the text is no formula."""
        images = self.images
        typed = FormulaOnData.read(text, vocabulary, images.index)
        ious = {
            record.cluster: typed.score(in_range).iou
            for record, in_range in zip(images.records, images.per_set, strict=True)
        }
        is_better = any(ious[record.cluster] > record.iou for record in images.records)
        return Trial(
            printable(typed.text),
            typed.formula,
            ious,
            tuple(
                record.cluster
                for record, holds in zip(images.records, images.holds, strict=True)
                if record.formula is not None and typed.is_same_here(holds)
            ),
            tuple(map(printable, typed.unseen)),
            self.outside(typed.formula) if is_better else "",
        )

    def pictures(
        self, cluster: int | None, show: str, formula: Formula | None = None
    ) -> PictureList:
        """Choose images for one range; ``show`` is a value of ``study.unit_images.Show``.

        They are chosen by the formula of the line; ``formula`` is drawn on them instead.
        """
        images, index = self.images, self.images.index
        position = [record.cluster for record in images.records].index(cluster)
        chosen = images.choose(position, Show(show), MAX_PICTURES).tolist()
        holds = images.holds[position] if formula is None else holds_on(formula, index)

        def caption(image: int) -> str:
            hits, inside = images.hit_mask(position, image), mask_of(holds, index, image)
            union = int((hits | inside).sum())
            return f"IoU {design.iou(int((hits & inside).sum()) / max(union, 1))}"

        return PictureList(
            Text(SHOW[show], style="bold"),
            self.dataset,
            tuple(chosen),
            len(chosen),
            caption,
            lambda image: images.hit_mask(position, image),
            lambda image: mask_of(holds, index, image),
        )


def read_unit(unit: int, records: Sequence[ExplanationRecord], inputs: RunInputs) -> UnitData:
    """Read a unit's maps, count its pixels and measure its explanations."""
    images = look_at_unit(unit, records, inputs.index, inputs.activations)
    masking = KEPT_MASKING.fullest(inputs.run.directory, problems=[])
    stored = {(unit, each.cluster): each.formula for each in inputs.run.units.get(unit, ())}
    stability = KEPT_STABILITY.of_formulas(inputs.run.directory, images.records)
    metrics = {}
    measured = measure_unit(images.counts, images.maps, images.holds, inputs.index)
    for record, of_range in zip(images.records, measured, strict=True):
        metrics[record.cluster] = to_json(of_range)
        key = unit, record.cluster
        if key in masking and record.formula == stored.get(key):
            metrics[record.cluster][MASKING.key] = masking[key].label_masking
        if key in stability:
            one = to_json(stability[key])
            metrics[record.cluster] |= {each.key: one[each.key] for each in STABILITY}
    found = UnitData(inputs.dataset, images, count_activations(images.maps), metrics)
    length, space = inputs.run.identity.search.length, space_of(inputs.run)
    if length is UNSET:
        return found
    concepts, operators = inputs.index.concepts, tuple(Operator)
    if space is not None:
        concepts, operators = concepts[space.concepts], space.operators
    beyond = partial(outside_space, length=length, concepts=concepts.tolist(), operators=operators)
    return replace(found, outside=beyond)


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


def pictures_of_concept(inputs: RunInputs, number: int) -> PictureList:
    """Choose the images that carry a concept on most pixels; the first ones win ties."""
    dataset, index = inputs.dataset, inputs.index
    holds = holds_on(Concept(number), index)
    pixels = index.pixels_by_image(holds)
    chosen = np.argsort(-pixels, kind="stable")[:MAX_PICTURES]
    images = chosen[pixels[chosen] > 0].tolist()
    size = index.mask_shape[0] * index.mask_shape[1]
    return PictureList(
        Text("most of the concept", style="bold"),
        dataset,
        tuple(images),
        int((pixels > 0).sum()),
        lambda image: f"{pixels[image] / size:4.0%}",
        None,
        lambda image: mask_of(holds, index, image),
    )
