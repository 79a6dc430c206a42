"""What every search has in common: how it is asked, and the form of its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.soft_hits import SoftHits
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.objectives import Objective
from ccx_cli.search.space import SearchSpace

LISTING = ("ties", "within")
"""Parameters that list other formulas beside the best, and do not change which that is."""


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
        Other formulas within the tolerance asked for.
    shortest
        Concepts of the first of ``levels``: with fewer, no formula scores above 0.
    level_scores
        What each of ``levels`` scores; empty where that is its IoU.
    """

    best: Scored | None
    levels: tuple[tuple[Scored, bool], ...]
    visited: int
    proof: Proof | None = None
    near: Near | None = None
    shortest: int = 1
    level_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Near:
    """Formulas that come close to the best.

    Attributes
    ----------
    formulas
        Distinct ones, by descending score; of those that are the same on this data the shortest.
    more
        How many there were beyond what can be kept.
    complete
        Whether there are no others: the search was not ended by a limit.
    """

    formulas: tuple[Scored, ...]
    more: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """How sure an optimum is.

    Attributes
    ----------
    score
        What was maximized, IoU by default, times the length penalty.
    bound
        No formula that was asked for scores more.
    rounds
        How often a better formula raised the threshold.
    nodes
        Triples counted and longer chains expanded.
    ties
        Distinct formulas (different pixels) that score the same, ``best`` first.
    more_ties
        How many more there were than could be kept.
    objective
        What was maximized; ``None`` for IoU.
    """

    score: float
    bound: float
    rounds: int
    nodes: int
    ties: tuple[Scored, ...]
    more_ties: int
    objective: str | None = field(default=None, kw_only=True)

    @property
    def proven(self) -> bool:
        """Whether nothing scores more."""
        return self.bound <= self.score


class Strategy(Protocol):
    """A way to search.

    Attributes
    ----------
    name
        What results and options call it.
    settings_type
        The dataclass of its settings: its fields are the parameters that the search takes.
    proves
        Whether its answers carry a ``Proof``.
    space
        Concepts and operators to use; ``None`` for all.
    """

    name: ClassVar[str]
    settings_type: ClassVar[type[Any]]
    proves: ClassVar[bool]

    @property
    def objective(self) -> Objective:
        """What it maximizes."""

    def __init__(self, settings: Any, space: SearchSpace | None = None) -> None: ...

    def identity(self) -> dict[str, Any]:
        """Everything that its answers depend on, as JSON."""

    def answer(self, data: DataCounts, hits: PixelCounts | SoftHits) -> Answer:
        """Search one range; ``hits`` is ``(n_sets,)``, pixels in range by label set.

        A soft objective takes the soft hits of a unit.
        """
