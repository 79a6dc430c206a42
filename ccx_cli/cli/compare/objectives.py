"""``ccx compare objectives``: what each objective finds in the units of a run."""

from __future__ import annotations

from ccx_cli import design
from ccx_cli.cli.commands.compare import CompareObjectivesOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.output import (
    FORMULA,
    IOU,
    LIFT,
    MCC,
    UNIT,
    Column,
    Section,
    kinds_of,
    write_sections,
)
from ccx_cli.cli.stored import open_stored
from ccx_cli.records.studies import ObjectiveOnUnitRecord
from ccx_cli.study.objective_comparison import agreements, explain_by_objectives, summarise

OBJECTIVE = Column("objective", "objective", style="bold")
SECTIONS = (
    Section(
        "unit",
        "Formulas",
        (
            UNIT,
            OBJECTIVE,
            FORMULA,
            Column("score", "score", right=True),
            IOU,
            MCC,
            LIFT,
            Column("pixels", "size", right=True, form=design.share),
        ),
    ),
    Section(
        "objective",
        "Means over units",
        (
            OBJECTIVE,
            Column("units", "units", right=True),
            Column("IoU", "iou_mean", right=True),
            Column("MCC", "mcc_mean", right=True, form=design.mcc),
            Column("lift", "lift_mean", right=True, form=design.lift),
            Column("concepts", "length_mean", right=True, form="{:.2f}".format),
            Column("pixels", "size_mean", right=True, form=design.share),
        ),
    ),
    Section(
        "pair",
        "Equivalent formulas",
        (
            OBJECTIVE,
            Column("other", "other", style="bold"),
            Column("units", "units", right=True),
            Column("equal", "equal", right=True),
            Column("share", "share", right=True, form=design.share),
        ),
    ),
)


def objectives(options: CompareObjectivesOptions) -> None:
    """Compare what objectives find in the same units, and how often they agree."""
    with answering(options.out, options.messages, kinds=kinds_of(SECTIONS)) as (progress, writer):
        opened, chosen = open_stored(options, options.stored)
        writer.shorten(opened.dataset.labels)
        found: list[ObjectiveOnUnitRecord] = []
        with progress.task("Objectives", len(chosen), unit="units") as task:
            for own in explain_by_objectives(opened, chosen, options.run.cores):
                found += own
                task.advance()
        each = found if options.each else []
        write_sections(writer, SECTIONS, [*summarise(found), *agreements(found), *each])
        silent = len(chosen) - len({record.unit for record in found})
        if silent:
            progress.note(f"{silent:,} of {len(chosen):,} units never fire.")
