"""Rows of the lists: what they hold, how they are filtered and sorted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ccx_cli.formulas.formula import (
    concepts_of,
    from_json,
    names_in,
    negated_concepts,
    positive_concepts,
)
from ccx_cli.store.lines import Record
from ccx_cli.study.categories import dominant_category


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One range of one unit, or a unit without ranges.

    Attributes
    ----------
    record
        Its line.
    names
        Concepts in its formula, as written, in order.
    category
        Of most of the concepts that the formula asks for; ``""`` where nobody knows.
    """

    record: Record
    names: tuple[str, ...]
    category: str

    @property
    def unit(self) -> int:
        """Number of the unit."""
        return int(self.record["unit"])

    @property
    def cluster(self) -> int | None:
        """Number of the range."""
        cluster: int | None = self.record["cluster"]
        return cluster

    @property
    def iou(self) -> float | None:
        """IoU of its formula, ``None`` without one."""
        return None if self.record["formula"] is None else float(self.record["iou"])

    @property
    def gap(self) -> float | None:
        """How much better another formula could be at most, ``None`` where nobody knows."""
        bound, iou = number(self.record.get("bound")), number(self.record.get("score"))
        return None if bound is None or iou is None else max(bound - iou, 0.0)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to show; empty parts ask for nothing.

    Attributes
    ----------
    text
        Part of the formula, whatever its case, or a unit's number.
    concept
        Part of the name of one concept in the formula.
    category
        The formula's category.
    cluster
        The range's number.
    best_only
        Of every unit only the range of the best formula that passes the rest.
    """

    text: str = ""
    concept: str = ""
    category: str = ""
    cluster: int | None = None
    best_only: bool = False


_FROM_THE_LARGEST = {
    *("iou", "hits", "gap", "units", "ranges", "images", "negated"),
    *("size", "iou_a", "iou_b"),
}


@dataclass(frozen=True, slots=True)
class Sorting:
    """By what rows are sorted, and whether from the largest down."""

    key: str = "iou"
    descending: bool = True

    def turned(self, key: str) -> Sorting:
        """Sort by a column; by the same one, the other way round."""
        if key == self.key:
            return Sorting(key, not self.descending)
        return Sorting(key, key in _FROM_THE_LARGEST)

    def by_next(self, keys: Sequence[str]) -> Sorting:
        """Sort by the column that comes next among ``keys``."""
        place = keys.index(self.key) if self.key in keys else -1
        return Sorting("").turned(keys[(place + 1) % len(keys)])


@dataclass(frozen=True)
class RangeRows:
    """All rows of a run.

    Attributes
    ----------
    rows
        By unit and cluster.
    categories, clusters
        Those that occur.
    """

    rows: tuple[RangeRow, ...]
    categories: tuple[str, ...]
    clusters: tuple[int, ...]
    _folded: dict[int, str] = field(repr=False, default_factory=dict)

    @classmethod
    def of_records(
        cls, records: Iterable[Record], category_of: Mapping[int, str] | None = None
    ) -> RangeRows:
        """Make rows of the records; without ``category_of`` they have no category yet."""
        known = _KnownOrNot(category_of or {})
        rows = tuple(
            RangeRow(
                record,
                tuple(names_in(record["formula"])) if record["formula"] else (),
                (category_of and _category(record, known)) or "",
            )
            for record in records
        )
        clusters = {row.cluster for row in rows if row.cluster is not None}
        return cls(
            rows,
            tuple(sorted({row.category for row in rows if row.category})),
            tuple(sorted(clusters)),
            {id(row): f"{row.unit} {row.record['formula'] or ''}".casefold() for row in rows},
        )

    def select(self, wanted: Filter, sorting: Sorting) -> list[RangeRow]:
        """Return the rows that pass a filter, sorted; rows without a value come last."""
        text, concept = wanted.text.strip().casefold(), wanted.concept.strip().casefold()
        rows = [
            row
            for row in self.rows
            if (wanted.cluster is None or row.cluster == wanted.cluster)
            and (not wanted.category or row.category == wanted.category)
            and (
                not text
                or (str(row.unit) == text if text.isdigit() else text in self._folded[id(row)])
            )
            and (not concept or any(concept in name.casefold() for name in row.names))
        ]
        if wanted.best_only:
            rows = _best_of_units(rows)
        return sort_rows(rows, _KEYS[sorting.key], descending=sorting.descending)


def sort_rows(rows: Sequence[Any], key: Callable[[Any], Any], *, descending: bool) -> list[Any]:
    """Sort rows by a key; those whose key is ``None`` come last, equals stay in their order."""
    there = [row for row in rows if key(row) is not None]
    missing = [row for row in rows if key(row) is None]
    return sorted(there, key=key, reverse=descending) + missing


def number(value: object) -> float | None:
    """Return a line's number if it is one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


_KEYS: dict[str, Callable[[RangeRow], Any]] = {
    "unit": lambda row: (row.unit, -1 if row.cluster is None else row.cluster),
    "cluster": lambda row: row.cluster,
    "iou": lambda row: row.iou,
    "gap": lambda row: row.gap,
    "hits": lambda row: row.record["hits"],
    "category": lambda row: row.category or None,
    "formula": lambda row: row.record["formula"],
}


def _best_of_units(rows: Sequence[RangeRow]) -> list[RangeRow]:
    best: dict[int, RangeRow] = {}
    for row in rows:
        there = best.get(row.unit)
        if there is None or (row.iou or -1.0) > (there.iou or -1.0):
            best[row.unit] = row
    return list(best.values())


class _KnownOrNot(dict[int, str]):
    """Categories by label number; a number of another data set has none."""

    def __missing__(self, number: int) -> str:
        return ""


def _category(record: Record, category_of: Mapping[int, str]) -> str | None:
    if record["labels"] is None:
        return None
    return dominant_category([from_json(record["labels"])], category_of)


@dataclass(frozen=True, slots=True)
class ConceptRow:
    """One concept as the formulas of a run name it.

    Attributes
    ----------
    number, name
        Its label.
    category
        Its own category, ``""`` where nobody knows.
    units, ranges
        Units and ranges whose formula asks for it.
    negated
        Ranges whose formula excludes it.
    iou
        Best IoU of the formulas that ask for it; ``None`` if none does.
    records
        The lines that name it, best IoU first.
    images
        Images that contain it, ``None`` until the concept index is read.
    """

    number: int
    name: str
    category: str
    units: int
    ranges: int
    negated: int
    iou: float | None
    records: tuple[Record, ...]
    images: int | None = None


CONCEPT_KEYS: dict[str, Callable[[ConceptRow], Any]] = {
    "name": lambda row: row.name.casefold(),
    "category": lambda row: row.category or None,
    "units": lambda row: row.units,
    "ranges": lambda row: row.ranges,
    "negated": lambda row: row.negated,
    "iou": lambda row: row.iou,
    "images": lambda row: row.images,
}


def concept_rows(records: Iterable[Record]) -> list[ConceptRow]:
    """Gather the concepts that formulas name: of most units first."""
    naming: dict[int, list[tuple[Record, bool]]] = {}
    names: dict[int, str] = {}
    for record in records:
        if record["labels"] is None:
            continue
        formula = from_json(record["labels"])
        names.update(zip(concepts_of(formula), names_in(record["formula"]), strict=True))
        asked = set(positive_concepts(formula))
        for label in asked | set(negated_concepts(formula)):
            naming.setdefault(label, []).append((record, label in asked))
    rows = []
    for label, found in naming.items():
        asking = [record for record, asked in found if asked]
        rows.append(
            ConceptRow(
                label,
                names[label],
                "",
                len({record["unit"] for record in asking}),
                len(asking),
                sum(not asked for _, asked in found),
                max((float(record["iou"]) for record in asking), default=None),
                tuple(sorted((record for record, _ in found), key=lambda r: -float(r["iou"]))),
            )
        )
    return sorted(rows, key=lambda row: (-row.units, -row.ranges, row.name))
