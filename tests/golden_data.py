"""The golden data: a small data set, two networks' activations, and what the authors' program said.

See ``tests/golden/README.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.formulas.formula import Formula, from_json
from ccx_cli.probe.ranges import Range

GOLDEN = Path(__file__).with_name("golden")
NETWORKS = ("none", "places365")


@dataclass(frozen=True)
class Recorded:
    """One recorded search."""

    unit: int
    num_clusters: int
    cluster: int
    range: Range
    hits: int
    length: int
    heuristic: str
    formula: Formula
    iou: float
    visited: int


@dataclass(frozen=True)
class GoldenNetwork:
    """What was recorded of one network."""

    name: str
    record: dict[str, Any]

    @cached_property
    def activations(self) -> NDArray[np.float32]:
        """``(24 units, 48 images, 7, 7)`` float32."""
        stored: NDArray[np.float32] = np.load(GOLDEN / f"activations_{self.name}.npy")
        return stored

    def ranges(self, num_clusters: int) -> list[tuple[Range, ...]]:
        """Recorded ranges by unit; none where the program crashed."""
        return [
            tuple(Range.from_json(ends) for ends in unit)
            for unit in self.record["ranges"][str(num_clusters)]
        ]

    @cached_property
    def explanations(self) -> list[Recorded]:
        """Recorded searches that found a formula."""
        found = []
        for entry in self.record["explanations"]:
            if "error" in entry or entry["hits"] == 0:
                continue
            num_clusters, unit = entry["num_clusters"], entry["unit"]
            found.append(
                Recorded(
                    unit=unit,
                    num_clusters=num_clusters,
                    cluster=entry["cluster"],
                    range=self.ranges(num_clusters)[unit][entry["cluster"]],
                    hits=entry["hits"],
                    length=entry["length"],
                    heuristic=entry["heuristic"],
                    formula=from_json(entry["formula"]),
                    iou=entry["iou"],
                    visited=entry["visited"],
                )
            )
        return found

    @cached_property
    def silent(self) -> list[tuple[int, int, int]]:
        """``(unit, num_clusters, cluster)`` where the program found no pixel in range."""
        return [
            (entry["unit"], entry["num_clusters"], entry["cluster"])
            for entry in self.record["explanations"]
            if entry.get("hits") == 0
        ]


def read_golden_network(name: str) -> GoldenNetwork:
    """Read what was recorded of ``none`` or ``places365``."""
    recorded = json.loads((GOLDEN / "golden.json").read_text(encoding="utf-8"))
    return GoldenNetwork(name, recorded[name])


def golden_dataset() -> BrodenDataset:
    """Open the data set."""
    return read_broden(GOLDEN / "dataset", "ade20k")
