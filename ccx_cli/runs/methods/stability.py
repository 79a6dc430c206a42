"""A sentence on how far the formulas of a run depend on its images, if that was kept."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from ccx_cli import design
from ccx_cli.records.stability import STABLE
from ccx_cli.runs.answers import kept_stability
from ccx_cli.runs.methods.words import Cite
from ccx_cli.runs.references import BOOTSTRAP, STABILITY_SELECTION, Reference
from ccx_cli.runs.run import Run


def stability_references(run: Run) -> tuple[Reference, ...]:
    """Return the papers of the sentence, none without it."""
    has_any = any(stability_sentences(run, lambda reference: reference.key))
    return (STABILITY_SELECTION, BOOTSTRAP) if has_any else ()


def stability_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how often formulas were found again in bootstrap samples of the images."""
    kept = list(kept_stability(run.directory, run.records).values())
    ious = [(one.iou, one.out_of_bag_iou) for one in kept]
    scored = [(iou, other) for iou, other in ious if iou is not None and other is not None]
    if not scored:
        return
    resamples = max(one.resamples for one in kept)
    stable = sum((one.equivalent or 0) >= STABLE for one in kept)
    searched, left_out = (design.iou(mean(of_images)) for of_images in zip(*scored, strict=True))
    units = len({one.unit for one in kept})
    images = "the images" if run.about.split is None else "those images"
    some = "The" if units == len(run.finished_units) else f"For {units:,} of these units the"
    yield (
        f"{some} search was repeated on {resamples:,} bootstrap samples of {images}: {stable:,} of "
        f"{len(kept):,} formulas, or logically equivalent ones, were found again in at least "
        f"{STABLE:.0%} of them {cite(STABILITY_SELECTION)}. The formulas of the samples have a "
        f"mean IoU of {left_out} on the images that each left out {cite(BOOTSTRAP)}; those of the "
        f"run have one of {searched} on the images that they were searched on."
    )
