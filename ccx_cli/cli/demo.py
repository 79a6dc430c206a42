"""``ccx demo``: everything, on a built-in dataset and network."""

from __future__ import annotations

from ccx_cli.cli.called import command_line, next_command
from ccx_cli.cli.commands.data import DemoOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import InputOptions, gather
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import DataOptions
from ccx_cli.cli.reading import COLUMNS, SHOWN, as_read
from ccx_cli.cli.render import show_report
from ccx_cli.probe.ranges import RangeMethod
from ccx_cli.runs.findings import by_surprise
from ccx_cli.runs.job import JobSettings, prepare_job, session_of


def demo(options: DemoOptions) -> None:
    """Explain a small built-in network on built-in images, in under a minute, offline."""
    title = f"The {SHOWN} units whose formulas say most beyond chance, each at its best range"
    title = title if options.out.output == "-" else ""
    with answering(options.out, options.messages, COLUMNS, title=title) as (progress, writer):
        data, network = DataOptions(subset="demo"), NetworkOptions(model="demo")
        inputs = gather(InputOptions(options.places, data, network, options.run), progress)
        settings = JobSettings(RangeMethod())
        job = prepare_job(inputs, settings, progress)
        units = list(range(job.activations.units))
        session = session_of(inputs, command_line())
        in_order = as_read if writer.is_table else by_surprise
        of_units = [
            in_order(explained)[0]
            for explained in job.explain(units, inputs.workers, session, progress)
        ]
        best = by_surprise(of_units)[:SHOWN]
        writer.shorten(inputs.dataset.labels)
        writer.write(best)
        progress.note(f"All {len(units)} units: {job.results.directory}")
        if options.open_report:
            show_report(job.results, options.places, inputs.workers, progress)
        report = next_command("render", job.results.directory, also="--html report.html")
        progress.note(f"Next: {next_command('tui', job.results.directory)}, or {report}")
