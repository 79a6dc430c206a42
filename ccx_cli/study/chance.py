"""Is a score more than chance? The best explanation of maps that belong to other images.

For every round the images of all units' maps are permuted among themselves, the same way for every
unit, and the best formula is searched again with the same ranges. So the null counts the search:
the best of what chance offers against the best that was found. P-values are those of a permutation
test with the observed value counted among them (Phipson and Smyth, Statistical Applications in
Genetics and Molecular Biology 9/1, 2010), so never below ``1 / (rounds + 1)``; q-values control
the false discovery rate over a run (Benjamini and Hochberg, Journal of the Royal Statistical
Society B 57/1, 1995).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.search.counts import DataCounts
from ccx_cli.threads import threads

BestIou = Callable[[DataCounts, NDArray[np.int32]], float]


@dataclass(frozen=True, slots=True)
class Chance:
    """What chance reaches, beside what was found.

    Attributes
    ----------
    mean, percentile_95
        Of the best IoUs of the rounds.
    p_value
        Share of rounds, the observed one among them, whose best IoU is at least the observed.
    """

    mean: float
    percentile_95: float
    p_value: float


def permutation(n_images: int, seed: int, round_number: int) -> NDArray[np.int64]:
    """Return a round's permutation of the images, the same for every unit."""
    return np.random.default_rng([seed, round_number]).permutation(n_images)


def null_ious(
    maps: NDArray[np.float32],
    ranges: Sequence[Range],
    index: ConceptIndex,
    data: DataCounts,
    best_iou: BestIou,
    rounds: int,
    seed: int,
) -> list[list[float]]:
    """Best IoU of every round, for every range of one unit.

    Parameters
    ----------
    maps
        ``(n_images, height, width)`` float32, the unit's activations.
    ranges
        Its ranges.
    index, data
        The data set.
    best_iou
        Searches one range's hits by label set.
    rounds, seed
        How many permutations, and which.

    Returns
    -------
    A list of ``rounds`` IoUs for each range.
    """
    found: list[list[float]] = [[] for _ in ranges]
    for number in range(rounds):
        permuted = maps[permutation(len(maps), seed, number)]
        hits = count_hits(permuted, ranges, index)
        for ious, per_set in zip(found, hits.per_set, strict=True):
            ious.append(best_iou(data, per_set))
    return found


def against_chance(observed: float, null: Sequence[float]) -> Chance:
    """Compare an IoU with the best ones of the null rounds, of which there is at least one."""
    ious = np.array(null)
    return Chance(
        float(ious.mean()),
        float(np.quantile(ious, 0.95)),
        (1 + int((ious >= observed).sum())) / (1 + len(ious)),
    )


def false_discovery_rates(p_values: Sequence[float]) -> list[float]:
    """Benjamini-Hochberg adjusted values, in the order of ``p_values``."""
    p = np.array(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.minimum.accumulate(adjusted[::-1])[::-1]
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1)
    return [float(value) for value in result]


def null_of_units(
    units: Sequence[int],
    read_maps: Callable[[int], NDArray[np.float32]],
    ranges_of: Callable[[int], Sequence[Range]],
    index: ConceptIndex,
    data: DataCounts,
    best_iou: BestIou,
    rounds: int,
    seed: int,
    workers: int,
) -> Iterator[tuple[int, list[list[float]]]]:
    """Run ``null_ious`` for many units side by side in threads; in order."""

    def work(unit: int) -> tuple[int, list[list[float]]]:
        ranges = ranges_of(unit)
        if not ranges:
            return unit, []
        return unit, null_ious(read_maps(unit), ranges, index, data, best_iou, rounds, seed)

    with threads(workers) as pool:
        for start in range(0, len(units), 2 * workers):
            yield from pool.map(work, units[start : start + 2 * workers])
