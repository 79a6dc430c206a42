"""The null of a stored run: its own search on permuted images, kept beside its explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.metrics import AgainstNull, NullRecord
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.search.counts import DataCounts, count_data
from ccx_cli.search.registry import search_from_identity
from ccx_cli.store.locks import writing
from ccx_cli.study.chance import against_chance, false_discovery_rates, null_of_units
from ccx_cli.study.measuring import kept_lines


def chance_of_run(
    inputs: RunInputs,
    units: Sequence[int],
    rounds: int,
    seed: int,
    workers: int,
    progress: Progress,
    records: Mapping[int, Sequence[ExplanationRecord]] | None = None,
) -> dict[tuple[int, int | None], AgainstNull]:
    """Compare stored explanations with the null: all of the units', or those in ``records``.

    Returns
    -------
    ``null_mean``, ``null_percentile_95``, ``p_value`` and ``q_value`` by ``(unit, cluster)``; the
    last are adjusted over all of these.
    """
    if inputs.run.about.split:
        raise UsageError(
            f"{inputs.run.name} was searched on one split: --null needs a run on all images."
        )
    null = _null(inputs, units, rounds, seed, workers, progress)
    compared = {}
    for unit in units:
        for record in (records or inputs.run.units)[unit]:
            key = (unit, record.cluster)
            if record.range is not None and key in null:
                compared[key] = against_chance(record.iou, null[key])
    adjusted = false_discovery_rates([chance.p_value for chance in compared.values()])
    return {
        key: AgainstNull(
            null_mean=chance.mean,
            null_percentile_95=chance.percentile_95,
            p_value=chance.p_value,
            q_value=q_value,
        )
        for (key, chance), q_value in zip(compared.items(), adjusted, strict=True)
    }


def null_lines(inputs: RunInputs, rounds: int, seed: int) -> RecordLines[NullRecord]:
    """Name the file that keeps the null of a run."""
    return kept_lines(inputs, "null", {"rounds": rounds, "seed": seed}, NullRecord)


def _null(
    inputs: RunInputs,
    units: Sequence[int],
    rounds: int,
    seed: int,
    workers: int,
    progress: Progress,
) -> dict[tuple[int, int | None], list[float]]:
    """Read the null's IoUs, and find those that are missing."""
    lines = null_lines(inputs, rounds, seed)
    known = lines.finished()
    missing = [unit for unit in units if unit not in known]
    if missing:
        index, activations = inputs.index, inputs.activations
        data = count_data(index)
        strategy = search_from_identity(inputs.run.search_identity, data.n_concepts)

        def best_iou(counts: DataCounts, hits: NDArray[np.int32]) -> float:
            best = strategy.answer(counts, hits).best
            return 0.0 if best is None else best.iou

        def ranges_of(unit: int) -> list[Range]:
            ranges = (record.range for record in inputs.run.units[unit])
            return [Range.from_json(ends) for ends in ranges if ends is not None]

        with writing(inputs.run.directory, progress):
            lines.drop_torn_line()
            with progress.task(
                f"Null, {rounds:,} rounds", len(units), done=len(units) - len(missing), unit="units"
            ) as task:
                for unit, found in null_of_units(
                    missing,
                    activations.unit,
                    ranges_of,
                    index,
                    data,
                    best_iou,
                    rounds,
                    seed,
                    workers,
                ):
                    lines.append(
                        NullRecord(
                            unit=unit, cluster=cluster, num_ranges=len(found), null_ious=ious
                        )
                        for cluster, ious in enumerate(found)
                    )
                    task.advance()
        known = lines.finished()
    return {
        (unit, record.cluster): record.null_ious for unit in units for record in known.get(unit, [])
    }
