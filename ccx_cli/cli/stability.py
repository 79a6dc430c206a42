"""``ccx stability``: what the search finds in other samples of the images."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from ccx_cli import design
from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import StabilityOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.output import FORMULA, IOU, RANGE, UNIT, Column, ious
from ccx_cli.cli.stored import keeping, open_stored, tell_kept
from ccx_cli.records.stability import STABLE, StabilityRecord
from ccx_cli.study.stability import Resampling, stability_of_run, stability_step


def _other(record: StabilityRecord) -> str:
    most = next(iter(record.others), None)
    return design.MISSING if most is None else f"{most.formula} ({design.share(most.share)})"


COLUMNS = (
    UNIT,
    RANGE,
    FORMULA,
    IOU,
    Column("out-of-bag IoU", "out_of_bag_iou", right=True, form=design.iou),
    Column("95% of them", "out_of_bag_interval", form=ious, whole=True),
    *(
        Column(key.replace("_", " "), key, right=True, form=design.share)
        for key in ("same", "equivalent", "first_concept")
    ),
    Column("most common other", "others", show=_other, named=True, spare=True),
)


def stability(options: StabilityOptions) -> None:
    """Repeat the search on bootstrap samples of the images."""
    with (
        answering(options.out, options.messages, COLUMNS) as (progress, writer),
        TemporaryDirectory(prefix="ccx-") as scratch,
    ):
        opened, chosen = open_stored(options, options.stored, options.trust)
        opened = keeping(opened, scratch)
        resampling = Resampling(opened, options.resamples, options.run.seed)
        workers = options.run.cores
        if options.dry.dry_run:
            steps = [opened.step(chosen), stability_step(resampling, chosen, workers)]
            write_plan(writer, steps, progress)
            return
        writer.shorten(opened.dataset.labels)
        records = []
        for of_unit in stability_of_run(resampling, chosen, workers, progress):
            for record in of_unit:
                writer.line(record)
                records.append(record)
        writer.sentences(
            f"The same search on {options.resamples:,} bootstrap samples of the images: how many "
            "have the same formula, and the IoU of each one's formula on the images it left out."
        )
        writer.rest(records)
        explained = [record for record in records if record.equivalent is not None]
        stable = sum((record.equivalent or 0) >= STABLE for record in explained)
        progress.note(
            f"{stable:,} of {len(explained):,} formulas, or equivalent ones, are found again by at "
            f"least {STABLE:.0%} of the resamples."
        )
        if tell_kept("The stability is", opened, progress):
            progress.note(f"Next: {next_command('tui', opened.run.directory)} shows it.")
