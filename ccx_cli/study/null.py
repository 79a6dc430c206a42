"""The null of a run: is a score more than chance? The best formulas of other images' maps.

In every round the images of all units' maps are permuted among themselves, the same way for every
unit, and the best formula is searched again with the same ranges. So the null counts the search:
the best of what chance offers against the best that was found (``ccx_cli.runs.chance``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.errors import UsageError
from ccx_cli.probe.permuted_hits import count_permuted_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import SOFT, ExplanationRecord
from ccx_cli.records.metrics import AgainstNull, NullRecord
from ccx_cli.runs.answers import KEPT_NULL
from ccx_cli.runs.chance import adjusted, against_null
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.run import Run
from ccx_cli.search.best_ious import best_ious
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.registry import search_from_identity
from ccx_cli.store.steps import Step
from ccx_cli.study.kept import Measure, UnitStudy

BestIous = Callable[[PixelCounts], list[float]]

_COUNTS_AT_ONCE = 1 << 24
# Permutations that the time of all is estimated from.
_TIMED = 10


def permutation(n_images: int, seed: int, round_number: int) -> NDArray[np.int64]:
    """Return a round's permutation of the images, the same for every unit."""
    return np.random.default_rng([seed, round_number]).permutation(n_images)


def null_ious(
    maps: Maps,
    ranges: Sequence[Range],
    index: ConceptIndex,
    best_ious: BestIous,
    rounds: int,
    seed: int,
) -> list[list[float]]:
    """Return the best IoU of every round, for every range of one unit.

    ``maps`` are the unit's activations, ``(n_images, height, width)`` float32; ``best_ious``
    searches hits of one range by label set, ``(n, n_sets)``; ``rounds`` is the number of
    permutations.
    """
    found: list[list[float]] = [[] for _ in ranges]
    at_once = max(1, _COUNTS_AT_ONCE // (len(index.sets) * len(ranges)))
    for start in range(0, rounds, at_once):
        some = range(start, min(start + at_once, rounds))
        permutations = np.stack([permutation(len(maps), seed, number) for number in some])
        hits = count_permuted_hits(maps, ranges, index, permutations)
        for ious, of_range in zip(found, hits, strict=True):
            ious.extend(best_ious(np.ascontiguousarray(of_range)))
    return found


def check_null(run: Run) -> None:
    """Refuse a run whose search cannot be repeated on permuted images."""
    if run.about.split:
        raise UsageError(f"{run.name} was searched on one split: --null needs a run on all images.")
    objective = run.identity.search.objective
    if objective in SOFT:
        raise UsageError(
            f"{run.name} was searched by {objective}, of no range: --null needs a run by iou, "
            "f-beta:B or mcc."
        )


def chance_of_run(
    inputs: RunInputs,
    units: Sequence[int],
    rounds: int,
    seed: int,
    workers: int,
    progress: Progress,
    records: Mapping[int, Sequence[ExplanationRecord]] | None = None,
    cluster: DaskCluster | None = None,
) -> dict[tuple[int, int | None], AgainstNull]:
    """Compare explanations with the null, by ``(unit, cluster)``, with q-values over all."""
    check_null(inputs.run)
    every = null_study(inputs, rounds, seed).found(units, workers, progress, cluster)
    null = {(line.unit, line.cluster): line.null_ious for of_unit in every for line in of_unit}
    compared = {}
    for unit in units:
        for record in (records or inputs.run.units)[unit]:
            key = (unit, record.cluster)
            if record.range is not None and record.skipped is UNSET and key in null:
                compared[key] = against_null(record.iou, null[key])
    return adjusted(compared)


def null_study(inputs: RunInputs, rounds: int, seed: int) -> UnitStudy[NullRecord]:
    """Return what finds the null of the units of a run."""
    lines = KEPT_NULL.lines(inputs.kept, rounds=rounds, seed=seed)
    title = f"Null, {rounds:,} permutations"
    return UnitStudy(inputs, lines, title, _search_again, (rounds, seed))


def null_step(
    inputs: RunInputs, units: Sequence[int], rounds: int, seed: int, workers: int
) -> Step:
    """Say how many units have no null yet, and about how long theirs takes."""
    timed = min(rounds, _TIMED)
    some = replace(null_study(inputs, rounds, seed), settings=(timed, seed))
    return some.step("null", units, workers, timed / rounds)


def _search_again(inputs: RunInputs, rounds: int, seed: int) -> Measure[NullRecord]:
    """Return what searches a unit's ranges on permuted images."""
    index, activations = inputs.index, inputs.activations
    data = DataCounts(index)
    strategy = search_from_identity(inputs.run.search_identity, data.n_concepts)

    def work(unit: int, explained: Sequence[ExplanationRecord]) -> list[NullRecord]:
        ranges = [Range.from_json(each.range) for each in explained if each.range is not None]
        if not ranges:
            return []
        search = partial(best_ious, strategy, data)
        found = null_ious(activations.unit(unit), ranges, index, search, rounds, seed)
        return [
            NullRecord(unit=unit, cluster=cluster, num_ranges=len(found), null_ious=ious)
            for cluster, ious in enumerate(found)
        ]

    return work
