"""What a run's explanations say of each unit, each concept and each category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import Formula, positive_concepts
from ccx_cli.formulas.truth import evaluate
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.records.studies import CategorySummaryRecord, ConceptSummaryRecord, UnitSummaryRecord
from ccx_cli.search.scoring import carriers
from ccx_cli.study.categories import dominant_category

THRESHOLD = 0.04
_OF_LEAD = ("cluster", "formula", "iou", "lift", "mcc")


def summarise_unit(
    unit: int,
    records: Sequence[ExplanationRecord],
    pixels: Mapping[Formula, NDArray[np.bool_]],
    totals: NDArray[np.int64],
    category_of: Mapping[int, str],
) -> UnitSummaryRecord:
    """Sum up one unit, from its explanations in cluster order.

    ``pixels`` tells where each of their formulas holds, ``(n_sets,)`` bool; ``totals`` are the
    pixels of every label set, ``(n_sets,)`` int64; ``category_of`` is by label number.
    """
    formulas = [formula for record in records if (formula := record.tree)]
    counts, best, lead = count_ranges(records), _best_of(records), lead_of(records)
    return UnitSummaryRecord(
        kind="unit",
        unit=unit,
        ranges=counts.ranges,
        explained=counts.explained,
        category=dominant_category(formulas, category_of),
        polysemy=mean_distance([pixels[formula] for formula in formulas], totals),
        concepts=list(names_of(records).values()),
        **{key: getattr(best, key, None) for key in ("cluster", "formula", "iou")},
        baseline=None if best is None else _baseline(best),
        unbeaten=counts.unbeaten,
        **{f"lead_{key}": getattr(lead, key, None) for key in _OF_LEAD},
    )


class Counts(NamedTuple):
    """Ranges of a unit: all, with a formula, and with one that does not beat its baseline."""

    ranges: int
    explained: int
    unbeaten: int


def count_ranges(records: Sequence[ExplanationRecord]) -> Counts:
    """Count the ranges of one unit."""
    explained = [record for record in records if record.formula is not None]
    return Counts(
        sum(record.range is not None for record in records),
        len(explained),
        sum(record.iou <= (_baseline(record) or 0.0) for record in explained),
    )


def lead_of(records: Iterable[ExplanationRecord]) -> ExplanationRecord | None:
    """Return a unit's explanation with the largest MCC; ``None`` where none is known."""
    known = [(each.mcc, each) for each in records if isinstance(each.mcc, float)]
    return max(known, key=itemgetter(0))[1] if known else None


def _baseline(record: ExplanationRecord) -> float | None:
    return None if record.baseline is UNSET else record.baseline


def _best_of(records: Sequence[ExplanationRecord]) -> ExplanationRecord | None:
    explained = [record for record in records if record.formula is not None]
    return max(explained, key=lambda record: record.iou, default=None)


def mean_distance(pixels: Sequence[NDArray[np.bool_]], totals: NDArray[np.int64]) -> float | None:
    """Mean Jaccard distance over all pairs of formulas; ``None`` for fewer than two.

    ``pixels`` are the label sets of each, ``(n_sets,)`` bool; two empty ones have distance 0.
    ``totals`` are the pixels of every label set, ``(n_sets,)`` int64.
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
) -> Iterator[UnitSummaryRecord]:
    """Sum up units, in order, as ``summarise_unit`` does."""
    carries = carriers(index)
    for unit, records in units.items():
        found = {formula for record in records if (formula := record.tree) is not None}
        pixels = {formula: evaluate(formula, carries) for formula in found}
        yield summarise_unit(unit, records, pixels, index.sets.totals, category_of)


def summarise_concepts(
    units: Mapping[int, Sequence[ExplanationRecord]], category_of: Mapping[int, str]
) -> list[ConceptSummaryRecord]:
    """Sum up every concept in some formula: of most units first, then of most ranges."""
    names: dict[int, str] = {}
    units_of: dict[int, set[int]] = defaultdict(set)
    ious: dict[int, list[float]] = defaultdict(list)
    excluding: dict[int, int] = defaultdict(int)
    # Ranges share formulas, whose text is compared faster than their tree is found.
    uses: dict[str, tuple[Any, set[int], set[int]]] = {}
    for record in chain.from_iterable(units.values()):
        if record.formula is None:
            continue
        used = uses.get(record.formula)
        if used is None or used[0] != record.labels:
            formula = record.tree
            assert formula is not None
            names.update(record.names)
            used = (
                record.labels,
                set(positive_concepts(formula)),
                set(positive_concepts(formula, positive=False)),
            )
            uses[record.formula] = used
        _, asks, excludes = used
        for number in asks:
            units_of[number].add(record.unit)
            ious[number].append(record.iou)
        for number in excludes:
            excluding[number] += 1
    found = [
        ConceptSummaryRecord(
            kind="concept",
            concept=names[number],
            label=number,
            category=category_of[number],
            units=len(units_of[number]),
            ranges=len(ious[number]),
            negated=excluding[number],
            iou=max(ious[number], default=None),
        )
        for number in sorted({*ious, *excluding})
    ]
    return sorted(found, key=lambda each: (-each.units, -each.ranges, each.label))


def summarise_categories(
    units: Mapping[int, Sequence[ExplanationRecord]],
    categories: Sequence[str],
    category_of: Mapping[int, str],
    threshold: float = THRESHOLD,
) -> list[CategorySummaryRecord]:
    """Count the units whose best explanation is above ``threshold``, by its category.

    The histogram of Network Dissection (Bau et al., CVPR 2017, section 3.1); distinct formulas are
    its unique detectors.
    """
    formulas: dict[str, list[Formula]] = {category: [] for category in categories}
    for records in units.values():
        best = _best_of(records)
        formula = None if best is None or best.iou <= threshold else best.tree
        category = None if formula is None else dominant_category([formula], category_of)
        if formula is not None and category is not None:
            formulas[category].append(formula)
    return [
        CategorySummaryRecord(
            kind="category",
            category=category,
            threshold=threshold,
            units=len(found),
            share=len(found) / len(units) if units else None,
            formulas=len({canonical_key(formula) for formula in found}),
        )
        for category, found in formulas.items()
    ]
