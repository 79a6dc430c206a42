"""The published search: candidates one by one in the order of their estimates, until none can help.

Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 3.2). Kept for comparing
heuristics: on label sets the exact IoU of all candidates costs less than their estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.formulas.formula import Operator
from ccx_cli.published.heuristics import Heuristic, Side, estimate_extensions, range_by_image
from ccx_cli.published.shapes import Shapes, measure_mask
from ccx_cli.search.beam import BeamResult, BeamSettings
from ccx_cli.search.chains import (
    Chain,
    Extensions,
    Scored,
    distinct,
    extensions,
    rows_of_beam,
    sets_in,
)
from ccx_cli.search.counts import Counts, DataCounts, RangeCounts
from ccx_cli.search.strategy import Answer

Estimator = Callable[[Chain], NDArray[np.float64]]
"""Estimates all extensions of a chain, ``(3, n_concepts)`` in the order of ``Operator``."""


def heuristic_search(
    counts: RangeCounts, settings: BeamSettings, estimator: Estimator
) -> BeamResult:
    """Search with a beam that visits candidates in the order of their estimates.

    The beam of a step starts with the best of the step before and is full at ``beam_limit``
    formulas, or at one in the last step. Its candidates, ordered by estimate, are visited until it
    is full and the next estimate is below its worst IoU. If no estimate is ever below the IoU, that
    is the answer of ``beam_search``. ``visited`` counts the formulas of two concepts and more whose
    exact IoU was asked for.
    """
    if counts.in_range == 0 or counts.data.n_concepts == 0:
        return BeamResult(None, 0)
    starts = Extensions.of_singles(counts)
    beam = distinct(starts.scored(int(concept)) for concept in np.flatnonzero(counts.singles.hits))
    beam = beam[: 1 if settings.length == 1 else 2 * settings.beam_limit]
    levels = beam[:1]
    rows: dict[Chain, Counts] = {}
    visited = 0
    for length in range(2, settings.length + 1):
        rows = rows_of_beam(beam, rows, counts)
        parents = [member for member in beam if len(member.chain) == length - 1]
        candidates = [extensions(member, rows[member.chain], counts) for member in parents]
        estimates = [estimator(member.chain) for member in parents]
        capacity = 1 if length == settings.length else settings.beam_limit
        beam, seen = _visit(beam, parents, candidates, estimates, capacity)
        visited += seen
        levels += beam[:1]
    return BeamResult(beam[0] if beam else None, visited, tuple(levels))


def _visit(
    old: list[Scored],
    parents: Sequence[Scored],
    candidates: Sequence[list[Extensions]],
    estimates: Sequence[NDArray[np.float64]],
    capacity: int,
) -> tuple[list[Scored], int]:
    """Visit candidates until the beam is full and no estimate reaches its worst; count them."""
    beam = old[:capacity]
    visited = 0
    for estimate, iou, position, operator, concept in _ordered(parents, candidates, estimates):
        full = len(beam) == capacity
        if full and estimate < beam[-1].iou:
            break
        visited += 1
        if iou > 0 and not (full and iou < beam[-1].iou):
            scored = candidates[position][operator].scored(concept)
            beam = distinct([*beam, scored])[:capacity]
    return beam, visited


def _ordered(
    parents: Sequence[Scored],
    candidates: Sequence[list[Extensions]],
    estimates: Sequence[NDArray[np.float64]],
) -> Iterator[tuple[float, float, int, int, int]]:
    """Yield (estimate, IoU, parent's position, operator, concept), the largest estimate first."""
    if not parents:
        return
    wanted = _wanted([parent.chain for parent in parents], estimates[0].shape)
    positions, operators, concepts = np.nonzero(wanted)
    estimated = np.stack(estimates)[wanted]
    iou = np.stack([[each.iou for each in extended] for extended in candidates])[wanted]
    order = np.argsort(-estimated, kind="stable")
    for columns in np.array_split(order, max(1, len(order) // 1000)):
        yield from zip(
            estimated[columns].tolist(),
            iou[columns].tolist(),
            positions[columns].tolist(),
            operators[columns].tolist(),
            concepts[columns].tolist(),
            strict=True,
        )


def _wanted(parents: Sequence[Chain], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the candidates, ``(n_parents, 3, n_concepts)``: each pair of concepts only once."""
    wanted = np.ones((len(parents), *shape), dtype=np.bool_)
    for position, chain in enumerate(parents):
        wanted[position][:, list(chain.concepts)] = False
        if len(chain) == 1:
            before = [parent.concepts[0] for parent in parents[:position]]
            wanted[position, Operator.OR, before] = False
            wanted[position, Operator.AND, before] = False
    return wanted


@dataclass(frozen=True)
class HeuristicStrategy:
    """The published search with one heuristic, for comparisons.

    Unlike a ``Strategy`` it needs the pixels in range by image. Only ``none`` does without shapes.
    """

    heuristic: Heuristic
    settings: BeamSettings
    index: ConceptIndex
    shapes: Shapes | None

    def answer(self, data: DataCounts, hits: PixelCounts, per_local: NDArray[np.int32]) -> Answer:
        """Search one range.

        Its pixels are ``hits``, ``(n_sets,)`` by label set, and ``per_local``, ``(n_local,)``
        int32 by row of the images' tables.
        """
        counts = RangeCounts(data, hits)
        found = heuristic_search(counts, self.settings, self._estimator(data, per_local))
        return Answer(found.best, tuple((best, False) for best in found.levels), found.visited)

    def _estimator(self, data: DataCounts, per_local: NDArray[np.int32]) -> Estimator:
        index, shapes = self.index, self.shapes
        if self.heuristic is Heuristic.NONE:
            return lambda _: np.full((len(Operator), data.n_concepts), np.inf)
        if shapes is None:
            raise ValueError(f"{self.heuristic} needs the shapes of concepts")
        by_image = range_by_image(index, shapes, per_local)

        def estimates(chain: Chain) -> NDArray[np.float64]:
            holds = sets_in(chain, data)
            if len(chain) == 1:
                measured = shapes.of(chain.concepts[0])
            else:
                solid = self.heuristic is Heuristic.MMESH
                measured = measure_mask(index, shapes, holds, rectangles=solid)
            in_range = index.per_image(np.where(holds[index.local_sets], per_local, 0))
            side = Side(measured, in_range.astype(np.int32))
            return estimate_extensions(self.heuristic, side, shapes, by_image, index.maps.shape[1])

        return estimates
