"""Metrics of a stored run, kept beside its explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activation_levels import count_levels
from ccx_cli.probe.sparse_maps import Maps
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
from ccx_cli.study.detection import Detection
from ccx_cli.study.kept import Measure, UnitStudy
from ccx_cli.study.masked_formulas import MaskedRun
from ccx_cli.study.metrics import ImageCounts, iou_interval, mean_and_deviation, measure

if TYPE_CHECKING:
    from ccx_cli.probe.networks.description import NetworkDescription
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


def metrics_study(inputs: RunInputs, settings: MeasureSettings) -> UnitStudy[MetricsRecord]:
    """Return what measures the units of a run, but for label masking."""
    kept = KEPT_METRICS.lines(inputs.kept, bootstrap=settings.bootstrap, seed=settings.seed)
    lines: RecordLines[MetricsRecord] = replace(kept, needed=tuple(each.key for each in METRICS))
    return UnitStudy(inputs, lines, "Metrics", _measuring, (settings,))


def _measuring(inputs: RunInputs, settings: MeasureSettings) -> Measure[MetricsRecord]:
    """Return what counts a unit's pixels again, by image, and measures its explanations."""
    index, read_maps = inputs.index, inputs.activations.unit

    def work(unit: int, explained: Sequence[ExplanationRecord]) -> list[MetricsRecord]:
        found = unit_in_data(unit, explained, read_maps, index)
        counts, measured, records = ImageCounts.of_unit(found, index), [], []
        if found.maps is not None:
            measured = measure_unit(counts, found.maps, found.formulas, index)
        for record, metrics, of_range in zip_longest(found.records, measured, counts):
            more: dict[str, Any] = {}
            if of_range is not None and settings.bootstrap:
                more["iou_interval"] = iou_interval(of_range, settings.bootstrap, settings.seed)
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


@dataclass(frozen=True, slots=True)
class LabelMaskingStudy:
    """Label masking, with the ``seed`` of its noise."""

    seed: int

    def choice(self, inputs: RunInputs) -> NetworkDescription:
        """Return the network, or refuse a run that has none."""
        return inputs.network("label masking", WITHOUT_MASKING)

    def masking(self, _network: Network) -> Masking[float]:
        """Return what masks."""
        # Here: torch takes seconds to import, and metrics of pixels do without.
        from ccx_cli.study.masking import LabelMasking

        return LabelMasking(self.seed)

    def record_of(self, record: ExplanationRecord, of_images: Sequence[float]) -> MaskingRecord:
        """Return the mean."""
        # Summed in order: what is kept beside older runs was.
        mean = float(np.cumsum(of_images)[-1]) / len(of_images) if of_images else None
        return MaskingRecord(
            unit=record.unit,
            cluster=record.cluster or 0,
            num_ranges=record.num_ranges,
            label_masking=mean,
        )


def masking_of_run(
    inputs: RunInputs, settings: MeasureSettings, batch_size: int
) -> MaskedRun[MaskingRecord, float]:
    """Return what masks the formulas of a run, and keeps how similar the responses are."""
    return MaskedRun(
        inputs,
        LabelMaskingStudy(settings.seed),
        KEPT_MASKING.lines(inputs.kept, seed=settings.seed, images=settings.masking_images),
        settings.masking_images,
        settings.seed,
        batch_size,
        # A network may take one image at a time.
        2 * batch_size if batch_size > 1 else 1,
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
