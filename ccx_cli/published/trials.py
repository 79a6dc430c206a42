"""What heuristics save: formulas visited and time, range by range, beside beam and optimum.

The comparison of Clustered Compositional Explanations (La Rosa et al., NeurIPS 2023, section 4.1).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.published.heuristic_search import HeuristicStrategy
from ccx_cli.published.heuristics import Heuristic
from ccx_cli.published.shapes import Shapes
from ccx_cli.records.studies import HeuristicOnRangeRecord, HeuristicRecord
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import ConceptNames
from ccx_cli.search.registry import Search, make_search
from ccx_cli.search.strategy import Answer

COMPARED = (*(heuristic.value for heuristic in Heuristic), *(s.value for s in reversed(Search)))
UnitRanges = tuple[int, Maps, Sequence[Range]]

Compared = Callable[[PixelCounts, NDArray[np.int32]], Answer]
"""Searches a range, from its pixels by label set, ``(n_sets,)``, and by row of the images'
tables, ``(n_local,)`` int32. ``visited`` does not count single concepts."""


def needs_shapes(names: Iterable[str]) -> bool:
    """Tell whether one of these searches estimates by the shapes of concepts."""
    return bool({Heuristic.MMESH.value, Heuristic.CFH.value, Heuristic.AREAS.value} & set(names))


def compared_search(
    name: str, settings: BeamSettings, index: ConceptIndex, data: DataCounts, shapes: Shapes | None
) -> Compared:
    """Make one of ``COMPARED``, ``beam:15`` with that width; shapes only if ``needs_shapes``."""
    name, _, width = name.partition(":")
    if name in tuple(Search):
        settings = replace(settings, beam_limit=int(width)) if width else settings
        search = make_search(name, asdict(settings))
        singles = data.n_concepts if name == Search.BEAM else 0

        def answer(hits: PixelCounts, _: NDArray[np.int32]) -> Answer:
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
) -> Iterator[list[HeuristicOnRangeRecord]]:
    """Search every range of every unit with every search, one after another; time each.

    ``units`` are numbers, maps ``(n_images, height, width)`` float32, and ranges. Each search runs
    once before it is timed, since that may compile it. Ranges that hold no pixel are left out.
    ``seconds`` are processor seconds, with hits and shapes of concepts known; ``visited`` are
    formulas of two and more concepts whose exact IoU was asked for, and for ``optimal`` triples
    counted, and longer chains expanded.
    """
    names = ConceptNames(index.concepts, index.name_of)
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
                began = time.thread_time()
                answer = search(*counted)
                seconds = time.thread_time() - began
                trials.append(
                    HeuristicOnRangeRecord(
                        unit=unit,
                        cluster=int(cluster),
                        heuristic=name,
                        formula=None if answer.best is None else names.text(answer.best),
                        iou=0.0 if answer.best is None else answer.best.iou,
                        visited=answer.visited,
                        seconds=seconds,
                    )
                )
        yield trials


def summarise(trials: Sequence[HeuristicOnRangeRecord]) -> list[HeuristicRecord]:
    """Sum up trials, a row a search, in the order in which they come first."""
    largest: dict[tuple[int, int], float] = {}
    of_search: dict[str, list[HeuristicOnRangeRecord]] = {}
    for trial in trials:
        key = trial.unit, trial.cluster
        largest[key] = max(largest.get(key, 0.0), trial.iou)
        of_search.setdefault(trial.heuristic, []).append(trial)
    rows = []
    for name, own in of_search.items():
        visited = [trial.visited for trial in own]
        seconds = [trial.seconds for trial in own]
        most = [largest[trial.unit, trial.cluster] for trial in own]
        lost = [1 - trial.iou / best for trial, best in zip(own, most, strict=True) if best]
        missed = [share for share in lost if share > 0]
        rows.append(
            HeuristicRecord(
                heuristic=name,
                ranges=len(own),
                visited_mean=float(np.mean(visited)),
                visited_deviation=float(np.std(visited)),
                seconds_mean=float(np.mean(seconds)),
                seconds_deviation=float(np.std(seconds)),
                iou_mean=float(np.mean([trial.iou for trial in own])),
                best_in=len(own) - len(missed),
                missed=len(missed) / len(own),
                lost_mean=float(np.mean(missed)) if missed else None,
                lost_max=max(missed, default=None),
            )
        )
    return rows
