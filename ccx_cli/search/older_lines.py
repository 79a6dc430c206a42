"""What explanations of older versions lack, from what they hold: lift, MCC, trees of formulas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Formula, from_json, to_json
from ccx_cli.formulas.parse import Vocabulary, parse_formula
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord
from ccx_cli.search.overlap import Overlap
from ccx_cli.search.scoring import holds_on


class FormulaSizes:
    """``|F|`` of formulas on the images that were searched, each counted once.

    With it the hits and the IoU of an explanation give ``|N & F|``, and so all the rest, exactly.
    """

    def __init__(self, index: ConceptIndex) -> None:
        self._index = index
        self._vocabulary = Vocabulary(index.names)
        self._sizes: dict[Formula, int] = {}

    def completed(self, records: Iterable[ExplanationRecord]) -> list[ExplanationRecord]:
        """Add what records lack; what cannot be known, as in a damaged line, stays out."""
        return [record if is_complete(record) else self._completed(record) for record in records]

    def _completed(self, record: ExplanationRecord) -> ExplanationRecord:
        pixels = self._index.n_pixels
        return replace(
            record,
            baseline=None if record.range is None else record.hits / pixels,
            by_length=[self._level(level, record.hits) for level in record.by_length],
            **self._chance(record.tree, record.iou, record.hits),
        )

    def _level(self, level: BestOfLength, hits: int) -> BestOfLength:
        if level.labels is UNSET:
            try:
                formula = parse_formula(level.formula, self._vocabulary)
            except UsageError:  # Two concepts may have one name.
                return level
            level = replace(level, labels=to_json(formula))
        return replace(level, **self._chance(from_json(level.labels), level.iou, hits))

    def _chance(self, formula: Formula | None, iou: float, hits: int) -> dict[str, Any]:
        if formula is None:
            return {"lift": None, "mcc": None}
        try:
            found = Overlap.of_iou(iou, hits, self._size(formula), self._index.n_pixels)
        except ValueError:
            return {}
        return {"lift": found.lift, "mcc": found.mcc}

    def _size(self, formula: Formula) -> int:
        if formula not in self._sizes:
            holds = holds_on(formula, self._index)
            self._sizes[formula] = int(self._index.sets.totals[holds].sum())
        return self._sizes[formula]


def is_complete(record: Any) -> bool:
    """Tell whether a record was written by a version that knew lift and MCC."""
    return record.mcc is not UNSET
