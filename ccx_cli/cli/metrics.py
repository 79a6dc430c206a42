"""``ccx metrics``: the quality of stored explanations."""

from __future__ import annotations

from typing import Annotated

import typer
from msgspec.structs import replace

from ccx_cli.cli.called import run_as_typed
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.dry_run import COLUMNS as PLAN_COLUMNS
from ccx_cli.cli.dry_run import DryRunOptions, write_plan
from ccx_cli.cli.options import OutputOptions, PlaceOptions, RunOptions, TalkOptions, UnitOptions
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.piped import PipedOptions, open_asked
from ccx_cli.cli.stored import PassOptions
from ccx_cli.records.fields import to_json
from ccx_cli.records.metrics import ALL_METRICS, MASKING, METRICS, AgainstNull

MASKING_HELP = "Images masked at most for each formula, a seeded sample; 0 for all."
_MOST_ROUNDS = 1_000_000
CHANCE = {
    "null_mean": "null mean",
    "null_percentile_95": "null 95 %",
    "p_value": "p",
    "q_value": "q",
}


def _which(record: Record) -> str:
    return str(record.get("statistic") or record["unit"])


def _cluster(record: Record) -> str:
    total = "all" if record.get("statistic") else "-"
    return total if record["cluster"] is None else str(record["cluster"])


COLUMNS = (
    Column("unit", "unit", right=True, show=_which),
    Column("cluster", "cluster", right=True, show=_cluster),
    *(
        Column(each.short, each.key, right=True, decimals=each.decimals, spare="size" in each.key)
        for each in ALL_METRICS
    ),
)


def metrics(
    *,
    piped: PipedOptions,
    no_label_masking: Annotated[
        bool,
        typer.Option("--no-label-masking", help="Leave out the metric that runs the network."),
    ] = False,
    masking_images: Annotated[int, typer.Option(min=0, help=MASKING_HELP)] = 0,
    bootstrap: Annotated[
        int,
        typer.Option(
            min=0,
            max=_MOST_ROUNDS,
            help="Rounds of a 95 % interval of each IoU over images; 0 for none.",
        ),
    ] = 0,
    null: Annotated[
        int,
        typer.Option(
            min=0,
            max=_MOST_ROUNDS,
            help="Rounds of the search on permuted images: is the IoU more than chance? 0 for "
            "none.",
        ),
    ] = 0,
    units: UnitOptions,
    passes: PassOptions,
    out: OutputOptions,
    talk: TalkOptions,
    dry: DryRunOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Measure stored explanations.

    For every unit and range, then mean and deviation per cluster and in total:
    IoU; how much of the activation the formula covers, and how much of the
    formula the activation; in how many of its images it is met, and in how many
    images that fire it is there; mean sizes; and label masking, the likeness of
    the unit's answer when only the formula's pixels are left to see.

    --null asks whether an IoU is more than chance: the same search, with every
    unit's maps moved to other images; p counts the rounds that reach as much,
    q is p adjusted over all ranges (false discovery rate).

    [bold]Examples[/bold]

      ccx metrics --no-label-masking
      ccx metrics demo-demo --masking-images 50 --bootstrap 1000 --format csv
      ccx explain --format jsonl | jq -c 'select(.iou > 0.1)' | ccx metrics -
    """
    from ccx_cli.cli.network_options import device_of
    from ccx_cli.study.measuring import (
        WITHOUT_MASKING,
        MeasureSettings,
        masking_step,
        measure_masking,
        measure_run,
        metrics_lines,
        summarise,
    )
    from ccx_cli.study.null import chance_of_run, null_lines

    settings = MeasureSettings(bootstrap, run.seed, masking_images)
    columns = [column for column in COLUMNS if column.key != MASKING.key or not no_label_masking]
    if bootstrap:
        columns.insert(3, Column("95 % interval", "iou_interval"))
    if null:
        columns += [Column(title, key, right=True) for key, title in CHANCE.items()]
    with (
        reporting(talk) as progress,
        writing_to(out, PLAN_COLUMNS if dry.dry_run else columns, no_color=talk.no_color) as writer,
    ):
        asked = open_asked(piped, units, run, places, progress)
        opened, chosen, workers = asked.opened, asked.units, asked.workers
        if dry.dry_run:
            some = opened.with_units(asked.records)
            steps = [
                opened.step(chosen),
                metrics_lines(opened, settings).step("metrics", chosen),
            ]
            if not no_label_masking:
                opened.network("label masking")
                steps.append(masking_step(some, chosen, settings))
            if null:
                steps.append(null_lines(opened, null, run.seed).step("null", chosen))
            write_plan(writer, steps, progress)
            return
        if not no_label_masking:
            opened.network("label masking", WITHOUT_MASKING)
            device_of(passes.device)
        records = [
            record
            for measured in measure_run(opened, chosen, settings, workers, progress)
            for record in measured
            if asked.has(record)
        ]
        shown = list(METRICS)
        if not no_label_masking:
            masked = measure_masking(
                opened.with_units(asked.records),
                chosen,
                settings,
                device=passes.device,
                batch_size=passes.batch_size,
                workers=workers,
                progress=progress,
            )
            records = [
                replace(record, label_masking=masked.get((record.unit, record.cluster)))
                for record in records
            ]
            shown.append(MASKING)
        if null:
            chance = chance_of_run(opened, chosen, null, run.seed, workers, progress, asked.records)
            nothing = AgainstNull(**dict.fromkeys(CHANCE))
            records = [
                replace(record, **to_json(chance.get((record.unit, record.cluster), nothing)))
                for record in records
            ]
        rows = [*records, *summarise(records, shown)]
        for row in rows:
            writer.line(row)
        writer.rest(rows)
        progress.note(f"The metrics are kept in {opened.run.directory}")
        progress.note(f"Next: ccx tui {run_as_typed(opened.run.directory)} shows them.")
