"""What a run's explanations say of each unit, each concept and each category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.formulas.algebra import canonical_key
from ccx_cli.formulas.formula import from_json
from ccx_cli.formulas.truth import evaluate
from ccx_cli.records.columns import NONE, Columns
from ccx_cli.records.explanation import ExplanationRecord, names_of
from ccx_cli.records.studies import CategorySummaryRecord, ConceptSummaryRecord, UnitSummaryRecord
from ccx_cli.search.scoring import carriers
from ccx_cli.study.categories import dominant_category

THRESHOLD = 0.04
_OF_LEAD = ("cluster", "formula", "iou", "lift", "mcc")


class ExplainedUnits:
    """Explanations as columns, those of a unit one after another, in cluster order.

    Attributes
    ----------
    columns
        Theirs, and maybe those of others.
    rows
        ``(n_explanations,)`` int64, which rows of the columns they are.
    firsts
        ``(n_units,)`` int64, the place in ``rows`` of each unit's first.
    """

    def __init__(self, columns: Columns, rows: Sequence[int]) -> None:
        self.columns = columns
        self.rows = np.array(rows, dtype=np.int64)
        unit = self["unit"]
        self.firsts = np.flatnonzero(np.append(True, unit[1:] != unit[:-1])[: len(unit)])

    @classmethod
    def of(cls, records: Iterable[ExplanationRecord]) -> ExplainedUnits:
        """Make columns of explanations as they are, those of a unit one after another."""
        columns = Columns.of(records)
        return cls(columns, range(len(columns)))

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        return np.asarray(self.columns[name])[self.rows]

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def unit_of_row(self) -> NDArray[np.int64]:
        """``(n_explanations,)``, the place of its unit among the units."""
        return np.repeat(np.arange(len(self)), np.diff(np.append(self.firsts, len(self.rows))))

    def largest(self, name: str, among: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return each unit's first row of the largest value among some, ``NONE`` without any."""
        found = np.full(len(self), NONE)
        if len(self):
            values = np.where(among, self[name], -np.inf)
            tops = np.maximum.reduceat(values, self.firsts)
            rows = np.flatnonzero(among & (values == tops[self.unit_of_row]))
            found[self.unit_of_row[rows[::-1]]] = rows[::-1]
        return found

    def sums(self, values: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the rows of each unit where ``values`` is true."""
        return np.bincount(self.unit_of_row[values], minlength=len(self))


class UnitCounts(NamedTuple):
    """What is found of each of ``n_units``; each ``(n_units,)`` int64.

    Ranges: all, with a formula, and with one that does not beat its baseline. Rows: that of the
    largest IoU with a formula, and that of the largest MCC; ``NONE`` without.
    """

    ranges: NDArray[np.int64]
    explained: NDArray[np.int64]
    unbeaten: NDArray[np.int64]
    best: NDArray[np.int64]
    lead: NDArray[np.int64]


def count_units(told: ExplainedUnits) -> UnitCounts:
    """Count the ranges of units, and find their best and leading explanations."""
    explained = told["formula"] != NONE
    return UnitCounts(
        told.sums(told["is_range"].astype(bool)),
        told.sums(explained),
        told.sums(explained & (told["iou"] <= np.nan_to_num(told["baseline"]))),
        told.largest("iou", explained),
        told.largest("mcc", ~np.isnan(told["mcc"])),
    )


def summarise_units(
    units: Mapping[int, Sequence[ExplanationRecord]],
    index: ConceptIndex,
    category_of: Mapping[int, str],
) -> Iterator[UnitSummaryRecord]:
    """Sum up units, in order, from their explanations in cluster order.

    ``category_of`` is by label number.
    """
    carries = carriers(index)
    told = ExplainedUnits.of(chain.from_iterable(units.values()))
    counts = (column.tolist() for column in count_units(told))
    for first, (unit, records), *of_unit in zip(
        told.firsts.tolist(), units.items(), *counts, strict=True
    ):
        ranges, explained, unbeaten, best_row, lead_row = of_unit
        best, lead = (None if row == NONE else records[row - first] for row in (best_row, lead_row))
        formulas = [formula for record in records if (formula := record.tree)]
        pixels = {formula: evaluate(formula, carries) for formula in formulas}
        yield UnitSummaryRecord(
            kind="unit",
            unit=unit,
            ranges=ranges,
            explained=explained,
            category=dominant_category(formulas, category_of),
            polysemy=mean_distance([pixels[formula] for formula in formulas], index.sets.totals),
            concepts=list(names_of(records).values()),
            **{key: getattr(best, key, None) for key in ("cluster", "formula", "iou")},
            baseline=None if best is None or best.baseline is UNSET else best.baseline,
            unbeaten=unbeaten,
            **{f"lead_{key}": getattr(lead, key, None) for key in _OF_LEAD},
        )


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


def summarise_concepts(
    told: ExplainedUnits, category_of: Mapping[int, str]
) -> list[ConceptSummaryRecord]:
    """Sum up every concept in some formula: of most units first, then of most ranges."""
    columns = told.columns
    rows = np.flatnonzero(told["formula"] != NONE)
    formulas = told["formula"][rows]
    # The concepts in each formula, each once; those that it excludes are negative.
    concepts, ends = np.asarray(columns.concepts), np.asarray(columns.ends)
    numbers, concepts = np.unique(concepts, return_inverse=True)
    of_formula = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    pairs = np.unique(of_formula * len(numbers) + concepts)
    of_formula, concepts = np.divmod(pairs, max(1, len(numbers)))
    firsts = np.searchsorted(of_formula, np.arange(len(ends) + 1))
    # The same of each explanation.
    sizes = np.diff(firsts)[formulas]
    row = np.repeat(rows, sizes)
    within = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = concepts[np.repeat(firsts[formulas], sizes) + within]
    order = np.argsort(found.astype(np.min_scalar_type(len(numbers))), kind="stable")
    found, unit, iou = found[order], told.unit_of_row[row][order], told["iou"][row][order]
    is_new = np.append(True, found[1:] != found[:-1])[: len(found)]
    first = np.flatnonzero(is_new)
    is_new[1:] |= unit[1:] != unit[:-1]
    counted = {
        number: values
        for number, *values in zip(
            numbers[found[first]].tolist(),
            np.add.reduceat(is_new, first, dtype=np.int64).tolist() if len(first) else (),
            np.diff(np.append(first, len(found))).tolist(),
            np.maximum.reduceat(iou, first).tolist() if len(first) else (),
            strict=True,
        )
    }
    summaries = [
        ConceptSummaryRecord(
            kind="concept",
            concept=columns.names[number],
            label=number,
            category=category_of[number],
            units=asking[0],
            ranges=asking[1],
            negated=counted.get(-number, (0, 0))[1],
            iou=asking[2],
        )
        for number in sorted(set(map(abs, counted)))
        for asking in [counted.get(number, (0, 0, None))]
    ]
    return sorted(summaries, key=lambda each: (-each.units, -each.ranges, each.label))


def summarise_categories(
    told: ExplainedUnits,
    categories: Sequence[str],
    category_of: Mapping[int, str],
    threshold: float = THRESHOLD,
) -> list[CategorySummaryRecord]:
    """Count the units whose best explanation is above ``threshold``, by its category.

    The histogram of Network Dissection (Bau et al., CVPR 2017, section 3.1); distinct formulas are
    its unique detectors.
    """
    best = told.largest("iou", told["formula"] != NONE)
    best = best[best != NONE]
    above = told["formula"][best[told["iou"][best] > threshold]]
    units: dict[str, int] = dict.fromkeys(categories, 0)
    distinct: dict[str, set[Hashable]] = defaultdict(set)
    for number, count in zip(
        *(each.tolist() for each in np.unique(above, return_counts=True)), strict=True
    ):
        formula = from_json(told.columns.formulas[number][1])
        category = dominant_category([formula], category_of)
        if category is not None:
            units[category] += count
            distinct[category].add(canonical_key(formula))
    return [
        CategorySummaryRecord(
            kind="category",
            category=category,
            threshold=threshold,
            units=count,
            share=count / len(told) if len(told) else None,
            formulas=len(distinct[category]),
        )
        for category, count in units.items()
    ]
