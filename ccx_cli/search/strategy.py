"""The searches a run can choose from, with one form of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.branch_and_bound import WALKED, Walk
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.optimum import OptimumSettings, find_optimum, near_optima
from ccx_cli.search.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search says of one range.

    Attributes
    ----------
    best
        The formula, or ``None`` if no concept meets the range.
    levels
        The best chain of at most 1, 2, ... concepts, and whether it is proven.
    visited
        Formulas whose exact IoU was computed one by one.
    proof
        What only a search that proves its answer knows.
    near
        Other formulas within the tolerance asked for, best first, and how many more there are.
    """

    best: Scored | None
    levels: tuple[tuple[Scored, bool], ...]
    visited: int
    proof: Proof | None = None
    near: tuple[tuple[Scored, ...], int] | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """How sure an optimum is.

    Attributes
    ----------
    score
        IoU times the length penalty.
    bound
        No formula that was asked for scores more.
    rounds
        How often a better formula raised the bar.
    nodes
        Triples counted and longer chains expanded.
    ties
        Distinct formulas (different pixels) that score the same, ``best`` first.
    more_ties
        How many more there were than could be kept.
    """

    score: float
    bound: float
    rounds: int
    nodes: int
    ties: tuple[Scored, ...]
    more_ties: int

    @property
    def proven(self) -> bool:
        """Whether nothing scores more."""
        return self.bound <= self.score


class Strategy(Protocol):
    """A way to search."""

    @property
    def name(self) -> str:
        """What results call it."""

    def identity(self) -> dict[str, Any]:
        """Everything that its answers depend on, as JSON."""

    def answer(self, data: DataCounts, hits: NDArray[np.int32]) -> Answer:
        """Search one range; ``hits`` is ``(n_sets,)`` int32, pixels in range by label set."""


@dataclass(frozen=True)
class BeamStrategy:
    """The published method."""

    settings: BeamSettings
    space: SearchSpace | None = None
    name: str = "beam"

    def identity(self) -> dict[str, Any]:
        """Name the settings."""
        return {
            "name": self.name,
            "length": self.settings.length,
            "beam_limit": self.settings.beam_limit,
            **_space_identity(self.space),
        }

    def answer(self, data: DataCounts, hits: NDArray[np.int32]) -> Answer:
        """Search one range with a beam."""
        walk = Walk.prepare(data, hits, self.space or SearchSpace.whole(data.n_concepts))
        found = beam_search(data, hits, self.settings, self.space, walk.pairs)
        levels = tuple((walk.written(best), False) for best in found.levels)
        return Answer(levels[-1][0] if found.best else None, levels, found.visited)


@dataclass(frozen=True)
class OptimalStrategy:
    """The certified optimum.

    Attributes
    ----------
    settings
        Length and limits.
    space
        Concepts and operators to use; ``None`` for all.
    within
        Also find the other formulas of at most three concepts whose IoU is at most this share
        below the best; ``None`` for none.
    """

    settings: OptimumSettings
    space: SearchSpace | None = None
    within: float | None = None
    name: str = "optimal"

    def identity(self) -> dict[str, Any]:
        """Name the settings."""
        settings = self.settings
        identity: dict[str, Any] = {
            "name": self.name,
            "length": settings.length,
            **_space_identity(self.space),
        }
        if settings.length > WALKED:
            identity |= {"node_limit": settings.node_limit, "time_limit": settings.time_limit}
        if settings.length_penalty != 1:
            identity["length_penalty"] = settings.length_penalty
        if self.within is not None:
            identity["within"] = self.within
        return identity

    def answer(self, data: DataCounts, hits: NDArray[np.int32]) -> Answer:
        """Search one range until its best formula is proven, or a limit is reached."""
        found = find_optimum(data, hits, self.settings, self.space)
        levels = tuple((level.best[0], level.proven) for level in found.levels)
        proof = Proof(
            found.score, found.bound, found.rounds, found.nodes, found.ties, found.more_ties
        )
        near = None
        if self.within is not None and found.best is not None:
            bar = found.best.iou * (1 - self.within)
            formulas, more = near_optima(data, hits, self.settings.length, bar, self.space)
            best = found.best.signature
            near = tuple(each for each in formulas if each.signature != best), more
        return Answer(found.best, levels, found.nodes, proof, near)


def strategy_from_identity(identity: Mapping[str, Any], n_concepts: int) -> Strategy:
    """Make the search whose ``identity()`` was stored.

    Parameters
    ----------
    identity
        As a run's header holds it under ``identity``, ``search``.
    n_concepts
        Concepts of the data set that is searched, the same as then.

    Raises
    ------
    UsageError
        If it names no search of this version, or one on other concepts.
    """
    try:
        space = None
        if "space" in identity:
            space = SearchSpace.from_identity(identity["space"], n_concepts)
        length = identity["length"]
        if identity["name"] == BeamStrategy.name:
            return BeamStrategy(BeamSettings(length, identity["beam_limit"]), space)
        if identity["name"] == OptimalStrategy.name:
            limits = {
                key: identity[key]
                for key in ("node_limit", "time_limit", "length_penalty")
                if key in identity
            }
            settings = OptimumSettings(length, **limits)
            return OptimalStrategy(settings, space, identity.get("within"))
        raise ValueError(f"the search {identity['name']}")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"How this run was searched cannot be told from its header ({error}): run `ccx "
            "explain` again with this version."
        ) from error


def _space_identity(space: SearchSpace | None) -> dict[str, Any]:
    return {} if space is None else {"space": space.identity()}
