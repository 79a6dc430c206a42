"""``ccx compare units``: which units of two runs are alike."""

from __future__ import annotations

from ccx_cli import design
from ccx_cli.cli.commands.compare import CompareUnitsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.output import FORMULA, Column, Section, kinds_of, write_sections
from ccx_cli.cli.units import chosen_of_run
from ccx_cli.runs.findings import sort_key
from ccx_cli.runs.inputs import open_inputs
from ccx_cli.runs.lookup import find_run, short_name, stored_runs
from ccx_cli.study.matching import match_layers, matching_step, open_layers, sum_up, unit_records

SECTIONS = (
    Section(
        "unit",
        "Units",
        (
            Column("in A", "unit", right=True),
            FORMULA,
            Column("in B", "match", right=True),
            Column("r", "correlation", right=True),
            Column("mutual", "mutual"),
            Column("formula in B", "match_formula", style="bold", named=True),
            Column("overlap", "match_overlap", right=True),
            Column("by formula", "formula_match", right=True),
            Column("overlap", "overlap", right=True),
            Column("r", "formula_correlation", right=True, spare=True),
            Column("same", "agree", spare=True),
        ),
    ),
    Section(
        "all",
        "All units",
        (
            Column("units", "units", right=True),
            Column("matched", "matched", right=True),
            Column("mean r", "correlation_mean", right=True),
            Column("by chance", "correlation_by_chance", right=True),
            Column("chance 95%", "percentile_95_by_chance", right=True),
            Column("above it", "above_chance", right=True),
            Column("mutual", "mutual", right=True, form=design.share),
            Column("by chance", "mutual_by_chance", right=True, form=design.share),
            Column("overlap", "match_overlap_mean", right=True),
            Column("by formula", "overlap_mean", right=True),
            Column("same", "agree", right=True, form=design.share),
        ),
    ),
)


def units(options: CompareUnitsOptions) -> None:
    """Match the units of two layers or networks, by activation and by formula."""
    with answering(options.out, options.messages, kinds=kinds_of(SECTIONS)) as (progress, writer):
        roots = options.places.roots
        left, right = (
            open_inputs(find_run(roots.results, name), roots, progress=progress)
            for name in (options.a, options.b)
        )
        seed = options.run.seed
        chosen = chosen_of_run(options.units, seed, left.run.units, left.run.directory.name)
        a, b = open_layers(left, right, chosen)
        if options.dry.dry_run:
            matching = matching_step(a, b, options.shuffles, options.run.cores)
            steps = [left.step(chosen), right.step(b.units), matching]
            write_plan(writer, steps, progress)
            return
        writer.shorten(left.dataset.labels)
        runs = stored_runs(roots.results)
        names = [short_name(each.run, runs) for each in (left, right)]
        found = match_layers(a, b, options.shuffles, seed, options.run.cores, progress)
        records = unit_records(a, b, found)
        writer.sentences(
            f"Units of A, {names[0]}, and what each is most alike in B, {names[1]}, of "
            f"{len(b.units):,} units: by r, the correlation of activations on the same "
            f"{left.index.n_images:,} images, and by formula, the overlap of its pixels (IoU)."
        )
        shown = sorted(records, key=sort_key("correlation")) if writer.is_table else records
        write_sections(writer, SECTIONS, [*shown, sum_up(records, found)])
