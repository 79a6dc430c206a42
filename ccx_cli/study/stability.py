"""The stability of a run: what its search finds in other samples of the same images.

In every resample as many images as there are are sampled with replacement (the bootstrap: Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993), the same for every unit, and the search is
repeated on them in the ranges of the run. How often it finds the same formula is a selection
frequency (stability selection: Meinshausen and Bühlmann, Journal of the Royal Statistical Society
B 72/4, 2010). A resample leaves out about 36.8% of the images. Those had no part in the choice of
its formula, which is scored on them. That is the leave-one-out bootstrap (Efron and Tibshirani,
Journal of the American Statistical Association 92/438, 1997), averaged by resample: IoU is no mean
over images.

An image counts as often as it was sampled, so a resample is other counts of the same label sets.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.compiled import kernel
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts, Postings
from ccx_cli.errors import UsageError
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, concepts_of, to_json, to_text
from ccx_cli.formulas.truth import evaluate
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import SOFT, ExplainedRange, ExplanationRecord
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.stability import OtherFormula, StabilityRecord
from ccx_cli.runs.answers import KEPT_STABILITY
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.splits import split_images
from ccx_cli.search.best_ious import best_formulas
from ccx_cli.search.counts import DataCounts, SetsByConcept
from ccx_cli.search.registry import make_search, search_from_identity
from ccx_cli.search.scoring import carriers
from ccx_cli.search.space import SearchSpace
from ccx_cli.search.strategy import LISTING, Strategy
from ccx_cli.store.steps import Step
from ccx_cli.study.kept import kept_or_found
from ccx_cli.threads import map_in_order

MOST_OTHERS = 5
_MOST_UNITS = 16
_MOST_BYTES = 1 << 30
"""Units that share the counts of a resample, and the bytes of their hits."""


@dataclass(frozen=True, slots=True)
class Resample:
    """A sample of images.

    Attributes
    ----------
    data
        Counts of the label sets that the sampled images carry, with the concepts of the index.
    times
        ``(n_local,)`` int32, how often the image of each row of the images' tables was sampled.
    positions
        ``(n_sets,)`` int32, where each label set of the index is in ``data``; -1 for not at all.
    left_out
        ``(n_sets,)`` int64, pixels of each label set in the images that were not sampled.
    """

    data: DataCounts
    times: NDArray[np.int32]
    positions: NDArray[np.int32]
    left_out: NDArray[np.int64]

    @classmethod
    def of_images(cls, index: ConceptIndex, images: NDArray[np.int64]) -> Resample:
        """Take images of an index, by number, some of them several times."""
        by_image = np.bincount(images, minlength=index.n_images)
        times = np.repeat(by_image, np.diff(index.offsets)).astype(np.int32)
        rows = np.flatnonzero(times)
        named = index.local_sets[rows]
        pixels = index.local_totals[rows].astype(np.int64) * times[rows]
        sets, row_sets = index.sets.of_rows(named, pixels)
        positions = np.full(len(index.sets), -1, dtype=np.int32)
        positions[named] = row_sets
        outside = np.where(times == 0, index.local_totals, 0)
        left_out = np.bincount(index.local_sets, weights=outside, minlength=len(index.sets))
        data = DataCounts(SetsByConcept(sets, Postings.transpose(sets, len(index.concepts))))
        return cls(data, times, positions, left_out.astype(np.int64))


def drawn_images(n_images: int, seed: int, number: int) -> NDArray[np.int64]:
    """Sample as many images as there are with replacement, the same for every unit."""
    return np.random.default_rng([seed, number]).integers(0, n_images, n_images)


@kernel
def _part_hits(
    per_local: NDArray[np.int32],
    local_sets: NDArray[np.int32],
    times: NDArray[np.int32],
    positions: NDArray[np.int32],
    inside: PixelCounts,
    outside: PixelCounts,
) -> None:
    """Add hits by row of the images' tables to those by label set, sampled and left out."""
    for found in range(len(per_local)):
        for row in range(len(local_sets)):
            hits = per_local[found, row]
            if hits == 0:
                continue
            if times[row]:
                inside[found, positions[local_sets[row]]] += hits * times[row]
            else:
                outside[found, local_sets[row]] += hits


@dataclass(frozen=True, slots=True)
class Selected:
    """What one resample has for one range.

    ``formula`` is ``None`` where no concept meets the sampled hits; ``iou``, its IoU on the images
    left out, is ``None`` where those have neither hits nor formula.
    """

    formula: Formula | None
    iou: float | None


@dataclass(frozen=True, slots=True)
class _UnitHits:
    """A unit's records, and by row of the images' tables the hits of those with a formula."""

    records: Sequence[ExplanationRecord]
    per_local: NDArray[np.int32]


class Resampling:
    """The search of a run on resamples of its images."""

    def __init__(self, inputs: RunInputs, resamples: int, seed: int) -> None:
        """Open the images that the run searched.

        Raises
        ------
        UsageError
            If the run has no ranges, by its objective, or how it was searched is not known.
        """
        run = inputs.run
        objective = run.identity.search.objective
        if objective in SOFT:
            raise UsageError(
                f"{run.name} was searched by {objective}, of no range: `ccx stability` needs a run "
                "by iou, f-beta:B or mcc."
            )
        self.inputs, self.resamples, self.seed = inputs, resamples, seed
        self.index = inputs.searched
        self.images: slice | NDArray[np.int64] = slice(None)
        if run.about.split is not None:
            self.images = split_images(inputs.dataset, run.about.split)[0]
        self.search = {k: value for k, value in run.search_identity.items() if k not in LISTING}
        n_concepts = len(self.index.concepts)
        search_from_identity(self.search, n_concepts)
        self.space = SearchSpace.whole(n_concepts)
        if "space" in self.search:
            self.space = SearchSpace.from_identity(self.search["space"], n_concepts)
        self.carries = carriers(self.index)

    @property
    def lines(self) -> RecordLines[StabilityRecord]:
        """The file that keeps what is found."""
        return KEPT_STABILITY.lines(self.inputs.kept, resamples=self.resamples, seed=self.seed)

    def draw(self, number: int) -> Resample:
        """Draw a resample, the same for every unit."""
        images = drawn_images(self.index.n_images, self.seed, number)
        return Resample.of_images(self.index, images)

    def hits(self, unit: int) -> _UnitHits:
        """Count a unit's hits in the ranges that have a formula."""
        records = self.inputs.run.units[unit]
        ranges = [
            Range.from_json(record.range)
            for record in records
            if record.formula is not None and record.range is not None
        ]
        per_local = np.zeros((0, 0), dtype=np.int32)
        if ranges:
            maps = self.inputs.activations.unit(unit)[self.images]
            counted = count_hits(maps, ranges, self.index, per_image=True).per_local
            assert counted is not None
            per_local = counted
        return _UnitHits(records, per_local)

    def select(self, resample: Resample, units: Sequence[_UnitHits]) -> list[list[Selected]]:
        """Search every unit's ranges on a resample."""
        data = resample.data
        there = self.space.mask & (data.totals.diagonal() > 0)
        space = SearchSpace(there, self.space.operators)
        strategy = make_search(self.search["name"], self.search, space)
        return [self._select(resample, strategy, unit.per_local) for unit in units]

    def _select(
        self, resample: Resample, strategy: Strategy, per_local: NDArray[np.int32]
    ) -> list[Selected]:
        n_ranges, index = len(per_local), self.index
        sampled = resample.data.sets
        inside = np.zeros((n_ranges, len(sampled)), dtype=sampled.hits_type)
        outside = np.zeros((n_ranges, len(index.sets)), dtype=index.sets.hits_type)
        _part_hits(per_local, index.local_sets, resample.times, resample.positions, inside, outside)
        found = []
        formulas = best_formulas(strategy, resample.data, inside)
        for best, left_out in zip(formulas, outside, strict=True):
            formula = None if best is None else best.chain.formula(index.concepts)
            in_range, both, total = int(left_out.sum(dtype=np.int64)), 0, 0
            if formula is not None:
                holds = evaluate(formula, self.carries)
                both = int(left_out[holds].sum(dtype=np.int64))
                total = int(resample.left_out[holds].sum())
            union = in_range + total - both
            found.append(Selected(formula, both / union if union else None))
        return found

    def find(
        self, units: Sequence[int], workers: int, progress: Progress
    ) -> Iterator[list[StabilityRecord]]:
        """Yield the stability of every unit, in order; some units at a time share resamples."""
        with progress.task("Searches", len(units) * self.resamples, unit="searches") as task:
            for start in range(0, len(units), self.block):
                some = units[start : start + self.block]
                hits = list(map_in_order(self.hits, some, workers))
                found: list[list[list[Selected]]] = []

                def work(number: int, hits: Sequence[_UnitHits] = hits) -> list[list[Selected]]:
                    return self.select(self.draw(number), hits)

                for selected in map_in_order(work, range(self.resamples), workers):
                    found.append(selected)
                    task.advance(len(some))
                for unit, each in zip(hits, zip(*found, strict=True), strict=True):
                    yield self._records(unit, each)

    @property
    def block(self) -> int:
        """Units that share resamples: few enough for their hits to stay in memory."""
        ranges = max(1, self.inputs.run.about.num_clusters or 1)
        size = 4 * ranges * max(1, len(self.index.local_sets))
        return min(_MOST_UNITS, max(1, _MOST_BYTES // size))

    def _records(
        self, unit: _UnitHits, selected: Sequence[Sequence[Selected]]
    ) -> list[StabilityRecord]:
        by_range = iter(zip(*selected, strict=True))
        return [
            self._record(record, () if record.formula is None else next(by_range))
            for record in unit.records
        ]

    def _record(self, record: ExplanationRecord, selected: Sequence[Selected]) -> StabilityRecord:
        """Compare what the resamples have for a range with its formula."""
        measured: dict[str, Any] = dict.fromkeys(StabilityRecord.__struct_fields__)
        measured |= {key: getattr(record, key) for key in ExplainedRange.__struct_fields__}
        measured |= {"resamples": self.resamples, "others": []}
        if record.tree is not None:
            measured |= self._compared(record.tree, selected) | {"iou": record.iou}
        return StabilityRecord(**measured)

    def _compared(self, own: Formula, selected: Sequence[Selected]) -> dict[str, Any]:
        trees = [one.formula for one in selected if one.formula is not None]
        written: dict[Hashable, Counter[Formula]] = defaultdict(Counter)
        for tree in trees:
            written[canonical_key(tree)][tree] += 1
        equivalent = written.get(canonical_key(own), Counter())
        others = sorted(
            (each for each in written.values() if each is not equivalent),
            key=lambda each: -each.total(),
        )
        begins = [next(concepts_of(tree)) for tree in trees]
        ious = [one.iou for one in selected if one.iou is not None]
        interval = np.quantile(ious, [0.025, 0.975]).tolist() if ious else None
        return {
            "same": equivalent[own] / self.resamples,
            "equivalent": equivalent.total() / self.resamples,
            "first_concept": begins.count(next(concepts_of(own))) / self.resamples,
            "formulas": len(written),
            "out_of_bag_iou": float(np.mean(ious)) if ious else None,
            "out_of_bag_interval": interval,
            "others": [
                OtherFormula(
                    formula=to_text(each.most_common(1)[0][0], self.index.name_of),
                    share=each.total() / self.resamples,
                    labels=to_json(each.most_common(1)[0][0]),
                )
                for each in others[:MOST_OTHERS]
            ],
        }


def stability_of_run(
    resampling: Resampling, units: Sequence[int], workers: int, progress: Progress
) -> Iterator[list[StabilityRecord]]:
    """Yield the stability of every unit, in order; what was found before is read."""
    title = f"Stability, {resampling.resamples:,} resamples"

    def find(missing: Sequence[int]) -> Iterator[tuple[int, list[StabilityRecord]]]:
        return zip(missing, resampling.find(missing, workers, progress), strict=True)

    return kept_or_found(resampling.inputs, resampling.lines, units, find, title, progress)


def stability_step(resampling: Resampling, units: Sequence[int], workers: int) -> Step:
    """Say how many units are not resampled yet, and about how long they take."""
    step = resampling.lines.step("stability", units)
    missing = step.missing
    if not missing:
        return step
    known = resampling.lines.finished()
    hits = resampling.hits(next(unit for unit in units if unit not in known))
    began = time.perf_counter()
    resample = resampling.draw(0)
    drawing = time.perf_counter() - began
    step = step.timed(
        lambda: resampling.select(resample, [hits]), 1 / resampling.resamples, workers
    )
    draws = -(-missing // resampling.block) * resampling.resamples
    return replace(step, seconds=(step.seconds or 0) + drawing * draws / workers)
