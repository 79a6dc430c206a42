"""An explanation: what a search found for one range of one unit, and its line in the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccx_cli.probe.ranges import Range
from ccx_cli.search.formula import Formula, length_of, to_json


@dataclass(frozen=True, slots=True)
class Explanation:
    """The best formula for one range of one unit.

    Attributes
    ----------
    unit, layer
        Which unit.
    cluster
        The range's number from the lowest up, or ``None`` for a unit that has no range.
    num_clusters
        Ranges asked for.
    num_ranges
        Ranges the unit has: fewer where it has fewer distinct values.
    range
        The range itself.
    hits
        Pixels in range.
    formula, text
        The formula and its text; ``None`` where no concept meets the range.
    iou
        Intersection over union, 0 without a formula.
    search
        The name of the search.
    visited
        Formulas whose exact IoU was computed.
    """

    unit: int
    layer: str
    cluster: int | None
    num_clusters: int
    num_ranges: int
    range: Range | None
    hits: int
    formula: Formula | None
    text: str | None
    iou: float
    search: str
    visited: int

    def to_record(self) -> dict[str, Any]:
        """Return the explanation as a line of the results, with the documented keys."""
        return {
            "unit": self.unit,
            "layer": self.layer,
            "cluster": self.cluster,
            "num_clusters": self.num_clusters,
            "num_ranges": self.num_ranges,
            "range": None if self.range is None else self.range.to_json(),
            "hits": self.hits,
            "formula": self.text,
            "iou": self.iou,
            "length": 0 if self.formula is None else length_of(self.formula),
            "search": self.search,
            "visited": self.visited,
            "labels": None if self.formula is None else to_json(self.formula),
        }
