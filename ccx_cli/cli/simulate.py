"""``ccx simulate``: how well formulas predict the activation of units."""

from __future__ import annotations

from itertools import chain
from tempfile import TemporaryDirectory

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import SimulateOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.output import UNIT, Column, Section, kinds_of, numbers, write_sections
from ccx_cli.cli.stored import keeping, open_stored, tell_kept
from ccx_cli.study.simulation import (
    best_first,
    layer_records,
    simulation_study,
    unit_record,
)

CORRELATIONS = (
    Column("r", "correlation", right=True),
    Column("r of images", "image_correlation", right=True),
    Column("r fitted", "fitted_correlation", right=True),
    Column("shuffled", "shuffled_mean", right=True),
    Column("shuffled 95%", "shuffled_percentile_95", right=True),
)
SECTIONS = (
    Section("unit", "Units", (UNIT, *numbers("formulas"), *CORRELATIONS)),
    Section("layer", "All units", (Column("", "statistic"), *numbers("units"), *CORRELATIONS)),
)


def simulate(options: SimulateOptions) -> None:
    """Predict activations from the formulas, and correlate them with the real ones."""
    shuffles, seed, workers = options.shuffles, options.run.seed, options.run.cores
    with (
        answering(options.out, options.messages, kinds=kinds_of(SECTIONS)) as (progress, writer),
        TemporaryDirectory(prefix="ccx-") as scratch,
    ):
        opened, chosen = open_stored(options, options.stored)
        opened = keeping(opened, scratch)
        study = simulation_study(opened, shuffles, seed)
        if options.dry.dry_run:
            step = study.step("simulation", chosen, workers)
            write_plan(writer, [opened.step(chosen), step], progress)
            return
        every = list(chain.from_iterable(study.found(chosen, workers, progress)))
        about = opened.run.about
        where = (
            f"the {every[0].images:,} images that are not of the split {about.split}: they were "
            "not searched."
            if about.split
            else f"the {every[0].images:,} images that were searched: `ccx explain --split NAME` "
            "holds others out."
        )
        writer.sentences(f"Predicted and real activations, correlated on {where}")
        records = list(map(unit_record, every))
        shown = best_first(records) if writer.is_table else records
        write_sections(writer, SECTIONS, [*shown, *layer_records(every)])
        if not writer.is_table:
            progress.note(f"Measured on {where}")
        without = sum(one.correlation is None for one in every)
        if without:
            progress.note(
                f"{without:,} of {len(every):,} units have no correlation: they or their "
                "predictions are constant."
            )
        if tell_kept("The correlations are", opened, progress):
            report = next_command("render", opened.run.directory, also="--html report.html")
            progress.note(f"Next: {report}")
