"""The best formula, proven: the certified optimum over left chains.

For every length the best chain of at most that many concepts. Up to three concepts the branch and
bound is always finished, so the answer is proven; longer chains are searched best-first
 (``ccx_cli.search.best_first``) until proven or until a limit, and then carry a bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.best_first import search_longer
from ccx_cli.search.branch_and_bound import WALKED, Reached, Walk
from ccx_cli.search.chains import Scored, distinct
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.space import SearchSpace, check_length


@dataclass(frozen=True, slots=True)
class OptimumSettings:
    """What to prove, and how long to try.

    Attributes
    ----------
    length
        Most concepts in a formula.
    node_limit
        Chains expanded at most for each length above three.
    time_limit
        Seconds at most for the lengths above three; ``None`` for no limit. With one, answers may
        differ between runs.
    length_penalty
        A chain of ``n`` concepts scores ``IoU * length_penalty ** (n - 1)``, as Compositional
        Explanations offered; 1 for plain IoU.
    """

    length: int = 3
    node_limit: int = 1000
    time_limit: float | None = None
    length_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_length(self.length)
        if self.node_limit < 0:
            raise UsageError(f"--node-limit {self.node_limit} has to be 0 or more.")
        if self.time_limit is not None and not self.time_limit >= 0:
            raise UsageError(f"--time-limit {self.time_limit:g} has to be 0 or more.")
        if not 0 < self.length_penalty <= 1:
            raise UsageError(
                f"--length-penalty {self.length_penalty:g} has to lie above 0 and be at most 1."
            )


@dataclass(frozen=True, slots=True)
class Level:
    """The best chains of at most ``length`` concepts.

    Attributes
    ----------
    length
        The limit.
    best
        Distinct chains of the largest IoU, first the one to report: the shortest, then the one of
        lowest label numbers. Above three concepts only those that were found.
    bound
        No chain of at most this length has a larger IoU than this.
    proven
        Whether that is the IoU of ``best``.
    more
        How many more equally good ones there were than could be kept.
    """

    length: int
    best: tuple[Scored, ...]
    bound: float
    proven: bool
    more: int


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best formula of a range.

    Attributes
    ----------
    best
        The formula, or ``None`` if no concept meets the range.
    score
        Its IoU times the length penalty.
    bound
        No formula that was asked for scores more.
    levels
        The best at every length from 1 up.
    ties
        Distinct formulas (different pixels) that score the same, ``best`` first.
    more_ties
        How many more there were than could be kept.
    rounds
        How often a better formula raised the bar.
    nodes
        Triples counted and longer chains expanded.
    """

    best: Scored | None
    score: float
    bound: float
    levels: tuple[Level, ...]
    ties: tuple[Scored, ...]
    more_ties: int
    rounds: int
    nodes: int

    @property
    def proven(self) -> bool:
        """Whether no formula that was asked for scores more than ``best``."""
        return self.bound <= self.score


def find_optimum(
    data: DataCounts,
    hits: NDArray[np.int32],
    settings: OptimumSettings,
    space: SearchSpace | None = None,
) -> Optimum:
    """Find the left chain of largest IoU, with a proof.

    Parameters
    ----------
    data
        The data set's counts.
    hits
        ``(n_sets,)`` int32, pixels in range by label set.
    settings
        Length and limits.
    space
        Concepts and operators to use; all by default.

    Returns
    -------
    Optimum
    """
    space = space or SearchSpace.whole(data.n_concepts)
    walk = Walk.prepare(data, hits, space)
    first = walk.best_of(1, None)
    if not first.formulas:
        return Optimum(None, 0.0, 0.0, (), (), 0, 0, 0)
    top = first.formulas[0]
    levels = [Level(1, first.formulas, top.iou, True, first.more)]
    rounds, nodes = 0, 0
    started = time.monotonic()
    for length in range(2, settings.length + 1):
        shorter = levels[-1]
        floor = shorter.best[0]
        if length > 2:
            wide = beam_search(data, hits, BeamSettings(length), space, walk.pairs).best
            floor = wide if wide is not None and walk.beats(wide, floor) else floor
        if length <= WALKED:
            found = walk.best_of(length, floor)
            bound = None
            rounds += found.raised
        else:
            left = settings.time_limit
            if left is not None:
                left = max(0.0, left - (time.monotonic() - started))
            longer = search_longer(data, hits, space, length, floor.iou, settings.node_limit, left)
            found = Reached(tuple(distinct([floor, *longer.found])), 0, 0, longer.nodes)
            bound = longer.bound
        nodes += found.nodes
        levels.append(_level(walk, length, shorter, found, bound))
    return _conclude(walk, levels, settings.length_penalty, rounds, nodes)


def near_optima(
    data: DataCounts,
    hits: NDArray[np.int32],
    length: int,
    iou: float,
    space: SearchSpace | None = None,
) -> tuple[tuple[Scored, ...], int]:
    """Find all distinct chains of at most ``length`` concepts, three at most, that reach ``iou``.

    Returns
    -------
    formulas
        By descending IoU; of those that are the same on this data the shortest.
    more
        How many there were beyond what can be kept.
    """
    walk = Walk.prepare(data, hits, space or SearchSpace.whole(data.n_concepts))
    reached = [walk.reaching(n, iou) for n in range(1, min(length, WALKED) + 1)]
    formulas = distinct(formula for found in reached for formula in found.formulas)
    return tuple(formulas), sum(found.more for found in reached)


def _level(walk: Walk, length: int, shorter: Level, found: Reached, bound: float | None) -> Level:
    """Add what was found at one length to the best of the shorter ones, or replace them."""
    if found.formulas and walk.beats(found.formulas[0], shorter.best[0]):
        best, more = found.formulas, found.more
    else:
        best, more = tuple(distinct([*shorter.best, *found.formulas])), shorter.more + found.more
    reached = best[0].iou
    bound = reached if bound is None else max(bound, reached)
    return Level(length, best, bound, bound <= reached, more)


def _conclude(walk: Walk, levels: list[Level], penalty: float, rounds: int, nodes: int) -> Optimum:
    """Choose the length that scores best, and write every best chain in its best order."""
    written = [
        replace(level, best=(walk.written(level.best[0]), *level.best[1:])) for level in levels
    ]

    def score(formula: Scored) -> float:
        return formula.iou * penalty ** (len(formula.chain) - 1)

    best = max((level.best[0] for level in written), key=score)
    reached = score(best)
    equal = [level for level in levels if score(level.best[0]) == reached]
    others = distinct(formula for level in equal for formula in level.best)
    # A level that is not proven leaves room only for formulas of exactly its length.
    left = [level.bound * penalty ** (level.length - 1) for level in levels if not level.proven]
    return Optimum(
        best=best,
        score=reached,
        bound=max([reached, *left]),
        levels=tuple(written),
        ties=(
            best,
            *(
                formula
                for formula in others
                if score(formula) == reached and formula.signature != best.signature
            ),
        ),
        more_ties=equal[-1].more,
        rounds=rounds,
        nodes=nodes,
    )
