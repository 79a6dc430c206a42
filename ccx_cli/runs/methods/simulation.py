"""A sentence on how well formulas predict activations, if that was kept of a run."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean

from ccx_cli import design
from ccx_cli.runs.answers import kept_simulation
from ccx_cli.runs.methods.words import Cite
from ccx_cli.runs.references import SIMULATION, Reference
from ccx_cli.runs.run import Run


def simulation_references(run: Run) -> tuple[Reference, ...]:
    """Return the papers of the sentence, none without it."""
    has_any = any(simulation_sentences(run, lambda reference: reference.key))
    return (SIMULATION,) if has_any else ()


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
