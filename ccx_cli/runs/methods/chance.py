"""A sentence on how many formulas of a run exceed chance, if its null was kept."""

from __future__ import annotations

from collections.abc import Iterator

from ccx_cli.records.metrics import SIGNIFICANT
from ccx_cli.runs.chance import kept_chance
from ccx_cli.runs.methods.words import Cite
from ccx_cli.runs.references import DISCOVERY_RATE, PERMUTATION_TEST, Reference
from ccx_cli.runs.run import Run


def chance_references(run: Run) -> tuple[Reference, ...]:
    """Return the papers of the sentence, none without it."""
    has_any = any(chance_sentences(run, lambda reference: reference.key))
    return (PERMUTATION_TEST, DISCOVERY_RATE) if has_any else ()


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
