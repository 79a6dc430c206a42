"""``ccx compare thresholds``: what formulas are made of at other thresholds."""

from __future__ import annotations

from collections.abc import Sequence

from ccx_cli import design
from ccx_cli.cli.commands.compare import THRESHOLD_UNITS, CompareThresholdsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import gather
from ccx_cli.cli.output import (
    ACTIVATION,
    FORMULA,
    HITS,
    IOU,
    UNIT,
    Column,
    Record,
    Section,
    cell,
    write_sections,
)
from ccx_cli.cli.output_files import check_plot
from ccx_cli.cli.searching import check_search, strategy_of
from ccx_cli.cli.units import check_units, choose_units
from ccx_cli.concepts.qualities import poor_words
from ccx_cli.errors import UsageError
from ccx_cli.records.explanation import SOFT
from ccx_cli.records.studies import ThresholdExplanationRecord
from ccx_cli.render.study_plots import plot_shares
from ccx_cli.runs.preparing import prepare_activations, prepare_index
from ccx_cli.search.counts import DataCounts
from ccx_cli.study.thresholds import explain_thresholds, share_categories

SHARES, EXPLANATION = "threshold", "explanation"


EACH = Section(
    EXPLANATION,
    "Explanations",
    (
        UNIT,
        Column("quantile", "quantile", right=True, form="{:g}".format),
        ACTIVATION,
        FORMULA,
        IOU,
        HITS,
    ),
)


def thresholds(options: CompareThresholdsOptions) -> None:
    """Compare what formulas are made of at eleven thresholds."""
    if options.search.ties or options.search.within is not None:
        raise UsageError("--ties and --within list other formulas: use them with `ccx explain`.")
    check_search(options.search)
    if options.search.objective in SOFT:
        raise UsageError(
            f"--objective {options.search.objective} has no threshold: compare by iou, f-beta:B or "
            "mcc."
        )
    check_units(options.units.given)
    if options.plot is not None:
        check_plot(options.plot, options.out.force)
    with answering(options.out, options.messages, kinds=("threshold",)) as (progress, writer):
        inputs = gather(options, progress)
        writer.shorten(inputs.dataset.labels)
        activations = prepare_activations(inputs, progress)
        drawn = options.units.among(activations.units, THRESHOLD_UNITS)
        chosen = choose_units(drawn, inputs, activations, options.run.seed, progress)
        index = prepare_index(inputs, progress)
        poor = poor_words(inputs.dataset, options.vocabulary.min_quality)
        strategy = strategy_of(options.search, options.vocabulary, index, poor)
        found: list[ThresholdExplanationRecord] = []
        with progress.task("Thresholds", len(chosen), unit="units") as task:
            for explained in explain_thresholds(
                chosen,
                activations.unit,
                index,
                DataCounts(index),
                strategy,
                workers=inputs.workers,
                device=inputs.device,
            ):
                found += explained
                task.advance()
        categories = inputs.dataset.categories
        shares = share_categories(found, categories)
        sections = [EACH, _section(categories)]
        write_sections(writer, sections, [*shares, *(found if options.each else ())])
        dead = len({one.unit for one in found if one.range is None})
        if dead:
            progress.note(f"{dead:,} of {len(chosen):,} units never fire.")
        if options.plot is not None:
            title = f"{inputs.choice.describe()}: {len(chosen):,} units, {strategy.name} search"
            plot_shares(shares, categories, title, options.plot)
            progress.note(f"Drawn: {options.plot}")


def _section(categories: Sequence[str]) -> Section:
    return Section(
        SHARES,
        "Share of each category among positive concepts",
        (
            Column("quantile", "quantile", right=True, form="{:g}".format),
            Column("range", "side", show=_side),
            Column("units", "explained", right=True, show=_explained, spare=True),
            Column("IoU", "iou_mean", right=True, spare=True),
            Column("concepts", "concepts", right=True, spare=True),
            *(
                Column(category, f"{category}_share", right=True, form=design.share)
                for category in categories
            ),
        ),
    )


def _side(record: Record) -> str:
    return "above" if record["side"] == "high" else "below"


def _explained(record: Record) -> str:
    explained, units = (cell(record[key]) for key in ("explained", "units"))
    return explained if explained == units else f"{explained} of {units}"
