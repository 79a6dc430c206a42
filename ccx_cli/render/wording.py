"""What figures say of an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ccx_cli.store.lines import Record


def formula_text(record: Record) -> str:
    """Return the formula, or that there is none."""
    return record["formula"] or "no concept meets this range"


def range_text(record: Record) -> str:
    """Return the range's ends, both excluded."""
    lower, upper = record["range"]
    if upper is None:
        return f"activation above {_number(lower)}" if lower is not None else "any activation"
    if lower is None:
        return f"activation below {_number(upper)}"
    return f"activation {_number(lower)} to {_number(upper)}"


def iou_text(record: Record) -> str:
    """Return the IoU, and whether a better formula may be there."""
    iou = f"IoU {record['iou']:.3f}"
    if record["formula"] is None:
        return iou
    bound = record.get("bound")
    if record.get("proven") is True:
        return f"{iou}, proven best"
    # With a length penalty the bound is one on what the formula scores, not on its IoU.
    if isinstance(bound, int | float) and record.get("score") == record["iou"]:
        return f"{iou}, at most {bound:.3f} possible"
    return f"{iou}, not proven best"


def network_text(about: Mapping[str, Any]) -> str:
    """Return which layer of which network, on which images, as far as a run's header says."""
    model, pretrained, layer, subset = (
        about.get(key) for key in ("model", "pretrained", "layer", "subset")
    )
    said = {None: "", "own": "", "given": "", "demo": "", "none": " (untrained)"}
    weights = said.get(pretrained, f" ({pretrained})")
    images = "all images" if subset == "all" else subset
    words = [
        f"{PurePath(str(model)).name}{weights}" if model else "",
        layer,
        f"on {images}" if images else "",
    ]
    return ", ".join(str(word) for word in words if word)


def _number(value: float) -> str:
    return f"{value:.4g}"
