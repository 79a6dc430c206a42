"""What heuristics save: formulas visited and time, range by range, beside beam and optimum.

The comparison of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 4.1).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.published.heuristic_search import HeuristicStrategy
from ccx_cli.published.heuristics import Heuristic
from ccx_cli.published.shapes import Shapes
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.chains import Scored
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.registry import Search, make_search
from ccx_cli.search.strategy import Answer

COMPARED = (*(heuristic.value for heuristic in Heuristic), *(s.value for s in reversed(Search)))
UnitRanges = tuple[int, NDArray[np.float32], Sequence[Range]]

Compared = Callable[[NDArray[np.int32], NDArray[np.int32]], Answer]
"""Searches a range, from its pixels by label set, ``(n_sets,)`` int32, and by row of the images'
tables, ``(n_local,)`` int32. ``visited`` does not count single concepts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One search of one range.

    Attributes
    ----------
    unit, cluster
        Which range.
    search
        Its name.
    seconds
        Time it took, hits and shapes of concepts known.
    visited
        Formulas of two and more concepts whose exact IoU it asked for; for ``optimal`` triples
        counted, and longer chains expanded.
    best
        What it found, or ``None`` if no concept meets the range.
    """

    unit: int
    cluster: int
    search: str
    seconds: float
    visited: int
    best: Scored | None

    @property
    def iou(self) -> float:
        """IoU of what was found, 0 for nothing."""
        return 0.0 if self.best is None else self.best.iou


@dataclass(frozen=True, slots=True)
class Summary:
    """One search over all ranges: means and standard deviations.

    Attributes
    ----------
    search
        Its name.
    ranges
        How many.
    visited, seconds
        ``(mean, standard deviation)``, as in ``Trial``; the latter over these ranges themselves,
        so 0 for one.
    iou
        Mean IoU.
    best
        Ranges where no other search found a larger IoU.
    """

    search: str
    ranges: int
    visited: tuple[float, float]
    seconds: tuple[float, float]
    iou: float
    best: int


def needs_shapes(names: Iterable[str]) -> bool:
    """Tell whether one of these searches estimates by the shapes of concepts."""
    return bool({Heuristic.MMESH.value, Heuristic.CFH.value, Heuristic.AREAS.value} & set(names))


def compared_search(
    name: str, settings: BeamSettings, index: ConceptIndex, data: DataCounts, shapes: Shapes | None
) -> Compared:
    """Make one of ``COMPARED``; ``shapes`` may be ``None`` where ``needs_shapes`` says no."""
    if name in tuple(Search):
        search = make_search(name, asdict(settings))
        singles = data.n_concepts if name == Search.BEAM else 0

        def answer(hits: NDArray[np.int32], _: NDArray[np.int32]) -> Answer:
            found = search.answer(data, hits)
            return replace(found, visited=max(0, found.visited - singles))

        return answer
    strategy = HeuristicStrategy(Heuristic(name), settings, index, shapes)
    return lambda hits, per_local: strategy.answer(data, hits, per_local)


def compare_searches(
    units: Iterable[UnitRanges],
    index: ConceptIndex,
    searches: Mapping[str, Compared],
    *,
    device: str = "cpu",
) -> Iterator[list[Trial]]:
    """Search every range of every unit with every search, one after another; time each.

    ``units`` are numbers, maps ``(n_images, height, width)`` float32, and ranges. Each search runs
    once before it is timed, since that may compile it. Ranges that hold no pixel are left out.
    """
    warm = False
    for unit, maps, ranges in units:
        hits = count_hits(maps, ranges, index, per_image=True, device=device)
        assert hits.per_local is not None
        trials = []
        for cluster in np.flatnonzero(hits.totals):
            counted = hits.per_set[cluster], hits.per_local[cluster]
            if not warm:
                for search in searches.values():
                    search(*counted)
                warm = True
            for name, search in searches.items():
                began = time.perf_counter()
                answer = search(*counted)
                seconds = time.perf_counter() - began
                trial = Trial(unit, int(cluster), name, seconds, answer.visited, answer.best)
                trials.append(trial)
        yield trials


def summarise(trials: Sequence[Trial]) -> list[Summary]:
    """Sum up trials, a row a search, in the order in which they come first."""
    largest: dict[tuple[int, int], float] = {}
    of_search: dict[str, list[Trial]] = {}
    for trial in trials:
        key = trial.unit, trial.cluster
        largest[key] = max(largest.get(key, 0.0), trial.iou)
        of_search.setdefault(trial.search, []).append(trial)
    return [
        Summary(
            search=name,
            ranges=len(own),
            visited=_mean_and_std([trial.visited for trial in own]),
            seconds=_mean_and_std([trial.seconds for trial in own]),
            iou=float(np.mean([trial.iou for trial in own])),
            best=sum(trial.iou == largest[trial.unit, trial.cluster] for trial in own),
        )
        for name, own in of_search.items()
    ]


def _mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))
