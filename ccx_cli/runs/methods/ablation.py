"""A sentence on what masking formulas in the input changes, if that was kept of a run."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from ccx_cli import design
from ccx_cli.records.ablation import Change, Fill
from ccx_cli.records.metrics import SIGNIFICANT
from ccx_cli.runs.answers import kept_ablation
from ccx_cli.runs.chance import false_discovery_rates
from ccx_cli.runs.methods.words import Cite
from ccx_cli.runs.references import DISCOVERY_RATE, OCCLUSION, Reference
from ccx_cli.runs.run import Run

_FILLS: dict[Fill, str] = {
    "mean": "the image's mean color",
    "noise": "noise with the mean and deviation of each channel in the image",
    "blur": "a blurred image",
}


def ablation_references(run: Run) -> tuple[Reference, ...]:
    """Return the papers of the sentence, none without it."""
    has_any = any(ablation_sentences(run, lambda reference: reference.key))
    return (OCCLUSION, DISCOVERY_RATE) if has_any else ()


def ablation_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how the largest activation changes without the formula, compared with control masks."""
    kept = list(kept_ablation(run.directory, run.records).values())
    peaks = [one.peak for one in kept if one.peak is not None and one.peak.whole > 0]
    tested = [peak for peak in peaks if peak.p is not None]
    if not tested:
        return
    q_values = false_discovery_rates([peak.p or 0 for peak in tested])
    lower = sum(
        (peak.difference or 0) < 0 and q <= SIGNIFICANT
        for peak, q in zip(tested, q_values, strict=True)
    )
    most = max(one.images for one in kept)
    yield (
        f"For {len(kept):,} ranges, the pixels of the formula were masked in the input of the "
        f"network, in at most {most:,} images each, with {_FILLS[kept[0].fill]} "
        f"{cite(OCCLUSION)}; separately everything else; and as controls masks of the formula's "
        "shape, rolled to where they meet the fewest of its pixels. The largest activation of the "
        f"unit changes by {_relative(peaks, 'formula')}, {_relative(peaks, 'rest')} and "
        f"{_relative(tested, 'control')}, means over ranges; in {lower:,} of {len(tested):,} "
        "ranges masking the formula lowers it more than the controls do, at a false discovery rate "
        f"of {SIGNIFICANT:.0%} {cite(DISCOVERY_RATE)}."
    )


def _relative(peaks: list[Change], key: str) -> str:
    return design.share_difference(mean(getattr(peak, key) / peak.whole for peak in peaks))
