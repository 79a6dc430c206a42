"""The one evaluator of formulas: where they hold, and how well they cover the ranges of units.

A formula that somebody typed is evaluated by ``FormulaOnData``, whoever asks: the command line, the
terminal interface, the studies or a notebook. ``ImageCounts.of_labels`` counts it image by image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.concepts.label_sets import PixelCounts
from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Formula, concepts_of, to_text
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.formulas.truth import evaluate
from ccx_cli.probe.hits import Hits, count_hits
from ccx_cli.probe.ranges import Range
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.search.overlap import Overlap
from ccx_cli.threads import map_in_order

_REMEMBERED = 1 << 28
"""Bytes of label sets."""


@dataclass(frozen=True, eq=False)
class FormulaOnData:
    """A formula and the label sets of a dataset on which it holds.

    Attributes
    ----------
    formula
        The formula.
    text
        As the program writes it.
    holds
        ``(n_sets,)`` bool, the label sets on which it holds.
    total, pixels
        ``|F|``, and all labeled pixels.
    unseen
        Names in it that no pixel of the dataset carries, each once.
    """

    formula: Formula
    text: str
    holds: NDArray[np.bool_]
    total: int
    pixels: int
    unseen: tuple[str, ...]

    @classmethod
    def read(cls, text: str, vocabulary: Vocabulary, index: ConceptIndex) -> FormulaOnData:
        """Read a formula that somebody typed, and evaluate it.

        Raises
        ------
        UsageError
            If the text is not a formula of these names.
        """
        return cls.of(parse_formula(text, vocabulary), index, vocabulary.name)

    @classmethod
    def of(
        cls, formula: Formula, index: ConceptIndex, name_of: Callable[[int], str]
    ) -> FormulaOnData:
        """Evaluate a formula; ``name_of`` gives the name of every label number in it."""
        holds = holds_on(formula, index)
        carried = set(index.concepts.tolist())
        return cls(
            formula,
            to_text(formula, name_of),
            holds,
            int(index.sets.totals[holds].sum()),
            index.n_pixels,
            tuple(name_of(n) for n in dict.fromkeys(concepts_of(formula)) if n not in carried),
        )

    def score(self, in_range: PixelCounts) -> Overlap:
        """Score one range, given its pixels by label set, ``(n_sets,)``."""
        both = int(in_range[self.holds].sum(dtype=np.int64))
        return Overlap(int(in_range.sum(dtype=np.int64)), both, self.total, self.pixels)

    def is_same_here(self, other: NDArray[np.bool_]) -> bool:
        """Tell whether it holds on the same label sets of this dataset as another formula."""
        return np.array_equal(self.holds, other)


@dataclass(frozen=True, slots=True)
class UnitScores:
    """Formulas on the ranges of one unit.

    Attributes
    ----------
    unit
        Its number.
    ranges
        Its ranges, from the lowest up; none for a unit that never fires.
    hits
        The pixels in them, ``None`` without ranges.
    scores
        For each formula a score for each range.
    """

    unit: int
    ranges: Sequence[Range]
    hits: Hits | None
    scores: list[list[Overlap]]

    def records(
        self, formulas: Sequence[FormulaOnData], layer: str, num_clusters: int
    ) -> list[dict[str, Any]]:
        """Return the lines of ``ccx score``: one for each formula and range."""
        return [
            {
                "formula": formula.text,
                "layer": layer,
                "num_clusters": num_clusters,
                "unit": self.unit,
                "cluster": cluster,
                "num_ranges": len(self.ranges),
                "range": self.ranges[cluster].to_json(),
                "hits": each.hits,
                "both": each.both,
                "total": each.total,
                "iou": each.iou,
                "baseline": each.baseline,
                "lift": each.lift,
                "mcc": each.mcc,
            }
            for formula, scores in zip(formulas, self.scores, strict=True)
            for cluster, each in enumerate(scores)
        ]


def holds_on(formula: Formula, index: ConceptIndex) -> NDArray[np.bool_]:
    """Evaluate a formula on the label sets of a dataset, ``(n_sets,)`` bool.

    A concept that no pixel carries holds nowhere.
    """
    return evaluate(formula, carriers(index))


def carriers(index: ConceptIndex) -> Callable[[int], NDArray[np.bool_]]:
    """Return what tells on which label sets a concept is, ``(n_sets,)`` bool, to be left as it is.

    What was asked for last is remembered, for many formulas name the same concepts.
    """

    @lru_cache(_REMEMBERED // max(1, len(index.sets)))
    def carries(number: int) -> NDArray[np.bool_]:
        carrying = np.zeros(len(index.sets), dtype=np.bool_)
        position = int(np.searchsorted(index.concepts, number))
        if position < len(index.concepts) and index.concepts[position] == number:
            carrying[index.postings.of(position)] = True
        return carrying

    return carries


def check_seen(formulas: Iterable[FormulaOnData]) -> None:
    """Refuse formulas with concepts that no pixel of the images carries; a split has others.

    Raises
    ------
    UsageError
        For the first such concept.
    """
    for name in (name for formula in formulas for name in formula.unseen):
        raise UsageError(
            f"No pixel of the scored images carries {name}: write formulas of concepts that some "
            "pixel of them carries."
        )


def iou_elsewhere(formula: Formula, index: ConceptIndex, hits: PixelCounts) -> float | None:
    """IoU of a formula on other images than it was found on, ``None`` where there is no pixel.

    A concept that these images lack holds nowhere.
    """
    score = FormulaOnData.of(formula, index, str).score(hits)
    return score.iou if score.union else None


def score_units(
    units: Sequence[int],
    formulas: Sequence[FormulaOnData],
    index: ConceptIndex,
    read_maps: Callable[[int], Maps],
    find_ranges: Callable[[int, Maps], Sequence[Range]],
    workers: int,
) -> Iterator[UnitScores]:
    """Score formulas on the ranges of many units, in parallel threads, in order."""

    def score(unit: int) -> UnitScores:
        maps = read_maps(unit)
        ranges = find_ranges(unit, maps)
        if not ranges:
            return UnitScores(unit, ranges, None, [[] for _ in formulas])
        hits = count_hits(maps, ranges, index)
        scores = [[formula.score(each) for each in hits.per_set] for formula in formulas]
        return UnitScores(unit, ranges, hits, scores)

    return map_in_order(score, units, workers)
