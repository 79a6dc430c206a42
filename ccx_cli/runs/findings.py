"""What is worth reading of explanations first: the most surprising, in their simplest form."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli import design
from ccx_cli.concepts.broden_csv import Label
from ccx_cli.formulas.formula import concepts_of, from_json, names_in, renamed
from ccx_cli.formulas.parse import without_suffix
from ccx_cli.records.explanation import SOFT, TOLERANCE, ExplanationRecord, shorter, simplest
from ccx_cli.records.fields import Maybe, Record
from ccx_cli.runs.run import Run

_ASCENDING = frozenset({"unit", "layer", "cluster", "range", "formula", "length"})
_OF_OPTIMUM = ("score", "proven", "bound", "gap", "rounds", "nodes", "ties", "tied", "near")
_NOTABLE = 2.0
_RESPONDS = "responds to"

R = TypeVar("R")


def sort_key(name: str) -> Callable[[Any], tuple[bool, Any]]:
    """Return the key that sorts records by a column, measures downward, the unknown last.

    Records without a ``length`` have that of their formula.
    """

    def key(record: Any) -> tuple[bool, Any]:
        get = record.get if isinstance(record, dict) else partial(getattr, record)
        value, formula = get(name, None), get("formula", None)
        if name == "length" and value is None and formula is not None:
            value = len(names_in(formula))
        if value is None or value is UNSET:
            return (True, 0)
        return (False, value if name in _ASCENDING else -value)

    return key


def by_surprise(records: Iterable[R]) -> list[R]:
    """Sort by MCC, the largest first; records of equal MCC stay in their order."""
    return sorted(records, key=sort_key("mcc"))


class _Lead(Record):
    """What units are ranked by."""

    unit: int
    mcc: Maybe[float | None] = UNSET


def leading_units(run: Run, most: int) -> list[int]:
    """Return the units of the highest MCC, ascending; of equals the first."""
    units = dict.fromkeys(each.unit for each in by_surprise(run.records_as(_Lead)))
    return sorted(islice(units, most))


def simplified(record: ExplanationRecord, tolerance: float = TOLERANCE) -> ExplanationRecord:
    """Return an explanation with its ``simplest`` formula, to be read by people.

    What is said of the optimum alone, as its proof, is left out where another formula takes its
    place, as ``shorter`` says; ``by_length`` still ends with it.
    """
    level = shorter(record, tolerance)
    if level is None:
        return record
    return replace(
        record,
        formula=level.formula,
        labels=level.labels,
        iou=level.iou,
        length=sum(1 for _ in concepts_of(from_json(level.labels))),
        lift=level.lift,
        mcc=level.mcc,
        f1=level.f1,
        pearson=level.pearson,
        cosine=level.cosine,
        **dict.fromkeys(_OF_OPTIMUM, UNSET) | {"score": level.score},
        more_near=UNSET,
        near_complete=UNSET,
    )


def alone(record: ExplanationRecord) -> ExplanationRecord:
    """Leave out the formulas beside an explanation's own, which are most of it in memory."""
    if not record.by_length and record.tied is UNSET and record.near is UNSET:
        return record
    return replace(record, by_length=[], tied=UNSET, near=UNSET)


def kept_concepts(record: ExplanationRecord, tolerance: float = TOLERANCE) -> frozenset[int]:
    """Return the labels that are in the ``simplest`` formula too; all where that has others."""
    if record.tree is None:
        return frozenset()
    own, level = frozenset(concepts_of(record.tree)), simplest(record, tolerance)
    if level is None or level.labels is UNSET:
        return own
    kept = frozenset(concepts_of(from_json(level.labels)))
    return kept if kept <= own else own


def short_names(names: Mapping[int, str] | Iterable[str | Label]) -> dict[str, str]:
    """Return for each name what people read: without the suffix of its category, as ``red``.

    ``names`` are the whole vocabulary of a dataset, best as labels, whose categories tell a suffix
    from a name such as ``vitamin-c``. A name keeps its suffix where another concept has the rest
    as its name, or as its own rest, in whatever case.
    """
    rests = []
    for each in names.values() if isinstance(names, Mapping) else names:
        name, category = (each, None) if isinstance(each, str) else (each.name, each.category)
        rests.append((name, without_suffix(name, category)))
    taken = Counter(form for pair in rests for form in {text.casefold() for text in pair})
    return {name: rest if taken[rest.casefold()] == 1 else name for name, rest in rests}


def short_text(text: str, short: Mapping[str, str]) -> str:
    """Write a formula's text with the names of ``short_names``; a name it lacks stays."""
    return renamed(text, lambda name: short.get(name, name))


def response_of(
    records: Sequence[ExplanationRecord], tolerance: float = TOLERANCE
) -> ExplanationRecord | None:
    """Return the explanation that says what a unit responds to, as ``unit_sentence`` finds it.

    ``None`` where no formula in the upper half of its ranges beats chance, or where its only range
    is not one of high activations.
    """
    ranged = _ranged(records, tolerance)
    if not ranged or (len(ranged) == 1 and _does(ranged[0]) != _RESPONDS):
        return None
    lead = _lead_of(ranged)
    return lead if _lift(lead) > 1 else None


def _ranged(records: Sequence[ExplanationRecord], tolerance: float) -> list[ExplanationRecord]:
    """Return the explanations of ranges that were searched, in their simplest form."""
    return [
        simplified(record, tolerance)
        for record in records
        if record.range is not None and record.skipped is UNSET
    ]


def _upper(ranged: Sequence[ExplanationRecord]) -> Sequence[ExplanationRecord]:
    return ranged[max(1, len(ranged) // 2) :] or ranged


def _lead_of(ranged: Sequence[ExplanationRecord]) -> ExplanationRecord:
    return by_surprise(reversed(_upper(ranged)))[0]


def unit_sentence(
    unit: int,
    records: Sequence[ExplanationRecord],
    tolerance: float = TOLERANCE,
    short: Mapping[str, str] | None = None,
) -> str:
    """Say in a sentence what a unit responds to, by rule.

    ``records`` are its explanations, from the lowest range up; their formulas are the ``simplest``
    within ``tolerance``, written with the names of ``short``. What the unit responds to is the
    formula of the largest MCC in the upper half of its ranges; most strongly, that of its highest
    range, and where the two are one, more weakly, that of the next range below. The lowest range is
    where the unit is least active if it has negative activations; else it responds weakly there,
    which is said if its MCC is larger. No formula is named that does not beat chance, nor one of
    the last two below twice that.
    """
    if not any(record.range for record in records):
        return f"Unit {unit} never fires."
    ranged = _ranged(records, tolerance)
    if not ranged:
        return f"Unit {unit} has no range but the one that holds zero, which was skipped."
    if not any(record.hits for record in ranged):
        return f"Unit {unit} has no pixels strictly inside its ranges."
    if not any(record.formula for record in ranged):
        return f"Unit {unit} responds to no labeled concept."

    def named(record: ExplanationRecord) -> str:
        return f"{short_text(record.formula or '', short or {})}{_worth(record)}"

    lowest, top = ranged[0], ranged[-1]
    upper, lead = _upper(ranged), _lead_of(ranged)
    parts: list[str] = []
    said = {top.formula, lead.formula}
    if len(ranged) == 1 and _lift(top) > 1:
        parts.append(f"{_does(top)} {named(top)}")
    elif lead is not top and _lift(lead) > 1:
        parts.append(f"responds to {named(lead)}")
        if _lift(top) > 1 and top.formula != lead.formula:
            parts.append(f"most strongly to {named(top)}")
    elif _lift(top) > 1:
        parts.append(f"responds most strongly to {named(top)}")
        others = (each for each in reversed(upper) if each.formula != top.formula)
        below = next((each for each in others if _lift(each) >= _NOTABLE), None)
        if below is not None:
            parts.append(f"more weakly to {named(below)}")
            said.add(below.formula)
    if _lift(lowest) >= _NOTABLE and lowest.formula not in said:
        lower, _ = lowest.range or (None, None)
        also = "and " if parts else ""
        if lower is None or lower < 0:
            parts.append(f"{also}is least active on {named(lowest)}")
        # Behind a ReLU, zeros are in no range: the lowest is not where the unit is silent.
        elif by_surprise([lead, lowest])[0] is lowest:
            parts.append(f"{also or 'responds '}weakly to {named(lowest)}")
    if not parts:
        return f"Unit {unit} responds to no labeled concept more than by chance."
    rest = "" if _lift(top) > 1 else "; its strongest responses match no concept beyond chance"
    return f"Unit {unit} {', '.join(parts)}{rest}."


def _does(record: ExplanationRecord) -> str:
    """Say what a unit does on the pixels of its only range, which need not be a high one.

    By a soft objective the formula is of the whole activation, and the range the highest.
    """
    lower, upper = record.range or (None, None)
    if upper is None or record.objective in SOFT:
        return _RESPONDS
    ends = "up to" if lower is None else f"between {design.activation(lower)} and"
    return f"is {ends} {design.activation(upper)} on"


def _lift(record: ExplanationRecord) -> float:
    """Return the lift: 0 without a formula, and more than any where it is not known."""
    if record.formula is None:
        return 0.0
    return math.inf if record.lift is UNSET else record.lift or 0.0


def _worth(record: ExplanationRecord) -> str:
    lift = record.lift
    times = ""
    if isinstance(lift, float):
        times = f", {design.lift(lift).removesuffix(design.TIMES)} times chance"
    return f" (IoU {record.iou:#.2g}{times})"
