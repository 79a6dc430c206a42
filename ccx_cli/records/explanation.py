"""The explanation of one range of one unit: a line of ``explanations.jsonl``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, structs

from ccx_cli import design
from ccx_cli.formulas.formula import Formula, concepts_of, from_json, names_in
from ccx_cli.records.fields import (
    F1,
    Baseline,
    Cosine,
    FormulaOrNone,
    FormulaText,
    Hits,
    HoldsZero,
    Iou,
    Lift,
    Maybe,
    Mcc,
    Pearson,
    Proportion,
    Record,
    Tree,
    TreeOrNone,
    UnitRange,
    count,
    doc,
    share,
)

SOFT = ("soft-iou", "pearson", "cosine")
"""Objectives of a unit's whole activation: one explanation a unit."""
TOLERANCE = 0.01


class BestOfLength(Record):
    """The best formula of at most a number of concepts."""

    length: Annotated[int, doc("Maximum number of concepts.", ge=1)]
    formula: FormulaText
    iou: Iou
    adds: Annotated[float, doc("IoU, or its score, minus that of the length before.")]
    proven: Annotated[bool, doc("Whether no formula of the space, of this length, scores higher.")]
    lift: Maybe[Lift] = UNSET
    mcc: Maybe[Mcc] = UNSET
    f1: Maybe[F1] = UNSET
    pearson: Maybe[Pearson] = UNSET
    cosine: Maybe[Cosine] = UNSET
    labels: Maybe[Tree] = UNSET
    score: Maybe[Annotated[float, count("With another --objective: what it maximizes.")]] = UNSET


class ListedFormula(Record):
    """Another formula that scores the same, or nearly."""

    formula: FormulaText
    iou: Iou
    labels: Tree


class ExplainedRange(UnitRange):
    """Which range of which unit, and its formula."""

    hits: Hits
    formula: FormulaOrNone


class ExplanationRecord(ExplainedRange, kw_only=True):
    """The explanation of one range of one unit."""

    iou: Annotated[float, share("IoU of the formula's pixels and the hits; 0 without a formula.")]
    length: Annotated[int, count("Number of concepts in the formula.")]
    baseline: Maybe[Baseline] = UNSET
    lift: Maybe[Lift] = UNSET
    mcc: Maybe[Mcc] = UNSET
    f1: Maybe[F1] = UNSET
    pearson: Maybe[Pearson] = UNSET
    cosine: Maybe[Cosine] = UNSET
    search: Annotated[str, doc("The search that found it, by its name in --search.")]
    visited: Annotated[int, count("Formulas that the search scored one by one.")]
    labels: TreeOrNone
    by_length: Annotated[
        list[BestOfLength], doc("The best formula of at most 1, 2, ... concepts.")
    ] = msgspec.field(default_factory=list)
    objective: Maybe[
        Annotated[
            str,
            doc(
                "With another --objective than iou: its name. soft-iou, pearson and cosine are of "
                "the unit's whole activation: range, hits, iou, lift, mcc and f1 are then those of "
                "its highest range."
            ),
        ]
    ] = UNSET
    score: Maybe[Annotated[float, count("Optimum only: the objective times the penalty.")]] = UNSET
    proven: Maybe[
        Annotated[bool, doc("Optimum only: whether no formula of the space scores higher.")]
    ] = UNSET
    bound: Maybe[
        Annotated[float, count("Optimum only: no formula of the space scores higher than this.")]
    ] = UNSET
    gap: Maybe[Annotated[float, doc("Optimum only: the bound minus the score.")]] = UNSET
    rounds: Maybe[Annotated[int, count("Optimum only: better formulas found on the way.")]] = UNSET
    nodes: Maybe[Annotated[int, count("Optimum only: triples counted, formulas expanded.")]] = UNSET
    ties: Maybe[Annotated[int, count("Optimum only: distinct formulas of the same score.")]] = UNSET
    tied: Maybe[
        Annotated[list[ListedFormula], doc("With --ties: formulas of the same score, this first.")]
    ] = UNSET
    near: Maybe[
        Annotated[
            list[ListedFormula], doc("With --within: others that score that near, best first.")
        ]
    ] = UNSET
    more_near: Maybe[Annotated[int, count("With --within: how many more there are.")]] = UNSET
    near_complete: Maybe[
        Annotated[bool, doc("With --within: false if a limit ended their search; else absent.")]
    ] = UNSET
    holds_zero: HoldsZero = UNSET
    skipped: Maybe[
        Annotated[bool, doc("True where --skip-zero-range left it out; else absent.")]
    ] = UNSET
    split: Maybe[Annotated[str, doc("With --split: the split of the dataset searched.")]] = UNSET
    held_out_iou: Maybe[
        Annotated[
            Proportion | None,
            doc("With --split: IoU on the others; null without formula or pixels."),
        ]
    ] = UNSET

    def __post_init__(self) -> None:
        if (self.cluster is None) != (self.range is None):
            raise ValueError("a cluster without a range, or a range without a cluster")
        if (self.formula is None) != (self.labels is None):
            raise ValueError("a formula without labels, or labels without a formula")
        if self.formula is not None:
            understood(self.formula, self.labels)
        if self.range is not None and design.holds_zero(self.range):
            # Also in lines of older versions.
            msgspec.structs.force_setattr(self, "holds_zero", True)

    @property
    def why_none(self) -> str:
        """Why there is no formula, in few words."""
        if self.range is None:
            return design.NEVER_FIRES
        return design.SKIPPED if self.skipped is True else design.NO_FORMULA

    @property
    def tree(self) -> Formula | None:
        """The formula; ``None`` without one."""
        if self.formula is None:
            return None
        return understood(self.formula, self.labels)[0]

    @property
    def names(self) -> Mapping[int, str]:
        """The names of the concepts in the formula, by label number, from left to right."""
        if self.formula is None:
            return {}
        return understood(self.formula, self.labels)[1]


def understood(text: str, labels: Any) -> tuple[Formula, Mapping[int, str]]:
    """Read a formula and the names in it, by label number, from its text and its tree as JSON."""
    return _understood(text, msgspec.json.encode(labels))


@lru_cache(1 << 16)
def _understood(text: str, labels: bytes) -> tuple[Formula, Mapping[int, str]]:
    """Read a formula and the names in it, once for the many ranges that have it."""
    formula = from_json(msgspec.json.decode(labels))
    numbers, names = list(concepts_of(formula)), names_in(text)
    if len(numbers) != len(names):
        raise ValueError("the text and the labels of the formula differ")
    return formula, MappingProxyType(dict(zip(numbers, names, strict=True)))


def names_of(records: Iterable[ExplanationRecord]) -> dict[int, str]:
    """Return the names of all label numbers in the records' formulas."""
    names: dict[int, str] = {}
    for record in records:
        names.update(record.names)
    return names


def simplest(record: ExplanationRecord, tolerance: float = TOLERANCE) -> BestOfLength | None:
    """Return the shortest best formula whose objective is within ``tolerance`` of the best.

    The objective is IoU where the search had no other. ``tolerance`` is a share of the best.
    Only the best formulas of each length compete; ``None``
    without a formula, or where the lengths were not stored.
    """
    if not record.by_length:
        return None
    levels = [level for level in record.by_length if level.length <= record.length]
    scores = [level.iou if level.score is UNSET else level.score for level in levels]
    by_iou = all(level.score is UNSET for level in levels)
    position = first_within(scores, record.iou if by_iou else scores[-1], tolerance)
    return None if position is None else levels[position]


def shorter(record: ExplanationRecord, tolerance: float = TOLERANCE) -> BestOfLength | None:
    """Return the ``simplest`` formula if it can be read in the place of an explanation's own.

    An explanation stays as it is where its IoU on held-out images is known, which is that of the
    optimum, and where an older version left its shorter formulas as text alone.
    """
    level = simplest(record, tolerance)
    if level is None or level.labels is UNSET or level.formula == record.formula:
        return None
    return level if record.held_out_iou is UNSET else None


def first_within(scores: Sequence[float], best: float, tolerance: float = TOLERANCE) -> int | None:
    """Return the position of the first score within a share of the best."""
    near = (n for n, score in enumerate(scores) if score >= (1 - tolerance) * best)
    return next(near, None)


class BriefExplanation(ExplanationRecord, gc=False):
    """An explanation as lists need it: its own formula, and those that ``simplest`` looks at."""

    LEFT_OUT: ClassVar = frozenset({"by_length", "tied", "near"})

    def __post_init__(self) -> None:
        """Leave out what was checked when the line was read."""

    @classmethod
    def of(cls, record: ExplanationRecord) -> BriefExplanation:
        """Leave out of an explanation what lists do not need."""
        level = simplest(record)
        is_simplest = level is None or level.formula == record.formula
        beside = {"by_length": [] if is_simplest else record.by_length}
        return cls(**structs.asdict(record) | beside | {"tied": UNSET, "near": UNSET})
