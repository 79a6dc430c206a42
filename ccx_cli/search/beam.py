"""Beam search for the formula of largest IoU, exact at every step.

The search of Compositional Explanations (Mu and Andreas, NeurIPS 2020, section 2) and of Clustered
Compositional Explanations (La Rosa et al., NeurIPS 2023): where the published programs visit
candidates one mask at a time, here all extensions of a formula come from one pass over its label
sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.errors import UsageError
from ccx_cli.probe.soft_hits import SoftHits
from ccx_cli.search.chains import (
    Chain,
    Extensions,
    Scored,
    distinct,
    extensions,
    reordered,
    rows_of_beam,
)
from ccx_cli.search.counts import Counts, DataCounts, RangeCounts
from ccx_cli.search.objectives import BY_IOU, Objective
from ccx_cli.search.space import SearchSpace, check_length, space_identity
from ccx_cli.search.strategy import Answer


@dataclass(frozen=True, slots=True)
class BeamSettings:
    """How wide and how deep to search.

    Attributes
    ----------
    length
        Maximum number of concepts in a formula.
    beam_limit
        Formulas that go on after each step; twice as many single concepts start.
    """

    length: int = 3
    beam_limit: int = 5

    def __post_init__(self) -> None:
        check_length(self.length)
        if self.beam_limit < 1:
            raise UsageError(f"`beam_limit` {self.beam_limit} must be 1 or more.")


@dataclass(frozen=True, slots=True)
class BeamResult:
    """What a beam search found.

    Attributes
    ----------
    best
        The formula, or ``None`` if no concept meets the range.
    visited
        Formulas whose exact IoU was computed.
    levels
        The best after each step, so of at most 1, 2, ... concepts.
    """

    best: Scored | None
    visited: int
    levels: tuple[Scored, ...] = ()


def beam_search(counts: RangeCounts, settings: BeamSettings) -> BeamResult:
    """Find a formula of large IoU.

    Formulas that hold on the same label sets count once. Ties break to the shorter formula, then
    to lower label numbers, then in the order of ``Operator``.
    """
    if counts.in_range == 0 or counts.data.n_concepts == 0:
        return BeamResult(None, 0)
    starts = Extensions.of_singles(counts)
    _exclude(starts, counts.space)
    visited = len(counts.space.concepts)
    beam = _best([], [starts], 1 if settings.length == 1 else 2 * settings.beam_limit)
    levels = beam[:1]
    rows: dict[Chain, Counts] = {}
    for length in range(2, settings.length + 1):
        rows = rows_of_beam(beam, rows, counts)
        candidates = []
        for member in beam:
            if len(member.chain) == length - 1:
                candidates += extensions(member, rows[member.chain], counts)
        for extended in candidates:
            _exclude(extended, counts.space)
        visited += sum(int((extended.iou >= 0).sum()) for extended in candidates)
        beam = _best(beam, candidates, 1 if length == settings.length else settings.beam_limit)
        levels += beam[:1]
    return BeamResult(beam[0] if beam else None, visited, tuple(levels))


@dataclass(frozen=True)
class BeamStrategy:
    """The published method, its formulas in the order whose prefixes score best."""

    settings: BeamSettings
    space: SearchSpace | None = None
    name: ClassVar[str] = "beam"
    settings_type: ClassVar[type[BeamSettings]] = BeamSettings
    proves: ClassVar[bool] = False
    objective: ClassVar[Objective] = BY_IOU

    def identity(self) -> dict[str, Any]:
        """Name the settings."""
        return {
            "name": self.name,
            "length": self.settings.length,
            "beam_limit": self.settings.beam_limit,
            **space_identity(self.space),
        }

    def answer(self, data: DataCounts, hits: PixelCounts | SoftHits) -> Answer:
        """Search one range with a beam."""
        counts = RangeCounts(data, hits, self.space)
        found = beam_search(counts, self.settings)
        levels = tuple((reordered(best, counts), False) for best in found.levels)
        return Answer(levels[-1][0] if found.best else None, levels, found.visited)


def _exclude(extended: Extensions, space: SearchSpace) -> None:
    """Give an IoU of -1 to the concepts that are not in the space, or in the chain already."""
    extended.iou[~space.mask] = -1.0
    if extended.parent is not None:
        extended.iou[list(extended.parent.concepts)] = -1.0


def _best(old: list[Scored], candidates: list[Extensions], count: int) -> list[Scored]:
    """Return the ``count`` best distinct formulas of IoU above 0, best first."""
    scores = [extended.iou for extended in candidates]
    flat = np.concatenate(scores) if scores else np.zeros(0)
    taken = 4 * count
    while True:
        threshold = np.partition(flat, -taken)[-taken] if taken < len(flat) else 0.0
        chosen = list(old)
        for extended in candidates:
            concepts = np.flatnonzero((extended.iou >= threshold) & (extended.iou > 0))
            chosen += [extended.scored(int(concept)) for concept in concepts]
        best = distinct(chosen)[:count]
        complete = len(best) == count and best[-1].iou >= threshold
        if complete or taken >= len(flat) or threshold <= 0:
            return best
        taken *= 8
