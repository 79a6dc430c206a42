"""The null of a run: is a score more than chance? The best formulas of other images' maps.

In every round the images of all units' maps are permuted among themselves, the same way for every
unit, and the best formula is searched again with the same ranges. So the null counts the search:
the best of what chance offers against the best that was found. P-values are those of a permutation
test with the observed value counted among them (Phipson and Smyth, Statistical Applications in
Genetics and Molecular Biology 9/1, 2010), so never below ``1 / (rounds + 1)``; q-values control
the false discovery rate over a run (Benjamini and Hochberg, Journal of the Royal Statistical
Society B 57/1, 1995).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from msgspec import UNSET
from msgspec.structs import replace
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.probe.permuted_hits import count_permuted_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import SOFT, ExplanationRecord
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.metrics import AgainstNull, NullRecord
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.search.best_ious import best_ious
from ccx_cli.search.counts import count_data
from ccx_cli.search.registry import search_from_identity
from ccx_cli.store.steps import Step
from ccx_cli.study.measuring import kept_lines, kept_or_found
from ccx_cli.study.resampling import false_discovery_rates
from ccx_cli.threads import map_in_order

BestIous = Callable[[NDArray[np.int32]], list[float]]

_COUNTS_AT_ONCE = 1 << 25
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
            ious.extend(best_ious(of_range))
    return found


def against_null(observed: float, null: Sequence[float]) -> AgainstNull:
    """Compare an IoU with the best ones under the null, of which there is at least one."""
    ious = np.array(null)
    return AgainstNull(
        null_mean=float(ious.mean()),
        null_percentile_95=float(np.quantile(ious, 0.95)),
        p_value=(1 + int((ious >= observed).sum())) / (1 + len(ious)),
    )


def chance_of_run(
    inputs: RunInputs,
    units: Sequence[int],
    rounds: int,
    seed: int,
    workers: int,
    progress: Progress,
    records: Mapping[int, Sequence[ExplanationRecord]] | None = None,
) -> dict[tuple[int, int | None], AgainstNull]:
    """Compare explanations with the null, by ``(unit, cluster)``, with q-values over all."""
    if inputs.run.about.split:
        raise UsageError(
            f"{inputs.run.name} was searched on one split: --null needs a run on all images."
        )
    objective = inputs.run.identity.search.objective
    if objective in SOFT:
        raise UsageError(
            f"{inputs.run.name} was searched by {objective}, of no range: --null needs a run by "
            "iou, f-beta:B or mcc."
        )

    def find(missing: Sequence[int]) -> Iterator[list[NullRecord]]:
        every = map_in_order(_search_again(inputs, rounds, seed), missing, workers)
        for unit, found in zip(missing, every, strict=True):
            yield [
                NullRecord(unit=unit, cluster=cluster, num_ranges=len(found), null_ious=ious)
                for cluster, ious in enumerate(found)
            ]

    lines, title = null_lines(inputs, rounds, seed), f"Null, {rounds:,} permutations"
    every = kept_or_found(inputs, lines, units, find, title, progress)
    null = {(line.unit, line.cluster): line.null_ious for of_unit in every for line in of_unit}
    compared = {}
    for unit in units:
        for record in (records or inputs.run.units)[unit]:
            key = (unit, record.cluster)
            if record.range is not None and record.skipped is UNSET and key in null:
                compared[key] = against_null(record.iou, null[key])
    return _adjusted(compared)


def kept_against_null(
    run: Run, records: Iterable[ExplanationRecord]
) -> dict[tuple[int, int | None], AgainstNull]:
    """Compare explanations with the null that was kept of most ranges, as far as there is one."""
    null: dict[tuple[int, int | None], list[float]] = {}
    for path in sorted(run.directory.glob("null-*.jsonl")):
        lines = RecordLines(path, NullRecord).read()
        kept = {(line.unit, line.cluster): line.null_ious for line in lines}
        null = max(null, kept, key=len)
    return _adjusted(
        {
            (record.unit, record.cluster): against_null(record.iou, ious)
            for record in records
            if record.skipped is UNSET and (ious := null.get((record.unit, record.cluster)))
        }
    )


def _adjusted(
    compared: Mapping[tuple[int, int | None], AgainstNull],
) -> dict[tuple[int, int | None], AgainstNull]:
    adjusted = false_discovery_rates([float(one.p_value or 0) for one in compared.values()])
    return {
        key: replace(one, q_value=q_value)
        for (key, one), q_value in zip(compared.items(), adjusted, strict=True)
    }


def null_lines(inputs: RunInputs, rounds: int, seed: int) -> RecordLines[NullRecord]:
    """Name the file that keeps the null of a run."""
    return kept_lines(inputs, "null", {"rounds": rounds, "seed": seed}, NullRecord)


def null_step(
    inputs: RunInputs, units: Sequence[int], rounds: int, seed: int, workers: int
) -> Step:
    """Say how many units have no null yet, and about how long theirs takes."""
    lines = null_lines(inputs, rounds, seed)
    step = lines.step("null", units)
    if not step.missing:
        return step
    known = lines.finished()
    unit = next(unit for unit in units if unit not in known)
    timed = min(rounds, _TIMED)
    search = _search_again(inputs, timed, seed)
    return step.timed(lambda: search(unit), timed / rounds, workers)


def _search_again(inputs: RunInputs, rounds: int, seed: int) -> Callable[[int], list[list[float]]]:
    """Return what searches a unit's ranges on permuted images."""
    index, activations = inputs.index, inputs.activations
    data = count_data(index)
    strategy = search_from_identity(inputs.run.search_identity, data.n_concepts)

    def work(unit: int) -> list[list[float]]:
        ranges = inputs.ranges_of(unit)
        if not ranges:
            return []
        maps = activations.unit(unit)
        return null_ious(maps, ranges, index, partial(best_ious, strategy, data), rounds, seed)

    return work
