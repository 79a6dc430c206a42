"""The best formula, proven: the optimum over left chains.

For every length the best chain of at most that many concepts. Up to three concepts the branch and
bound is always finished, so the answer is proven; longer chains
(``ccx_cli.search.longer_chains``) are searched until proven or until a limit, and then carry a
bound.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.errors import UsageError
from ccx_cli.probe.soft_hits import SoftHits
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.branch_and_bound import Reached, all_reaching, best_of
from ccx_cli.search.chains import Scored, distinct, reordered
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.longer_chains import best_chains, chains_reaching
from ccx_cli.search.objectives import BY_IOU, Measure, Objective
from ccx_cli.search.space import PROVEN_LENGTH, SearchSpace, check_length, space_identity
from ccx_cli.search.strategy import Answer, Near, Proof

BEAM_LIMIT = 15
"""Width of the beam that chains of more than three concepts begin from."""


@dataclass(frozen=True, slots=True)
class OptimumSettings:
    """What to prove, and how long to try.

    Attributes
    ----------
    length
        Maximum number of concepts in a formula.
    node_limit
        Maximum number of chains to expand for each length above three.
    time_limit
        Maximum seconds for the lengths above three; ``None`` for no limit. With one, answers may
        differ between runs.
    length_penalty
        A chain of ``n`` concepts scores its IoU times ``length_penalty ** (n - 1)``, as
        Compositional Explanations offered; 1 for plain IoU.
    objective
        What to score by instead of IoU, as ``Objective.parse`` reads it. Up to three concepts only.
    min_coverage
        By ``mcc``, ``pearson`` and ``cosine`` formulas with a smaller share of the hits score 0.
    within
        Also find the other formulas whose score is at most this share below the best; ``None`` for
        none. Above three concepts the limits hold for this search as well.
    """

    length: int = 3
    node_limit: int = 100_000
    time_limit: float | None = None
    length_penalty: float = 1.0
    objective: str = "iou"
    min_coverage: float = 0.01
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
        if self.within is not None and not 0 <= self.within < 1:
            raise UsageError(f"`within` {self.within:g} must be 0 or more and below 1.")
        if not 0 <= self.min_coverage < 1:
            raise UsageError(f"`min_coverage` {self.min_coverage:g} must be 0 or more and below 1.")
        if self.scored_by != BY_IOU and self.length > PROVEN_LENGTH:
            raise UsageError(
                f"`objective` {self.objective} works up to `length` {PROVEN_LENGTH}: longer "
                "formulas are searched by iou only."
            )

    @property
    def scored_by(self) -> Objective:
        """The objective."""
        return Objective.parse(self.objective, self.min_coverage)


@dataclass(frozen=True, slots=True)
class Level:
    """The best chains of at most ``length`` concepts.

    Attributes
    ----------
    length
        The limit.
    best
        Distinct chains of the largest score, first the one to report: the shortest, then the one of
        lowest label numbers. Above three concepts only those that were found.
    score
        Theirs, without a length penalty.
    bound
        No chain of at most this length has a larger score than this.
    proven
        Whether that is the score of ``best``.
    more
        How many more equally good ones there were than could be kept.
    """

    length: int
    best: tuple[Scored, ...]
    score: float
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
        objective = settings.scored_by
        if objective != BY_IOU:
            identity["objective"] = str(objective)
        if objective.takes_coverage:
            identity["min_coverage"] = settings.min_coverage
        if settings.within is not None:
            identity["within"] = settings.within
        return identity

    @property
    def objective(self) -> Objective:
        """What it maximizes."""
        return self.settings.scored_by

    def answer(self, data: DataCounts, hits: PixelCounts | SoftHits) -> Answer:
        """Search one range until its best formula is proven, or a limit is reached."""
        counts = RangeCounts(data, hits, self.space)
        found = find_optimum(counts, self.settings)
        levels = tuple((level.best[0], level.proven) for level in found.levels)
        near, within = None, self.settings.within
        if within is not None and found.best is not None:
            objective = self.settings.scored_by
            best_score = objective.on(counts).score(found.best.both, found.best.total)
            threshold = best_score * (1 - within)
            bounds = [level.bound for level in found.levels]
            near = near_optima(counts, self.settings, threshold, bounds)
            best = found.best.signature
            near = replace(near, formulas=tuple(f for f in near.formulas if f.signature != best))
        shortest = found.levels[0].length if found.levels else 1
        scores = tuple(level.score for level in found.levels)
        if found.objective is None:
            scores = ()
        return Answer(found.best, levels, found.nodes, found, near, shortest, scores)


def find_optimum(counts: RangeCounts, settings: OptimumSettings) -> Optimum:
    """Find the left chain of largest score, with a proof; none that scores 0 or less."""
    objective = settings.scored_by
    measure = objective.on(counts)
    levels: list[Level] = []
    rounds, nodes = 0, 0
    started = time.monotonic()
    for length in range(1, settings.length + 1):
        shorter = levels[-1] if levels else None
        floor = None if shorter is None else shorter.best[0]
        if length > 2:
            width = BEAM_LIMIT if length > PROVEN_LENGTH else BeamSettings().beam_limit
            beam = beam_search(counts, BeamSettings(length, width)).best
            known = [formula for formula in (floor, beam) if formula is not None]
            floor = max(known, key=measure.exact, default=None)
        if length <= PROVEN_LENGTH:
            found = best_of(counts, length, floor, objective)
        else:
            assert floor is not None
            left = _seconds_left(settings, started)
            bounds = [level.bound for level in levels]
            found = best_chains(counts, length, floor, bounds, settings.node_limit, left)
        rounds += found.raised if length > 1 else 0
        nodes += found.nodes
        if shorter is not None or found.formulas:
            levels.append(_level(measure, length, shorter, found))
        elif objective == BY_IOU:
            break  # No concept meets the range, so no formula does.
    return _conclude(counts, measure, levels, settings.length_penalty, rounds, nodes)


def near_optima(
    counts: RangeCounts, settings: OptimumSettings, score: float, bounds: Sequence[float]
) -> Near:
    """Find all distinct chains that reach a score.

    Parameters
    ----------
    counts
        The range and what may explain it.
    settings
        Their length, and the limits for more than three concepts.
    score
        What to reach.
    bounds
        For 1, 2, ... concepts: no chain of at most so many has a larger score.
    """
    started = time.monotonic()
    reached = []
    for length in range(1, settings.length + 1):
        if length <= PROVEN_LENGTH:
            reached.append(all_reaching(counts, length, score, settings.scored_by))
        else:
            left = _seconds_left(settings, started)
            reached.append(
                chains_reaching(counts, length, score, bounds, settings.node_limit, left)
            )
    order = settings.scored_by.on(counts).order
    formulas = distinct((formula for found in reached for formula in found.formulas), order)
    return Near(
        tuple(formulas),
        sum(found.more for found in reached),
        all(found.bound < score for found in reached),
    )


def _seconds_left(settings: OptimumSettings, started: float) -> float | None:
    if settings.time_limit is None:
        return None
    return max(0.0, settings.time_limit - (time.monotonic() - started))


def _level(measure: Measure, length: int, shorter: Level | None, found: Reached) -> Level:
    """Add what was found at one length to the best of the shorter ones, or replace them."""
    if shorter is None or (
        found.formulas and measure.exact(found.formulas[0]) > measure.exact(shorter.best[0])
    ):
        best, more = found.formulas, found.more
    else:
        both = (*shorter.best, *found.formulas)
        best, more = tuple(distinct(both, measure.order)), shorter.more + found.more
    reached = measure.score(best[0].both, best[0].total)
    bound = max(found.bound, reached)
    return Level(length, best, reached, bound, bound <= reached, more)


def _conclude(
    counts: RangeCounts,
    measure: Measure,
    levels: list[Level],
    penalty: float,
    rounds: int,
    nodes: int,
) -> Optimum:
    """Choose the length that scores best, and write every best chain in its best order."""
    if not levels:
        return Optimum(
            score=0.0, bound=0.0, rounds=0, nodes=nodes, ties=(), more_ties=0, best=None, levels=()
        )
    ordered = [
        replace(level, best=(reordered(level.best[0], counts, measure.score), *level.best[1:]))
        for level in levels
    ]

    def score(formula: Scored) -> tuple[float, Fraction]:
        # Scores that round to the same number are told apart, unless a penalty rounds them anyway.
        exact = measure.exact(formula) if penalty == 1 else Fraction(0)
        rounded = measure.score(formula.both, formula.total)
        return rounded * penalty ** (len(formula.chain) - 1), exact

    best = max((level.best[0] for level in ordered), key=score)
    reached = score(best)
    equal = [level for level in levels if score(level.best[0]) == reached]
    others = distinct((formula for level in equal for formula in level.best), measure.order)
    # A level that is not proven leaves room only for formulas of exactly its length.
    left = [level.bound * penalty ** (level.length - 1) for level in levels if not level.proven]
    return Optimum(
        best=best,
        score=reached[0],
        bound=max([reached[0], *left]),
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
        objective=None if measure.objective == BY_IOU else str(measure.objective),
    )
