"""Explanation records for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from ccx_cli.records.explanation import ExplanationRecord


def explanation(unit: int = 0, cluster: int | None = 0, **other: Any) -> ExplanationRecord:
    """An explanation of one range."""
    ends = None if cluster is None else [0.5, 1.5] if cluster == 0 else [1.5, None]
    record: dict[str, Any] = {
        "unit": unit,
        "layer": "layer4",
        "cluster": cluster,
        "num_clusters": 2,
        "num_ranges": 0 if cluster is None else 2,
        "range": ends,
        "hits": 7,
        "formula": None if cluster is None else "sky AND NOT sea",
        "iou": 0.25,
        "length": 2,
        "search": "beam",
        "visited": 3,
        "labels": None if cluster is None else ["AND", 3, ["NOT", 9]],
        "by_length": [],
    }
    return msgspec.convert(record | other, ExplanationRecord)
