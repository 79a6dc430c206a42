"""Metrics of a stored run, kept beside its explanations."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.activations import image_batches
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.runs.opened import OpenedRun, UnitInData, each_unit
from ccx_cli.runs.stored import formula_of
from ccx_cli.search.scoring import holds_on
from ccx_cli.store.digests import json_digest
from ccx_cli.store.lines import Record, UnitLines
from ccx_cli.store.locks import writing
from ccx_cli.store.steps import Step
from ccx_cli.study.metrics import (
    METRICS,
    ImageCounts,
    iou_interval,
    mean_and_deviation,
    measure,
)
from ccx_cli.threads import threads

if TYPE_CHECKING:
    import torch

MASKING = "label_masking"
WITHOUT_MASKING = ": leave it out with --no-label-masking"
_KEPT = ("unit", "layer", "cluster", "num_clusters", "num_ranges", "range", "hits", "formula")


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """What to measure.

    Attributes
    ----------
    bootstrap
        Rounds of the interval of the IoU; 0 for none.
    seed
        Of the bootstrap, the noise and the sample of images.
    masking_images
        Images to mask at most for a formula, a seeded sample; 0 for all.
    """

    bootstrap: int = 0
    seed: int = 0
    masking_images: int = 0


def measure_run(
    opened: OpenedRun,
    units: Sequence[int],
    settings: MeasureSettings,
    workers: int,
    progress: Progress,
) -> Iterator[list[Record]]:
    """Yield the metrics of every unit, in order; what was measured before is read.

    Label masking is ``measure_masking``'s.
    """
    lines = metrics_lines(opened, settings)
    known = lines.finished()
    missing = [unit for unit in units if unit not in known]
    if not missing:
        yield from (known[unit] for unit in units)
        return
    index, activations = opened.index(), opened.activations()
    with writing(opened.run.directory, progress):
        lines.drop_torn_line()
        done = len(units) - len(missing)
        with progress.task("Metrics", len(units), done=done, unit="units") as task:
            found = each_unit(opened, missing, index, activations, workers)
            for unit in units:
                if unit not in known:
                    measured = next(found)
                    known[unit] = _measured(measured, index, settings)
                    lines.append(known[unit])
                    task.advance()
                yield known[unit]


def _measured(unit: UnitInData, index: ConceptIndex, settings: MeasureSettings) -> list[Record]:
    records = []
    for place, record in enumerate(unit.records):
        line = {key: record[key] for key in _KEPT}
        if unit.hits is None or unit.hits.per_local is None:
            records.append({**line, **dict.fromkeys(METRICS)})
            continue
        counts = ImageCounts.of_labels(
            unit.hits.per_local[record["cluster"]], unit.formulas[place], index
        )
        line |= asdict(measure(counts))
        if settings.bootstrap:
            interval = iou_interval(counts, settings.bootstrap, settings.seed)
            line["iou_interval"] = None if interval is None else list(interval)
        records.append(line)
    return records


def measure_masking(
    opened: OpenedRun,
    units: Sequence[int],
    settings: MeasureSettings,
    *,
    device: str,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> dict[tuple[int, int], float | None]:
    """Measure label masking: every distinct formula goes through the network once.

    Returns
    -------
    The mean cosine by ``(unit, cluster)``; stored formula by formula, and read back.
    """
    lines = _masking_lines(opened, settings)
    known = _masking_of(lines)
    missing = _unmasked(_by_formula(opened, units), known)
    if missing:
        with writing(opened.run.directory, progress):
            lines.drop_torn_line()
            _mask(opened, missing, lines, settings, device, batch_size, workers, progress)
        known = _masking_of(lines)
    return known


def masking_step(opened: OpenedRun, units: Sequence[int], settings: MeasureSettings) -> Step:
    """Say how many formulas ``measure_masking`` still has to send through the network."""
    lines = _masking_lines(opened, settings)
    formulas = _by_formula(opened, units)
    done = len(formulas) - len(_unmasked(formulas, _masking_of(lines)))
    return Step("label masking", lines.path, "formulas", len(formulas), done)


def _by_formula(opened: OpenedRun, units: Sequence[int]) -> dict[str, list[tuple[int, Record]]]:
    """Group the units' explanations by their formula: each goes through the network once."""
    by_formula: dict[str, list[tuple[int, Record]]] = defaultdict(list)
    for unit in units:
        for record in opened.units[unit]:
            if record["labels"] is not None:
                by_formula[json.dumps(record["labels"])].append((unit, record))
    return by_formula


def _unmasked(
    by_formula: Mapping[str, list[tuple[int, Record]]], known: Container[tuple[int, int]]
) -> dict[str, list[tuple[int, Record]]]:
    return {
        key: pairs
        for key, pairs in by_formula.items()
        if any((unit, record["cluster"]) not in known for unit, record in pairs)
    }


def summarise(records: Sequence[Record], keys: Sequence[str]) -> list[Record]:
    """Mean and deviation of every metric, per cluster and in total (``cluster`` ``None``)."""
    clusters = sorted({record["cluster"] for record in records if record["cluster"] is not None})
    rows: list[Record] = []
    for cluster in [*clusters, None]:
        some = [record for record in records if cluster is None or record["cluster"] == cluster]
        both = {key: mean_and_deviation([record.get(key) for record in some]) for key in keys}
        for place, statistic in enumerate(("mean", "deviation")):
            rows.append(
                {
                    "unit": None,
                    "statistic": statistic,
                    "cluster": cluster,
                    **{key: both[key][place] for key in keys},
                }
            )
    return rows


def metrics_lines(opened: OpenedRun, settings: MeasureSettings) -> UnitLines:
    """Name the file that keeps the metrics of a run, but for label masking."""
    return kept_lines(opened, "metrics", {"bootstrap": settings.bootstrap, "seed": settings.seed})


def _masking_lines(opened: OpenedRun, settings: MeasureSettings) -> UnitLines:
    return kept_lines(opened, "masking", {"seed": settings.seed, "images": settings.masking_images})


def kept_lines(opened: OpenedRun, what: str, asked: Mapping[str, int]) -> UnitLines:
    """Name the file beside a run's explanations that keeps what was ``asked`` of it."""
    digest = json_digest(asked)[:8]
    return UnitLines(opened.run.directory / f"{what}-{digest}.jsonl")


def _masking_of(lines: UnitLines) -> dict[tuple[int, int], float | None]:
    return {(record["unit"], record["cluster"]): record[MASKING] for record in lines.all_lines()}


def _holds(record: Record, index: ConceptIndex) -> NDArray[np.bool_]:
    formula = formula_of(record)
    if formula is None:
        return np.zeros(len(index.sets), dtype=np.bool_)
    return holds_on(formula, index)


def _images(
    holds: NDArray[np.bool_], index: ConceptIndex, settings: MeasureSettings
) -> NDArray[np.int64]:
    from ccx_cli.study.masking import images_with

    images = images_with(holds, index)
    if settings.masking_images and len(images) > settings.masking_images:
        random = np.random.default_rng(settings.seed)
        images = np.sort(random.choice(images, settings.masking_images, replace=False))
    return images


def _mask(
    opened: OpenedRun,
    wanted: dict[str, list[tuple[int, Record]]],
    lines: UnitLines,
    settings: MeasureSettings,
    device: str,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> None:
    """Run the network over the formulas and store what each of their ranges comes to."""
    from ccx_cli.probe.networks.loading import load_network
    from ccx_cli.study.masking import MaskedFormula, masking_similarity, seconds_an_image

    index = opened.index()
    choice = opened.network("label masking", WITHOUT_MASKING)
    network = load_network(choice, device)
    formulas, pairs = [], list(wanted.values())
    for explained in pairs:
        holds = _holds(explained[0][1], index)
        formulas.append(
            MaskedFormula(
                holds,
                _images(holds, index, settings),
                tuple((unit, Range.from_json(record["range"])) for unit, record in explained),
            )
        )
    order = [(place, int(image)) for place, one in enumerate(formulas) for image in one.images]
    seconds = seconds_an_image(network, batch_size) * 2 * len(order)
    progress.note(
        f"Label masking: {len(formulas):,} formulas on {len(order):,} images in all, about "
        f"{_duration(seconds)}; --masking-images N takes fewer."
    )
    with (
        threads(workers) as pool,
        progress.task("Label masking", len(order)) as task,
    ):
        batches = image_batches(
            opened.dataset, choice, [image for _, image in order], batch_size, pool
        )
        pixels = (image for batch in batches for image in batch)

        def told() -> Iterator[tuple[int, int, torch.Tensor]]:
            for (place, image), one in zip(order, pixels, strict=True):
                yield place, image, one
                task.advance()

        for place, means in masking_similarity(
            network, formulas, told(), index, batch_size=batch_size, seed=settings.seed
        ):
            lines.append(
                {
                    "unit": unit,
                    "cluster": record["cluster"],
                    "num_ranges": record["num_ranges"],
                    MASKING: mean,
                }
                for (unit, record), mean in zip(pairs[place], means, strict=True)
            )


def _duration(seconds: float) -> str:
    return f"{seconds:,.0f} seconds" if seconds < 120 else f"{seconds / 60:,.0f} minutes"
