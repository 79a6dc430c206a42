"""The words that figures, the report and tables use for an explanation and its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli import design
from ccx_cli.errors import CcxError
from ccx_cli.records.explanation import BestOfLength, ExplanationRecord
from ccx_cli.records.header import Header, model_name, weights_text
from ccx_cli.runs.findings import short_names, short_text, simplified
from ccx_cli.runs.inputs import RunInputs

Units = Mapping[int, Sequence[ExplanationRecord]]


def readable(
    inputs: RunInputs, units: Units, tolerance: float
) -> dict[int, list[ExplanationRecord]]:
    """Return explanations as people read them: in their simplest form, with short names.

    ``tolerance`` is that of ``simplified``. Names stay as they are where the run's dataset cannot
    be read.
    """
    short: dict[str, str] = {}
    with suppress(CcxError):
        short = short_names(inputs.dataset.labels)

    def read(record: ExplanationRecord) -> ExplanationRecord:
        plain = simplified(record, tolerance)
        levels = [
            replace(level, formula=short_text(level.formula, short)) for level in plain.by_length
        ]
        formula = None if plain.formula is None else short_text(plain.formula, short)
        return replace(plain, formula=formula, by_length=levels)

    return {unit: [read(record) for record in records] for unit, records in units.items()}


def formula_text(record: ExplanationRecord) -> str:
    """Return the formula, or a sentence that there is none."""
    return record.formula or record.why_none


def worth_text(record: ExplanationRecord) -> str:
    """Return the IoU and what it is worth against chance, as far as that is known."""
    measures = [f"IoU {design.iou(record.iou)}"]
    if record.mcc is not UNSET and record.mcc is not None:
        measures.append(f"MCC {design.mcc(record.mcc)}")
    if record.lift is not UNSET and record.lift is not None:
        measures.append(f"{design.lift(record.lift)} chance")
    return " · ".join(measures)


def best_of(record: ExplanationRecord) -> ExplanationRecord | BestOfLength:
    """Return the best formula of a range, of which a simpler one may be shown.

    With a length penalty, a longer formula may have a higher IoU than the best one, which says
    itself whether it is proven; a simpler one that is shown in its place does not.
    """
    return record.by_length[-1] if record.by_length and record.proven is UNSET else record


def proof_text(record: ExplanationRecord) -> str:
    """Return whether it is proven that no formula scores higher, or how near the best it is."""
    if record.formula is None:
        return ""
    best = best_of(record)
    if best.formula != record.formula:
        proof = design.PROVEN if best.proven else design.NOT_PROVEN
        return f"the best of {best.length} concepts has {design.iou(best.iou)} ({proof})"
    if record.proven is True:
        return f"{design.PROVEN} over the search space"
    # With a length penalty, the bound limits the score and not the IoU.
    if record.bound is not UNSET and record.score == record.iou:
        return f"{design.NOT_PROVEN} (bound {design.iou(record.bound)})"
    return design.NOT_PROVEN


def network_text(header: Header) -> str:
    """Return the layer, network and images of a run, as far as its header names them."""
    about = header.about
    model, layer, subset = about.model, about.layer_text, about.subset
    suffixes = {None: "", "own": "", "given": "", "demo": "", "none": " (untrained)"}
    weights = suffixes.get(about.weights_kind, f" ({about.weights_kind})")
    if about.own_weights is not None:
        sha256 = header.identity.weights_sha256
        weights = f" ({weights_text(about.own_weights, sha256, about.weights_key)})"
    images = "all images" if subset == "all" else subset
    words = [
        f"{model_name(model)}{weights}" if model else "",
        layer,
        f"on {images}" if images else "",
    ]
    return ", ".join(str(word) for word in words if word)
