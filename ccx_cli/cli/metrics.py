"""``ccx metrics``: the quality of stored explanations."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from ccx_cli import design
from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import MetricsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import planned_workers, write_plan
from ccx_cli.cli.network_options import device_of
from ccx_cli.cli.output import FORMULA, Column, ious
from ccx_cli.cli.rows import STATISTICS
from ccx_cli.cli.stored import keeping, open_asked, tell_kept
from ccx_cli.errors import UsageError
from ccx_cli.records.fields import to_json
from ccx_cli.records.metrics import (
    ALL_METRICS,
    MASKING,
    METRICS,
    AgainstNull,
    MetricsRecord,
    StatisticRecord,
)
from ccx_cli.runs.chance import count_chance
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.findings import sort_key
from ccx_cli.study.measuring import (
    WITHOUT_MASKING,
    MeasureSettings,
    masking_of_run,
    metrics_study,
    summarise,
)
from ccx_cli.study.null import chance_of_run, check_null, null_step

CHANCE = {
    "null_mean": "null mean",
    "null_percentile_95": "null 95%",
    "p_value": "p",
    "q_value": "q",
}


Measured = MetricsRecord | StatisticRecord


def _which(record: Measured) -> str:
    if isinstance(record, StatisticRecord):
        return {"deviation": "std. dev."}.get(record.statistic, record.statistic)
    return str(record.unit)


def _cluster(record: Measured) -> str:
    total = "all" if isinstance(record, StatisticRecord) else design.MISSING
    return total if record.cluster is None else str(record.cluster)


_ALWAYS = ("mcc", "lift", "iou", "auprc", MASKING.key)

COLUMNS = (
    Column("unit", "unit", right=True, show=_which),
    Column("range", "cluster", right=True, show=_cluster),
    FORMULA,
    *(
        Column(name.short, name.key, right=True, spare=name.key not in _ALWAYS)
        for name in ALL_METRICS
    ),
)

_IOU = [column.key for column in COLUMNS].index("iou")


def metrics(options: MetricsOptions) -> None:
    """Measure stored explanations."""
    settings = MeasureSettings(options.bootstrap, options.run.seed, options.images_to_mask)
    columns = [column for column in COLUMNS if column.key != MASKING.key]
    if options.bootstrap:
        interval = Column("95% interval", "iou_interval", form=ious, whole=True)
        columns.insert(_IOU + 1, interval)
    slow = [column for column in COLUMNS if column.key == MASKING.key and options.is_masking]
    if options.null:
        slow += [Column(title, key, right=True) for key, title in CHANCE.items()]
    with (
        answering(options.out, options.messages, [*columns, *slow], kinds=(STATISTICS,)) as (
            progress,
            writer,
        ),
        TemporaryDirectory(prefix="ccx-") as scratch,
        ExitStack() as stack,
    ):
        passes = options.passes
        asked = open_asked(options, progress, passes.trust, Path(scratch))
        opened, chosen, workers = asked.opened, asked.units, options.run.cores
        writer.shorten(opened.dataset.labels)
        are_own = opened.kept != opened.run.directory
        if are_own and options.null:
            raise UsageError(
                "--null compares formulas that were searched: leave it out for your own formulas."
            )
        if options.null:
            check_null(opened.run)
        opened = keeping(opened, scratch)
        study = metrics_study(opened, settings)
        some = opened.with_units(asked.records)
        masked = masking_of_run(some, settings, passes.batch_size)
        if options.dry.dry_run:
            workers = planned_workers(options.run, options.cluster)
            steps = [opened.step(chosen), study.step("metrics", chosen, workers)]
            if options.is_masking:
                opened.network("label masking")
                steps.append(masked.step(chosen, passes.device))
            if options.null:
                steps.append(null_step(opened, chosen, options.null, options.run.seed, workers))
            write_plan(writer, steps, progress, workers)
            return
        cluster = stack.enter_context(
            dask_cluster(options.cluster.dask, options.cluster.dask_timeout, progress)
        )
        if cluster is None:
            device_of(passes.device)
        if options.is_masking:
            opened.network("label masking", WITHOUT_MASKING)
        records = [
            record
            for measured in study.found(chosen, workers, progress, cluster)
            for record in measured
            if asked.has(record)
        ]
        shown = list(METRICS)
        if writer.is_table:
            records.sort(key=sort_key(options.sorting.sort))
            split = opened.run.about.split
            on = f", over all images; they were searched on those marked {split}" if split else ""
            writer.sentences(f"Metrics of the stored formulas{on}.")
        if slow and writer.is_table:
            # What is there is read while the rest takes its time.
            first = dataclasses.replace(writer, columns=columns)
            first.rest([*records, *summarise(records, shown)])
            writer = dataclasses.replace(writer, columns=[*columns[: _IOU + 1], *slow])
        counted = None
        if options.is_masking:
            found = masked.found(chosen, passes.device, workers, progress, cluster)
            masking = {key: each.label_masking for key, each in found.items()}
            records = [
                replace(record, label_masking=masking.get((record.unit, record.cluster)))
                for record in records
            ]
            shown.append(MASKING)
        if options.null:
            chance = chance_of_run(
                opened,
                chosen,
                options.null,
                options.run.seed,
                workers,
                progress,
                asked.records,
                cluster,
            )
            ranged = chain.from_iterable(asked.records[unit] for unit in chosen)
            counted = count_chance(chance.values(), ranged, options.null)
            nothing = AgainstNull(**dict.fromkeys(CHANCE))
            records = [
                replace(record, **to_json(chance.get((record.unit, record.cluster), nothing)))
                for record in records
            ]
        if counted is not None and writer.is_table:
            writer.sentences(counted.sentence)
        elif counted is not None:
            progress.note(counted.sentence)
        # Of a null there are no statistics.
        is_of_null = writer.is_table and options.null and not options.is_masking
        writer.write([*records, *(() if is_of_null else summarise(records, shown))])
        if are_own:
            progress.note("The metrics are not kept: they are of your own formulas.")
        elif tell_kept("The metrics are", opened, progress):
            progress.note(f"Next: {next_command('tui', opened.run.directory)} shows them.")
