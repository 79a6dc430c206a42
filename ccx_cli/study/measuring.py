"""Metrics of a stored run, kept beside its explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activation_levels import count_levels
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import ExplainedRange, ExplanationRecord
from ccx_cli.records.fields import Record
from ccx_cli.records.lines import RecordLines
from ccx_cli.records.metrics import (
    METRICS,
    MaskingRecord,
    MetricName,
    Metrics,
    MetricsRecord,
    StatisticRecord,
)
from ccx_cli.runs.answers import KEPT_MASKING, KEPT_METRICS
from ccx_cli.runs.inputs import RunInputs, unit_in_data
from ccx_cli.store.locks import writing
from ccx_cli.store.steps import Step
from ccx_cli.study.detection import Detection
from ccx_cli.study.masked_formulas import MaskedRun
from ccx_cli.study.metrics import ImageCounts, iou_interval, mean_and_deviation, measure
from ccx_cli.threads import map_in_order

if TYPE_CHECKING:
    from ccx_cli.probe.networks.loading import Network
    from ccx_cli.study.masking import Masking

WITHOUT_MASKING = ": leave --label-masking out"
STATISTICS: tuple[Literal["mean", "deviation"], ...] = ("mean", "deviation")

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What to measure: bootstrap rounds, and most images to mask a formula in, 0 for all."""

    bootstrap: int = 0
    seed: int = 0
    masking_images: int = 0


def measure_run(
    inputs: RunInputs,
    units: Sequence[int],
    settings: MeasureSettings,
    workers: int,
    progress: Progress,
) -> Iterator[list[MetricsRecord]]:
    """Yield the pixel metrics of every unit, in order; what was measured before is read."""

    def find(missing: Sequence[int]) -> Iterator[list[MetricsRecord]]:
        return map_in_order(_measuring(inputs, settings), missing, workers)

    yield from kept_or_found(
        inputs, metrics_lines(inputs, settings), units, find, "Metrics", progress
    )


def kept_or_found(
    inputs: RunInputs,
    lines: RecordLines[R],
    units: Sequence[int],
    find: Callable[[Sequence[int]], Iterator[list[R]]],
    title: str,
    progress: Progress,
) -> Iterator[list[R]]:
    """Yield every unit's lines, in order; what ``find`` yields of missing units is kept."""
    known = lines.finished()
    missing = [unit for unit in units if unit not in known]
    if not missing:
        yield from (known[unit] for unit in units)
        return
    with writing(inputs.kept, progress):
        lines.drop_torn_line()
        done = len(units) - len(missing)
        with progress.task(title, len(units), done=done, unit="units") as task:
            found = find(missing)
            for unit in units:
                if unit in known:
                    yield known[unit]
                    continue
                records = next(found)
                lines.append(records)
                task.advance()
                yield records


def _measuring(
    inputs: RunInputs, settings: MeasureSettings
) -> Callable[[int], list[MetricsRecord]]:
    """Return what counts a unit's pixels again, by image, and measures its explanations."""
    index, read_maps = inputs.index, inputs.activations.unit

    def work(unit: int) -> list[MetricsRecord]:
        found = unit_in_data(unit, inputs.run.units[unit], read_maps, index)
        counts, measured, records = ImageCounts.of_unit(found, index), [], []
        if found.maps is not None:
            measured = measure_unit(counts, found.maps, found.formulas, index)
        for record, metrics, of_range in zip_longest(found.records, measured, counts):
            more: dict[str, Any] = {}
            if of_range is not None and settings.bootstrap:
                interval = iou_interval(of_range, settings.bootstrap, settings.seed)
                more["iou_interval"] = None if interval is None else list(interval)
            more |= {key: getattr(record, key) for key in ExplainedRange.__struct_fields__}
            more |= {each.key: getattr(metrics, each.key, None) for each in METRICS}
            records.append(MetricsRecord(**more))
        return records

    return work


def measure_unit(
    counts: Sequence[ImageCounts],
    maps: Maps,
    formulas: Sequence[NDArray[np.bool_]],
    index: ConceptIndex,
) -> list[Metrics]:
    """Measure each range of a unit, by the pixels that were counted of it and the activation."""
    levels = count_levels(maps, formulas, index)
    if levels is None:
        return [measure(each) for each in counts]
    return [
        measure(each, Detection.of_levels(levels, position, each.formula > 0))
        for position, each in enumerate(counts)
    ]


def measure_masking(
    inputs: RunInputs,
    units: Sequence[int],
    settings: MeasureSettings,
    *,
    device: str,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> dict[tuple[int, int | None], float | None]:
    """Return label masking by ``(unit, cluster)``; each formula goes through the network once."""
    found = _masked_run(inputs, settings, batch_size).found(units, device, workers, progress)
    return {key: record.label_masking for key, record in found.items()}


def metrics_step(
    inputs: RunInputs, units: Sequence[int], settings: MeasureSettings, workers: int
) -> Step:
    """Say how many units ``measure_run`` still has to measure, and about how long it takes."""
    lines = metrics_lines(inputs, settings)
    return kept_step(lines, "metrics", units, lambda: _measuring(inputs, settings), workers)


def kept_step(
    lines: RecordLines[R],
    name: str,
    units: Sequence[int],
    begin: Callable[[], Callable[[int], object]],
    workers: int,
    share: float = 1,
) -> Step:
    """Say how many of the units are not kept yet, and about how long they take.

    ``begin`` returns what does a unit, or so large a ``share`` of what there is to do for it.
    """
    step = lines.step(name, units)
    if not step.missing:
        return step
    known = lines.finished()
    unit = next(unit for unit in units if unit not in known)
    work = begin()
    return step.timed(lambda: work(unit), share, workers)


def masking_step(
    inputs: RunInputs, units: Sequence[int], settings: MeasureSettings, device: str, batch_size: int
) -> Step:
    """Say how many formulas ``measure_masking`` still has to send through the network, how long."""
    return _masked_run(inputs, settings, batch_size).step(units, device)


def _masked_run(
    inputs: RunInputs, settings: MeasureSettings, batch_size: int
) -> MaskedRun[MaskingRecord, float]:
    def masking(_network: Network) -> Masking[float]:
        # Here: torch takes seconds to import, and metrics of pixels do without.
        from ccx_cli.study.masking import LabelMasking

        return LabelMasking(settings.seed)

    def record_of(record: ExplanationRecord, cosines: Sequence[float]) -> MaskingRecord:
        # Summed in order: what is kept beside older runs was.
        mean = float(np.cumsum(cosines)[-1]) / len(cosines) if cosines else None
        return MaskingRecord(
            unit=record.unit,
            cluster=record.cluster or 0,
            num_ranges=record.num_ranges,
            label_masking=mean,
        )

    return MaskedRun(
        inputs,
        lambda: inputs.network("label masking", WITHOUT_MASKING),
        KEPT_MASKING.lines(inputs.kept, seed=settings.seed, images=settings.masking_images),
        settings.masking_images,
        settings.seed,
        batch_size,
        # A network may take one image at a time.
        2 * batch_size if batch_size > 1 else 1,
        masking,
        record_of,
        "Label masking",
        "--masking-images N takes fewer",
    )


def summarise(
    records: Sequence[MetricsRecord], metrics: Sequence[MetricName]
) -> list[StatisticRecord]:
    """Mean and standard deviation of every metric, per range and in total."""
    clusters = sorted({record.cluster for record in records if record.cluster is not None})
    rows: list[StatisticRecord] = []
    for cluster in [*clusters, None]:
        some = [record for record in records if cluster is None or record.cluster == cluster]
        both = {
            each.key: mean_and_deviation([getattr(record, each.key) for record in some])
            for each in metrics
        }
        for position, statistic in enumerate(STATISTICS):
            values: dict[str, Any] = {key: both[key][position] for key in both}
            rows.append(StatisticRecord(unit=None, statistic=statistic, cluster=cluster, **values))
    return rows


def metrics_lines(inputs: RunInputs, settings: MeasureSettings) -> RecordLines[MetricsRecord]:
    """Name the file that keeps the metrics of a run, but for label masking."""
    kept = KEPT_METRICS.lines(inputs.kept, bootstrap=settings.bootstrap, seed=settings.seed)
    return replace(kept, needed=tuple(each.key for each in METRICS))
