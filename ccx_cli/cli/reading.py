"""Explanations as tables show them: the most surprising first, each in its simplest form."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from msgspec import UNSET

from ccx_cli.cli.options import ReadingOptions, Sort
from ccx_cli.cli.output import ACTIVATION, HITS, LIFT, MCC, RANGE, UNIT, Column
from ccx_cli.cli.searching import parse_share
from ccx_cli.design import MISSING, TITLES, iou
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.runs.findings import TOLERANCE, by_surprise, simplified, sort_key, unit_sentence
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
    """Show the IoU, and the bound that is left where nothing is proven yet."""
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


def in_a_line(records: Sequence[ExplanationRecord], shown: int, sort: Sort) -> str:
    """Sum explanations up, and say how many of them are ``shown`` of a sorted table."""
    units = {(record.layer, record.unit) for record in records}
    layers = {layer for layer, _ in units}
    ious = [record.iou for record in records if record.formula is not None]
    ranges = sum(record.range is not None for record in records)
    said = f"{len(units):,} {'unit' if len(units) == 1 else 'units'} of {', '.join(sorted(layers))}"
    said += f", {len(ious):,} of {ranges:,} ranges explained"
    if ious:
        said += f"; IoU {iou(sum(ious) / len(ious))} on average, {iou(max(ious))} at best"
    if shown == len(records):
        return f"{said}."
    return f"{said}.\nThe first {shown:,} by {TITLES[sort]}; --all shows all."


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


def tell_sentences(
    records: Iterable[ExplanationRecord],
    tolerance: float,
    names: Mapping[str, str],
    progress: Progress,
) -> None:
    """Say of the units with the most surprising explanations what each responds to."""
    units: dict[tuple[str, int], list[ExplanationRecord]] = {}
    for record in by_surprise(records):
        units.setdefault((record.layer, record.unit), []).append(record)
    several = len({layer for layer, _ in units}) > 1
    for (layer, unit), own in list(units.items())[:SENTENCES]:
        ranges = sorted(own, key=lambda record: record.cluster or 0)
        where = f"{layer}: " if several else ""
        progress.note(where + unit_sentence(unit, ranges, tolerance, names))
