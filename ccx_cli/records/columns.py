"""Explanations as columns, so that those of many units are counted and sorted at once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ccx_cli.formulas.formula import concepts_of, positive_concepts
from ccx_cli.records.explanation import ExplanationRecord, shorter, understood

NONE: Final = -1
"""In columns of whole numbers, what is not there."""
_TYPES: Final = {
    "unit": "q",
    "cluster": "q",
    "num_ranges": "q",
    "stop": "q",
    "hits": "q",
    "length": "q",
    "formula": "q",
    "is_range": "b",
    "is_complete": "b",
    "iou": "d",
    "baseline": "d",
    "lift": "d",
    "mcc": "d",
}
_NAN: Final = float("nan")


class _Packed(msgspec.Struct):
    """Columns as they are stored; texts and trees of formulas, and names by label number."""

    columns: dict[str, bytes]
    formulas: list[tuple[str, Any]]
    names: dict[int, str]
    concepts: bytes
    ends: bytes


class Columns:
    """The columns of explanations, in the order in which they were added.

    By name, arrays:

    unit, cluster, num_ranges, hits, length
        Of each explanation; the cluster is ``NONE`` without one.
    stop
        Where its line ends in the file.
    formula
        The number of its formula in ``formulas``, ``NONE`` without one.
    is_range, is_complete
        Whether it has a range, and whether lift and MCC were known when it was written.
    iou, baseline, lift, mcc
        Its scores, NaN where they are not known.

    Attributes
    ----------
    formulas
        The text and the tree, as JSON, of each distinct formula, maybe of none of them.
    names
        Of the concepts in them, by label number.
    concepts, ends
        The label numbers in the formulas, one formula after the other, and where each ends:
        first those that it asks for, in order, then, negative, those that it excludes.
    """

    def __init__(self) -> None:
        self._columns = {name: array(code) for name, code in _TYPES.items()}
        self.formulas: list[tuple[str, Any]] = []
        self.names: dict[int, str] = {}
        self.concepts, self.ends = array("q"), array("q")
        self._numbers: dict[tuple[str, bytes], int] | None = {}

    def __getitem__(self, name: str) -> array[Any]:
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._columns["unit"])

    @classmethod
    def of(cls, records: Iterable[ExplanationRecord]) -> Columns:
        """Make columns of explanations as they are."""
        columns = cls()
        for record in records:
            columns.add(record)
        return columns

    def add_simplest(self, record: ExplanationRecord, stop: int) -> None:
        """Add an explanation in its simplest form; its own formula is among ``formulas`` too."""
        if record.formula is not None:
            self._number_of(record.formula, record.labels)
        self._add(record, shorter(record) or record, stop)

    def add(self, record: ExplanationRecord) -> None:
        """Add an explanation as it is."""
        self._add(record, record, 0)

    def _add(self, record: ExplanationRecord, shown: Any, stop: int) -> None:
        number, length = NONE, record.length
        if shown.formula is not None:
            number = self._number_of(shown.formula, shown.labels)
            if shown is not record:
                length = sum(1 for _ in concepts_of(understood(shown.formula, shown.labels)[0]))
        row = (
            record.unit,
            NONE if record.cluster is None else record.cluster,
            record.num_ranges,
            stop,
            record.hits,
            length,
            number,
            record.range is not None,
            record.mcc is not UNSET,
            shown.iou,
            _score(record.baseline),
            _score(shown.lift),
            _score(shown.mcc),
        )
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def _number_of(self, text: str, labels: Any) -> int:
        """Return the number of a formula, a new one for one that is new."""
        if self._numbers is None:
            self._numbers = {
                (known, msgspec.json.encode(tree)): number
                for number, (known, tree) in enumerate(self.formulas)
            }
        key = (text, msgspec.json.encode(labels))
        number = self._numbers.setdefault(key, len(self.formulas))
        if number == len(self.formulas):
            formula, names = understood(text, labels)
            self.formulas.append((text, labels))
            self.names.update(names)
            self.concepts.extend(positive_concepts(formula))
            self.concepts.extend(-one for one in positive_concepts(formula, positive=False))
            self.ends.append(len(self.concepts))
        return number

    def packed(self) -> bytes:
        """Write them as MessagePack."""
        columns = {name: column.tobytes() for name, column in self._columns.items()}
        concepts, ends = self.concepts.tobytes(), self.ends.tobytes()
        return msgspec.msgpack.encode(_Packed(columns, self.formulas, self.names, concepts, ends))

    @classmethod
    def unpacked(cls, content: bytes | memoryview) -> Columns:
        """Read what ``packed`` wrote."""
        found = msgspec.msgpack.decode(content, type=_Packed)
        columns = cls()
        for name, column in columns._columns.items():
            column.frombytes(found.columns[name])
        columns.formulas, columns.names = found.formulas, found.names
        columns.concepts.frombytes(found.concepts)
        columns.ends.frombytes(found.ends)
        columns._numbers = None
        return columns


def _score(value: Any) -> float:
    return value if isinstance(value, float) else _NAN
