"""``ccx demo``: everything, on a built-in data set and network."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.explain import COLUMNS
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import DataOptions, OutputOptions, PlaceOptions, RunOptions, TalkOptions
from ccx_cli.cli.output import writing_to

SHOWN = 12


def demo(
    *,
    open_report: Annotated[
        bool,
        typer.Option(
            "--open-report", metavar="", help="Make a report of it and open it in a browser."
        ),
    ] = False,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Explain a small built-in network on built-in pictures, in under a minute, offline.

    Makes the pictures and their labels, runs the network, clusters its
    activations, explains every unit and shows the units whose best range is
    explained best.

    [bold]Examples[/bold]

      ccx demo
      ccx demo --open-report
      ccx demo --format jsonl | jq .formula
    """
    from ccx_cli.cli.inputs.gathering import gather
    from ccx_cli.cli.inputs.sessions import session_of
    from ccx_cli.cli.render_page import show_report
    from ccx_cli.probe.ranges import RangeMethod
    from ccx_cli.runs.preparing import prepare_job
    from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings

    title = f"The {SHOWN} ranges that are explained best, one a unit" if out.output == "-" else ""
    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, title=title, no_color=talk.no_color) as writer,
    ):
        inputs = gather(
            places, DataOptions(subset="demo"), NetworkOptions(model="demo"), run, progress
        )
        job = prepare_job(
            inputs, RangeMethod(), None, lambda _: OptimalStrategy(OptimumSettings()), progress
        )
        units = list(range(job.activations.units))
        best = sorted(
            (
                max(explained, key=lambda record: float(record["iou"]))
                for explained in job.explain(units, inputs.workers, session_of(inputs), progress)
            ),
            key=lambda record: -float(record["iou"]),
        )[:SHOWN]
        for record in best:
            writer.line(record)
        writer.rest(best)
        progress.note(f"All {len(units)} units: {job.results.directory}")
        if open_report:
            show_report(job.results, places, inputs.workers, progress)
        words = ["--model", "demo", "--subset", "demo", "--units", str(best[0]["unit"])]
        if places.data_dir is not None:
            words += ["--data-dir", str(places.data_dir)]
        progress.note(f"Next: {shlex.join(['ccx', 'explain', *words, '--format', 'jsonl'])}")
