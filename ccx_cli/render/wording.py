"""The words that figures, the report and tables use for an explanation and its network."""

from __future__ import annotations

from pathlib import PurePath

from msgspec import UNSET

from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.header import Header, weights_text


def formula_text(record: ExplanationRecord) -> str:
    """Return the formula, or a sentence that there is none."""
    return record.formula or "no concept meets this range"


def range_text(record: ExplanationRecord) -> str:
    """Return the ends of the range, both excluded, in words."""
    lower, upper = record.range or (None, None)
    if upper is None:
        return f"activation above {_number(lower)}" if lower is not None else "any activation"
    if lower is None:
        return f"activation below {_number(upper)}"
    return f"activation {_number(lower)} to {_number(upper)}"


def iou_text(record: ExplanationRecord) -> str:
    """Return the IoU, and whether it is proven that no formula scores higher."""
    iou = f"IoU {record.iou:.4f}"
    if record.formula is None:
        return iou
    if record.proven is True:
        return f"{iou}, proven over the search space"
    # With a length penalty, the bound limits the score and not the IoU.
    if record.bound is not UNSET and record.score == record.iou:
        return f"{iou}, not proven (bound {record.bound:.4f})"
    return f"{iou}, not proven"


def network_text(header: Header) -> str:
    """Return the layer, network and images of a run, as far as its header names them."""
    about = header.about
    model, layer, subset = about.model, about.layer, about.subset
    suffixes = {None: "", "own": "", "given": "", "demo": "", "none": " (untrained)"}
    weights = suffixes.get(about.weights_kind, f" ({about.weights_kind})")
    if about.own_weights is not None:
        weights = f" ({weights_text(about.own_weights, header.identity.weights_sha256)})"
    images = "all images" if subset == "all" else subset
    words = [
        f"{PurePath(str(model)).name}{weights}" if model else "",
        layer,
        f"on {images}" if images else "",
    ]
    return ", ".join(str(word) for word in words if word)


def _number(value: float) -> str:
    return f"{value:.4g}"
