"""Explanations as tables show them: the most surprising first, each in its simplest form."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Any

from msgspec import UNSET

from ccx_cli.cli.options import ReadingOptions, Sort
from ccx_cli.cli.output import ACTIVATION, HITS, LIFT, MCC, RANGE, UNIT, Column
from ccx_cli.cli.searching import parse_share
from ccx_cli.design import MISSING, TITLES, iou
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import TOLERANCE, ExplanationRecord
from ccx_cli.runs.findings import simplified, sort_key, unit_sentence
from ccx_cli.study.specialisation import Defaults

SHOWN = 12
SHOWN_OTHERS = 5
SENTENCES = 3

Place = tuple[str, int, int | None]


def formula_and_others(record: ExplanationRecord) -> str:
    """Show the formula, below it the first ones that score the same (=) or nearly so (~)."""
    same = [other for other in record.tied or () if other.formula != record.formula]
    lines = [f"= {other.formula}" for other in same]
    lines += [f"~ {other.formula} ({iou(other.iou)})" for other in record.near or ()]
    hidden = len(lines) - SHOWN_OTHERS + (record.more_near or 0)
    if record.near_complete is False:
        lines[SHOWN_OTHERS:] = [f"and at least {max(0, hidden):,} more"]
    elif hidden > 0:
        lines[SHOWN_OTHERS:] = [f"and {hidden:,} more"]
    return "\n".join([record.formula or MISSING, *lines])


def iou_and_bound(record: ExplanationRecord) -> str:
    """Show the IoU of a formula, and the bound that is left where nothing is proven yet."""
    if record.formula is None:
        return MISSING
    if record.proven is not False or record.bound is UNSET:
        return iou(record.iou)
    return f"{iou(record.iou)} (at most {iou(record.bound)})"


def what_each_adds(record: ExplanationRecord) -> str:
    """Show the IoU of the best single concept, and what each further concept adds to it."""
    return " +".join(f"{level.adds:.3f}" for level in record.by_length)


COLUMNS = (
    UNIT,
    RANGE,
    replace(ACTIVATION, spare=True),
    Column("formula", "formula", style="bold", show=formula_and_others, named=True),
    MCC,
    LIFT,
    Column("IoU", "iou", right=True, show=iou_and_bound),
    Column("by concepts", "by_length", style="dim", show=what_each_adds, spare=True),
    replace(HITS, spare=True),
)


def tolerance_of(reading: ReadingOptions) -> float:
    """Read ``--simplest``."""
    return parse_share("--simplest", reading.simplest)


def as_read(
    records: Iterable[ExplanationRecord], tolerance: float = TOLERANCE, sort: Sort = "mcc"
) -> list[ExplanationRecord]:
    """Return explanations in their simplest form, in the order that was asked for."""
    return sorted((simplified(each, tolerance) for each in records), key=sort_key(sort))


class Gist:
    """What a table says of explanations that come a unit at a time, of which few are kept.

    It has the first ``most`` of a sorted table (``None``: all), and the units with the most
    surprising explanations.
    """

    def __init__(self, most: int | None, tolerance: float, sort: Sort) -> None:
        self._most, self._tolerance, self._sort = most, tolerance, sort
        self._worth, self._surprise = sort_key(sort), sort_key("mcc")
        # With what they are sorted by, and the order in which they came.
        self._shown: list[tuple[Any, int, ExplanationRecord]] = []
        self._leading: list[tuple[Any, int, Sequence[ExplanationRecord]]] = []
        self._layers: set[str] = set()
        self._all = self._units = self._ranges = 0
        self._ious = array("d")

    def add(self, records: Sequence[ExplanationRecord]) -> None:
        """Take a unit's explanations, from the lowest range up."""
        before = self._all
        self._all += len(records)
        self._units += 1
        self._layers.update(record.layer for record in records)
        self._ranges += sum(record.range is not None for record in records)
        read = [simplified(each, self._tolerance) for each in records]
        self._ious.extend(record.iou for record in read if record.formula is not None)
        self._shown += ((self._worth(one), before + n, one) for n, one in enumerate(read))
        if self._most is not None:
            self._shown = nsmallest(self._most, self._shown)
        self._leading.append((min(map(self._surprise, records)), self._units, records))
        self._leading = nsmallest(SENTENCES, self._leading)

    @property
    def shown(self) -> list[ExplanationRecord]:
        """The first explanations, in their simplest form."""
        return [record for *_, record in sorted(self._shown)]

    @property
    def headline(self) -> str:
        """All explanations in a line, and how many of them are shown."""
        of = f"of {', '.join(sorted(self._layers))}"
        said = f"{self._units:,} {'unit' if self._units == 1 else 'units'} {of}"
        said += f", {len(self._ious):,} of {self._ranges:,} ranges explained"
        if self._ious:
            mean, best = sum(self._ious) / len(self._ious), max(self._ious)
            said += f"; IoU {iou(mean)} on average, {iou(best)} at best"
        if self._all == len(self._shown):
            return f"{said}."
        return f"{said}.\nThe first {len(self._shown):,} by {TITLES[self._sort]}; --all shows all."

    def tell(self, names: Mapping[str, str], progress: Progress) -> None:
        """Say of the units with the most surprising explanations what each responds to."""
        for *_, own in self._leading:
            where = f"{own[0].layer}: " if len(self._layers) > 1 else ""
            sentence = unit_sentence(own[0].unit, own, self._tolerance, names)
            progress.note(where + sentence)


def common_untrained(records: Iterable[ExplanationRecord], defaults: Defaults | None) -> set[Place]:
    """Say which explanations, as stored, are also common in the untrained network."""
    return {
        place_of(each)
        for each in records
        if defaults is not None and each.tree is not None and defaults.has(each.tree)
    }


def place_of(record: ExplanationRecord) -> Place:
    """Return the layer, unit and cluster of an explanation, which name it in whatever form."""
    return record.layer, record.unit, record.cluster


def marking(common: Collection[Place]) -> tuple[Column, ...]:
    """Return the column that marks some explanations as common; none where there are none."""

    def mark(record: ExplanationRecord) -> str:
        return "common" if place_of(record) in common else ""

    return (Column("untrained", "untrained", style="dim", show=mark),) if common else ()
