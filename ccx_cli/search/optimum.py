"""The best formula, proven: the optimum over left chains.

For every length the best chain of at most that many concepts. Up to three concepts the branch and
bound is always finished, so the answer is proven; longer chains are searched best-first
(``ccx_cli.search.best_first``) until proven or until a limit, and then carry a bound.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.best_first import best_first_search
from ccx_cli.search.branch_and_bound import Reached, all_reaching, best_of
from ccx_cli.search.chains import Scored, distinct, reordered
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.space import PROVEN_LENGTH, SearchSpace, check_length, space_identity
from ccx_cli.search.strategy import Answer, Proof


@dataclass(frozen=True, slots=True)
class OptimumSettings:
    """What to prove, and how long to try.

    Attributes
    ----------
    length
        Maximum number of concepts in a formula.
    node_limit
        Maximum number of chains to expand for each length above three. A search of a large
        vocabulary stops earlier, after about 1 GB of chains.
    time_limit
        Maximum seconds for the lengths above three; ``None`` for no limit. With one, answers may
        differ between runs.
    length_penalty
        A chain of ``n`` concepts scores ``IoU * length_penalty ** (n - 1)``, as Compositional
        Explanations offered; 1 for plain IoU.
    within
        Also find the other formulas whose IoU is at most this share below the best; ``None`` for
        none. Up to three concepts only: the bounds for longer formulas are too weak to find all.
    """

    length: int = 3
    node_limit: int = 100_000
    time_limit: float | None = None
    length_penalty: float = 1.0
    within: float | None = None

    def __post_init__(self) -> None:
        check_length(self.length)
        if self.node_limit < 0:
            raise UsageError(f"`node_limit` {self.node_limit} must be 0 or more.")
        if self.time_limit is not None and not self.time_limit >= 0:
            raise UsageError(f"`time_limit` {self.time_limit:g} must be 0 or more.")
        if not 0 < self.length_penalty <= 1:
            raise UsageError(
                f"`length_penalty` {self.length_penalty:g} must be above 0 and at most 1."
            )
        if self.within is not None:
            if not 0 <= self.within < 1:
                raise UsageError(f"`within` {self.within:g} must be 0 or more and below 1.")
            if self.length > PROVEN_LENGTH:
                raise UsageError(
                    f"`within` works up to `length` {PROVEN_LENGTH}: the bounds for longer "
                    "formulas are too weak to find all."
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
class Optimum(Proof):
    """The best formula of a range, and how sure it is.

    Attributes
    ----------
    best
        The formula, or ``None`` if no concept meets the range.
    levels
        The best at every length from 1 up.
    """

    best: Scored | None
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class OptimalStrategy:
    """The proven optimum.

    Attributes
    ----------
    settings
        Length, limits and tolerance.
    space
        Concepts and operators to use; ``None`` for all.
    """

    settings: OptimumSettings
    space: SearchSpace | None = None
    name: ClassVar[str] = "optimal"
    settings_type: ClassVar[type[OptimumSettings]] = OptimumSettings
    proves: ClassVar[bool] = True

    def identity(self) -> dict[str, Any]:
        """Name the settings that answers depend on."""
        settings = self.settings
        identity: dict[str, Any] = {
            "name": self.name,
            "length": settings.length,
            **space_identity(self.space),
        }
        if settings.length > PROVEN_LENGTH:
            identity |= {"node_limit": settings.node_limit, "time_limit": settings.time_limit}
        if settings.length_penalty != 1:
            identity["length_penalty"] = settings.length_penalty
        if settings.within is not None:
            identity["within"] = settings.within
        return identity

    def answer(self, data: DataCounts, hits: NDArray[np.int32]) -> Answer:
        """Search one range until its best formula is proven, or a limit is reached."""
        counts = RangeCounts(data, hits, self.space)
        found = find_optimum(counts, self.settings)
        levels = tuple((level.best[0], level.proven) for level in found.levels)
        near, within = None, self.settings.within
        if within is not None and found.best is not None:
            threshold = found.best.iou * (1 - within)
            formulas, more = near_optima(counts, self.settings.length, threshold)
            best = found.best.signature
            near = tuple(each for each in formulas if each.signature != best), more
        return Answer(found.best, levels, found.nodes, found, near)


def find_optimum(counts: RangeCounts, settings: OptimumSettings) -> Optimum:
    """Find the left chain of largest IoU, with a proof."""
    first = best_of(counts, 1, None)
    if not first.formulas:
        return Optimum(
            score=0.0,
            bound=0.0,
            rounds=0,
            nodes=0,
            ties=(),
            more_ties=0,
            best=None,
            levels=(),
        )
    levels = [Level(1, first.formulas, first.formulas[0].iou, True, first.more)]
    rounds, nodes = 0, 0
    started = time.monotonic()
    for length in range(2, settings.length + 1):
        shorter = levels[-1]
        floor = shorter.best[0]
        if length > 2:
            beam = beam_search(counts, BeamSettings(length)).best
            floor = beam if beam is not None and beam.beats(floor, counts.in_range) else floor
        if length <= PROVEN_LENGTH:
            found = best_of(counts, length, floor)
            bound = None
            rounds += found.raised
        else:
            left = settings.time_limit
            if left is not None:
                left = max(0.0, left - (time.monotonic() - started))
            longer = best_first_search(counts, length, floor.iou, settings.node_limit, left)
            found = Reached(tuple(distinct([floor, *longer.found])), 0, 0, longer.nodes)
            bound = longer.bound
        nodes += found.nodes
        levels.append(_level(counts, length, shorter, found, bound))
    return _conclude(counts, levels, settings.length_penalty, rounds, nodes)


def near_optima(counts: RangeCounts, length: int, iou: float) -> tuple[tuple[Scored, ...], int]:
    """Find all distinct chains of at most ``length`` concepts, three at most, that reach ``iou``.

    Returns
    -------
    formulas
        By descending IoU; of those that are the same on this data the shortest.
    more
        How many there were beyond what can be kept.
    """
    lengths = range(1, min(length, PROVEN_LENGTH) + 1)
    reached = [all_reaching(counts, each, iou) for each in lengths]
    formulas = distinct(formula for found in reached for formula in found.formulas)
    return tuple(formulas), sum(found.more for found in reached)


def _level(
    counts: RangeCounts, length: int, shorter: Level, found: Reached, bound: float | None
) -> Level:
    """Add what was found at one length to the best of the shorter ones, or replace them."""
    if found.formulas and found.formulas[0].beats(shorter.best[0], counts.in_range):
        best, more = found.formulas, found.more
    else:
        best, more = tuple(distinct([*shorter.best, *found.formulas])), shorter.more + found.more
    reached = best[0].iou
    bound = reached if bound is None else max(bound, reached)
    return Level(length, best, bound, bound <= reached, more)


def _conclude(
    counts: RangeCounts, levels: list[Level], penalty: float, rounds: int, nodes: int
) -> Optimum:
    """Choose the length that scores best, and write every best chain in its best order."""
    ordered = [
        replace(level, best=(reordered(level.best[0], counts), *level.best[1:])) for level in levels
    ]

    def score(formula: Scored) -> float:
        return formula.iou * penalty ** (len(formula.chain) - 1)

    best = max((level.best[0] for level in ordered), key=score)
    reached = score(best)
    equal = [level for level in levels if score(level.best[0]) == reached]
    others = distinct(formula for level in equal for formula in level.best)
    # A level that is not proven leaves room only for formulas of exactly its length.
    left = [level.bound * penalty ** (level.length - 1) for level in levels if not level.proven]
    return Optimum(
        best=best,
        score=reached,
        bound=max([reached, *left]),
        levels=tuple(ordered),
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
