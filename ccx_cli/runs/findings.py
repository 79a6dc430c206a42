"""What is worth reading of explanations first: the most surprising, in their simplest form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.formulas.formula import concepts_of, from_json, renamed
from ccx_cli.formulas.parse import without_suffix
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord

TOLERANCE = 0.01
_ASCENDING = frozenset({"unit", "layer", "cluster", "range", "formula", "length"})
_OF_OPTIMUM = ("score", "proven", "bound", "gap", "rounds", "nodes", "ties", "tied", "near")
_MOST_WEAKER = 2

R = TypeVar("R")


def sort_key(name: str) -> Callable[[Any], tuple[bool, Any]]:
    """Return the key that sorts records by a column: what is not known last.

    Measures go from the largest down; numbers of units and ranges, lengths and texts go up.
    """

    def key(record: Any) -> tuple[bool, Any]:
        value = record.get(name) if isinstance(record, dict) else getattr(record, name)
        if value is None or value is UNSET:
            return (True, 0)
        return (False, value if name in _ASCENDING else -value)

    return key


def by_surprise(records: Iterable[R]) -> list[R]:
    """Sort by MCC, the largest first; records of equal MCC stay in their order."""
    return sorted(records, key=sort_key("mcc"))


def simplest(record: ExplanationRecord, tolerance: float = TOLERANCE) -> BestOfLength | None:
    """Return the shortest best formula whose IoU is within ``tolerance`` of the explanation's.

    ``tolerance`` is a share of the explanation's IoU, 0 for the explanation's formula itself. Only
    the best formulas of each length compete; ``None`` without a formula, or where the lengths were
    not stored.
    """
    for level in record.by_length:
        if level.iou >= (1 - tolerance) * record.iou and level.length <= record.length:
            return level
    return None


def simplified(record: ExplanationRecord, tolerance: float = TOLERANCE) -> ExplanationRecord:
    """Return an explanation with its ``simplest`` formula, to be read by people.

    What is said of the optimum, such as its proof, is left out where another formula takes its
    place; ``by_length`` still ends with it. An explanation stays as it is where its IoU on held-out
    images is known, which is that of the optimum, and where an older version left its shorter
    formulas as text alone.
    """
    level = simplest(record, tolerance)
    if level is None or level.labels is UNSET or level.formula == record.formula:
        return record
    if record.held_out_iou is not UNSET:
        return record
    return replace(
        record,
        formula=level.formula,
        labels=level.labels,
        iou=level.iou,
        length=sum(1 for _ in concepts_of(from_json(level.labels))),
        lift=level.lift,
        mcc=level.mcc,
        **dict.fromkeys(_OF_OPTIMUM, UNSET),
        more_near=UNSET,
    )


def kept_concepts(record: ExplanationRecord, tolerance: float = TOLERANCE) -> frozenset[int]:
    """Return the label numbers in a formula that are in its ``simplest`` form too.

    The others add less than ``tolerance``, and may be dimmed. All are kept where the simplest form
    is made of other concepts.
    """
    if record.tree is None:
        return frozenset()
    own, level = frozenset(concepts_of(record.tree)), simplest(record, tolerance)
    if level is None or level.labels is UNSET:
        return own
    kept = frozenset(concepts_of(from_json(level.labels)))
    return kept if kept <= own else own


def short_names(names: Mapping[int, str] | Iterable[str]) -> dict[str, str]:
    """Return for each name what people read: without the suffix of its category, as ``red``.

    ``names`` are the whole vocabulary of a dataset. A name keeps its suffix where another concept
    has the rest as its name, or as its own rest, in whatever case.
    """
    every = list(names.values() if isinstance(names, Mapping) else names)
    taken = Counter(
        form for name in every for form in {name.casefold(), without_suffix(name).casefold()}
    )
    rests = {name: without_suffix(name) for name in every}
    return {name: rest if taken[rest.casefold()] == 1 else name for name, rest in rests.items()}


def short_text(text: str, short: Mapping[str, str]) -> str:
    """Write a formula's text with the names of ``short_names``; a name it lacks stays."""
    return renamed(text, lambda name: short.get(name, name))


def unit_sentence(
    unit: int,
    records: Sequence[ExplanationRecord],
    tolerance: float = TOLERANCE,
    short: Mapping[str, str] | None = None,
) -> str:
    """Say in a sentence what a unit responds to, by rule.

    Parameters
    ----------
    unit
        Its number.
    records
        Its explanations, from the lowest range up.
    tolerance
        Formulas are the ``simplest`` within it.
    short
        What names are written as, from ``short_names``; as they are by default.

    Returns
    -------
    The formula of the highest range is what the unit responds to, strongest to; those of the upper
    half of its ranges follow, and last what the lowest range is on. A formula that does not
    beat chance, its MCC not above 0, is not named.
    """
    ranged = [simplified(record, tolerance) for record in records if record.range is not None]
    if not ranged:
        return f"Unit {unit} never fires."
    if not any(record.formula for record in ranged):
        return f"Unit {unit} responds to no labeled concept."
    top = ranged[-1]
    said: list[str | None] = []

    def said_of(record: ExplanationRecord) -> str:
        said.append(record.formula)
        text = short_text(record.formula or "", short or {})
        return f"{text} ({_worth(record)})"

    def is_news(record: ExplanationRecord) -> bool:
        return _beats_chance(record) and record.formula not in said

    if len(ranged) == 1:
        if not _beats_chance(top):
            return f"Unit {unit} responds to no labeled concept more than by chance."
        return f"Unit {unit} responds to {said_of(top)}."
    parts = []
    if _beats_chance(top):
        parts.append(f"responds strongest to {said_of(top)}")
    weaker: list[str] = []
    for record in reversed(ranged[len(ranged) // 2 : -1]):
        if is_news(record) and len(weaker) < _MOST_WEAKER:
            weaker.append(said_of(record))
    if weaker:
        parts.append(f"{'weaker' if parts else 'responds weakly'} to {' and '.join(weaker)}")
    if is_news(ranged[0]):
        parts.append(f"is least active on {said_of(ranged[0])}")
    if not parts:
        return f"Unit {unit} responds to no labeled concept more than by chance."
    if not _beats_chance(top):
        parts.append("its strongest responses match no labeled concept more than by chance")
    return f"Unit {unit} {'; '.join(parts)}."


def _beats_chance(record: ExplanationRecord) -> bool:
    """Tell whether a formula beats chance, or whether that is not known."""
    return record.formula is not None and (record.mcc is UNSET or (record.mcc or 0) > 0)


def _worth(record: ExplanationRecord) -> str:
    iou = f"IoU {record.iou:.2g}"
    if record.lift is UNSET or record.lift is None:
        return iou
    return f"{iou}, {record.lift:,.{0 if record.lift >= 10 else 1}f} times chance"
