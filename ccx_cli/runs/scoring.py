"""Formulas that somebody typed, scored on what a run was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.progress import Progress
from ccx_cli.runs.job import JobSettings
from ccx_cli.runs.splits import split_images
from ccx_cli.search.scoring import FormulaOnData, UnitScores, score_units


def score_like(
    made: JobSettings,
    formulas: Sequence[FormulaOnData],
    index: ConceptIndex,
    units: Sequence[int],
    dataset: BrodenDataset,
    activations: Activations,
    workers: int,
    progress: Progress,
) -> Iterator[UnitScores]:
    """Score formulas on ranges found as ``made`` says, keeping those ranges.

    ``index`` is of the images that ``made`` searches: those of its split.
    """
    images = slice(None) if made.split is None else split_images(dataset, made.split)[0]
    known = RangeCache(activations, made.method, progress, split=made.split)
    by_hand = made.by_hand
    try:
        yield from score_units(
            units,
            formulas,
            index,
            lambda unit: activations.unit(unit)[images],
            known.of if by_hand is None else lambda _unit, _maps: by_hand,
            workers,
        )
    finally:
        known.save()
