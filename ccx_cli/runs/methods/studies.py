"""Sentences on the studies of a run: each is there if its answer was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean

from ccx_cli import design
from ccx_cli.records.ablation import Change, Fill
from ccx_cli.records.metrics import SIGNIFICANT
from ccx_cli.records.stability import STABLE
from ccx_cli.runs.answers import KEPT_ABLATION, KEPT_STABILITY, kept_simulation
from ccx_cli.runs.chance import false_discovery_rates, kept_chance
from ccx_cli.runs.methods.words import Cite
from ccx_cli.runs.references import (
    BOOTSTRAP,
    DISCOVERY_RATE,
    OCCLUSION,
    PERMUTATION_TEST,
    SIMULATION,
    STABILITY_SELECTION,
    Reference,
)
from ccx_cli.runs.run import Run

_FILLS: dict[Fill, str] = {
    "mean": "the image's mean color",
    "noise": "noise with the mean and deviation of each channel in the image",
    "blur": "a blurred image",
}


def study_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say what every study found."""
    yield from chance_sentences(run, cite)
    yield from stability_sentences(run, cite)
    yield from simulation_sentences(run, cite)
    yield from ablation_sentences(run, cite)


def cited_in(sentences: Callable[[Run, Cite], Iterator[str]], run: Run) -> tuple[Reference, ...]:
    """Return the papers that such sentences on a run cite, in their order."""
    found: list[Reference] = []

    def cite(reference: Reference) -> str:
        found.append(reference)
        return reference.key

    for _ in sentences(run, cite):
        pass
    return tuple(found)


def chance_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how often a range's best formula reached its IoU on permuted images."""
    count = kept_chance(run)
    if count is None or not count.can_tell:
        return
    of_all = count.compared == count.ranges
    some = "all" if of_all else f"{count.compared:,} of the"
    yield (
        f"For {some} {count.ranges:,} ranges the search was repeated on {count.permutations:,} "
        "permutations of the images of the activation maps, the same for every unit, and the best "
        f"IoU of each was compared with that of the formula {cite(PERMUTATION_TEST)}: "
        f"{count.exceeding:,} of {count.compared:,} formulas exceed chance at a false discovery "
        f"rate of {SIGNIFICANT:.0%} {cite(DISCOVERY_RATE)}."
    )


def stability_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how often formulas were found again in bootstrap samples of the images."""
    kept = list(KEPT_STABILITY.of_formulas(run.directory, run.records).values())
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


def simulation_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how predictions correlate with activations, and on which images."""
    kept = [one for one in kept_simulation(run.directory) if one.correlation is not None]
    if not kept:
        return
    images = f"{kept[0].images:,} held-out" if kept[0].held_out else f"the {kept[0].images:,}"
    chance = [mean(one.shuffled) for one in kept if one.shuffled]
    against = f"; with those of permuted images it is {design.number(mean(chance))}"
    yield (
        f"On {images} images, the activation of each unit was predicted at every pixel as the mean "
        "activation of its highest range whose formula holds there, or where none holds as that of "
        f"such pixels {cite(SIMULATION)}. Predicted and real activations have a mean Pearson "
        f"correlation of {design.number(mean(one.correlation or 0 for one in kept))} over the "
        f"pixels, of {len(kept):,} units{against if chance else ''}."
    )


def ablation_sentences(run: Run, cite: Cite) -> Iterator[str]:
    """Say how the largest activation changes without the formula, compared with control masks."""
    kept = list(KEPT_ABLATION.of_formulas(run.directory, run.records).values())
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
