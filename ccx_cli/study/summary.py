"""What a run's explanations say of each unit, each concept and each category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, concepts_of, negated_concepts, positive_concepts
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.search.scoring import holds_on
from ccx_cli.study.categories import dominant_category

THRESHOLD = 0.04


@dataclass(frozen=True, slots=True)
class UnitSummary:
    """One unit.

    Attributes
    ----------
    unit
        Its number.
    ranges
        Ranges it has; 0 for a dead unit.
    explained
        Ranges that have a formula.
    category
        The category of most positive concepts over its formulas; ``None`` without one.
    polysemy
        Mean Jaccard distance of its formulas' pixels, over all pairs of ranges: 0 where all say
        the same, 1 where no two share a pixel, ``None`` with fewer than two formulas.
    concepts
        Label numbers in its formulas, negated ones too, in the order of appearance.
    best
        The record of largest IoU; ``None`` without a formula.
    """

    unit: int
    ranges: int
    explained: int
    category: str | None
    polysemy: float | None
    concepts: tuple[int, ...]
    best: ExplanationRecord | None


@dataclass(frozen=True, slots=True)
class ConceptSummary:
    """One concept.

    Attributes
    ----------
    concept
        Its label number.
    category
        Its own category.
    units
        Units some formula of which asks for it.
    ranges
        Ranges whose formula asks for it.
    negated
        Ranges whose formula excludes it.
    iou
        The largest IoU of the formulas that ask for it; ``None`` if it is only excluded.
    """

    concept: int
    category: str
    units: int
    ranges: int
    negated: int
    iou: float | None


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """One bar of Network Dissection's histogram (Bau et al., CVPR 2017, section 3.1).

    Attributes
    ----------
    category
        Its name.
    units
        Units whose best explanation is above the threshold and mostly of this category.
    formulas
        Distinct formulas among those (unique detectors).
    """

    category: str
    units: int
    formulas: int


def summarise_unit(
    unit: int,
    records: Sequence[ExplanationRecord],
    pixels: Mapping[Formula, NDArray[np.bool_]],
    totals: NDArray[np.int64],
    category_of: Mapping[int, str],
) -> UnitSummary:
    """Sum up one unit.

    Parameters
    ----------
    unit
        Its number.
    records
        Its explanations, in cluster order.
    pixels
        Where each of its formulas holds, ``(n_sets,)`` bool.
    totals
        ``(n_sets,)`` int64, pixels of every label set.
    category_of
        Label number to category.
    """
    explained = [(record, formula) for record in records if (formula := record.tree)]
    formulas = [formula for _, formula in explained]
    return UnitSummary(
        unit=unit,
        ranges=sum(record.range is not None for record in records),
        explained=len(formulas),
        category=dominant_category(formulas, category_of),
        polysemy=mean_distance([pixels[formula] for formula in formulas], totals),
        concepts=tuple(dict.fromkeys(n for formula in formulas for n in concepts_of(formula))),
        best=max((record for record, _ in explained), key=lambda r: r.iou, default=None),
    )


def mean_distance(pixels: Sequence[NDArray[np.bool_]], totals: NDArray[np.int64]) -> float | None:
    """Mean Jaccard distance over all pairs; ``None`` for fewer than two.

    Parameters
    ----------
    pixels
        ``(n_sets,)`` bool each, the label sets of a formula. Two empty ones have distance 0.
    totals
        ``(n_sets,)`` int64, pixels of every label set.
    """
    sizes = [int(totals[one].sum()) for one in pixels]
    distances = []
    for a, b in combinations(range(len(pixels)), 2):
        both = int(totals[pixels[a] & pixels[b]].sum())
        union = sizes[a] + sizes[b] - both
        distances.append(1 - both / union if union else 0.0)
    return float(np.mean(distances)) if distances else None


def summarise_units(
    units: Mapping[int, Sequence[ExplanationRecord]],
    index: ConceptIndex,
    category_of: Mapping[int, str],
) -> Iterator[UnitSummary]:
    """Sum up units, in order."""
    for unit, records in units.items():
        found = [formula for record in records if (formula := record.tree) is not None]
        pixels = {formula: holds_on(formula, index) for formula in set(found)}
        yield summarise_unit(unit, records, pixels, index.sets.totals, category_of)


def summarise_concepts(
    units: Mapping[int, Sequence[ExplanationRecord]], category_of: Mapping[int, str]
) -> list[ConceptSummary]:
    """Sum up every concept in some formula: of most units first, then of most ranges."""
    asking: dict[int, list[ExplanationRecord]] = defaultdict(list)
    excluding: dict[int, int] = defaultdict(int)
    for records in units.values():
        for record in records:
            formula = record.tree
            if formula is None:
                continue
            for number in set(positive_concepts(formula)):
                asking[number].append(record)
            for number in set(negated_concepts(formula)):
                excluding[number] += 1
    found = [
        ConceptSummary(
            concept=number,
            category=category_of[number],
            units=len({record.unit for record in asking[number]}),
            ranges=len(asking[number]),
            negated=excluding[number],
            iou=max((record.iou for record in asking[number]), default=None),
        )
        for number in sorted({*asking, *excluding})
    ]
    return sorted(found, key=lambda each: (-each.units, -each.ranges, each.concept))


def summarise_categories(
    summaries: Sequence[UnitSummary],
    categories: Sequence[str],
    category_of: Mapping[int, str],
    threshold: float = THRESHOLD,
) -> list[CategorySummary]:
    """Count the units whose best explanation is above ``threshold``, by its category."""
    formulas: dict[str, list[Formula]] = {category: [] for category in categories}
    for summary in summaries:
        formula = summary.best.tree if summary.best is not None else None
        if summary.best is None or formula is None or summary.best.iou <= threshold:
            continue
        category = dominant_category([formula], category_of)
        if category is not None:
            formulas[category].append(formula)
    return [
        CategorySummary(category, len(found), len({canonical_key(formula) for formula in found}))
        for category, found in formulas.items()
    ]
