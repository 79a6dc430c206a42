"""``ccx compare thresholds``: what formulas are made of at other thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.compare.heuristics import DrawnUnitOptions, check_plot
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    NETWORK,
    OUTPUT,
    DataOptions,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, cell, writing_to
from ccx_cli.cli.searching import SearchOptions, VocabularyOptions, check_search, strategy_of
from ccx_cli.cli.sections import Section, write_sections
from ccx_cli.errors import UsageError

if TYPE_CHECKING:
    from ccx_cli.study.thresholds import CategoryShares, ThresholdExplanation

THRESHOLD_UNITS = 50
SHARES, EXPLANATION = "threshold", "explanation"


@dataclass(frozen=True, slots=True)
class FewUnitOptions(DrawnUnitOptions):
    """Which units, fewer drawn at random by default."""

    random_units: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="So many units drawn at random; 0 for all.",
            rich_help_panel=NETWORK,
            show_default=f"{THRESHOLD_UNITS}, or all if there are fewer",
        ),
    ] = None


def _quantile(record: Record) -> str:
    return f"{record['quantile']:g}"


def _percent(key: str) -> Callable[[Record], str]:
    return lambda record: "-" if record[key] is None else f"{record[key]:.1%}"


EACH = Section(
    EXPLANATION,
    "Explanations",
    (
        Column("unit", "unit", right=True),
        Column("quantile", "quantile", right=True, show=_quantile),
        Column("range", "range", style="dim", whole=True),
        Column("formula", "formula", style="bold"),
        Column("IoU", "iou", right=True),
        Column("hits", "hits", right=True),
    ),
)


def thresholds(
    *,
    data: DataOptions,
    network: NetworkOptions,
    units: FewUnitOptions,
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    each: Annotated[
        bool,
        typer.Option(
            "--each", metavar="", help="Every unit's formula too.", rich_help_panel=OUTPUT
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the shares to a .png, .svg or .pdf file.", rich_help_panel=OUTPUT),
    ] = None,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Compare what formulas are made of at eleven thresholds.

    For quantiles 0.005 to 0.5 of a unit's non-zero activations, the range above
    the threshold; for 0.8 to 0.995, what lies below it. Of all units' best
    formulas, the share of each category among the concepts they ask for (those
    under NOT are not counted).

    [bold]Examples[/bold]

      ccx compare thresholds --model demo --subset demo
      ccx compare thresholds --model resnet18 --plot thresholds.pdf --format csv
    """
    from ccx_cli.cli.inputs.gathering import gather
    from ccx_cli.cli.units import check_units, choose_units
    from ccx_cli.runs.preparing import prepare_activations, prepare_index
    from ccx_cli.search.counts import count_data
    from ccx_cli.study.thresholds import explain_thresholds, share_categories

    if search.ties or search.within is not None:
        raise UsageError("--ties and --within list other formulas: use them with `ccx explain`.")
    check_search(search)
    check_units(UnitOptions(units.units, units.random_units or 0))
    if plot is not None:
        check_plot(plot, out.force)
    with (
        reporting(talk) as progress,
        writing_to(out, (), no_color=talk.no_color) as writer,
    ):
        inputs = gather(places, data, network, run, progress)
        activations = prepare_activations(inputs, progress)
        drawn = units.among(activations.units, THRESHOLD_UNITS)
        chosen = choose_units(drawn, run.seed, activations.units, inputs.choice.layer)
        index = prepare_index(inputs, progress)
        strategy = strategy_of(search, vocabulary, index)
        category_of = {label.number: label.category for label in index.labels}
        found: list[ThresholdExplanation] = []
        with progress.task("Thresholds", len(chosen), unit="units") as task:
            for explained in explain_thresholds(
                chosen,
                activations.unit,
                index,
                count_data(index),
                strategy,
                workers=inputs.workers,
                device=inputs.device,
            ):
                found += explained
                task.advance()
        shares = share_categories(found, inputs.dataset.categories, category_of)
        records = [shares_record(row) for row in shares]
        if each:
            records += [explanation_record(one, index.name_of, category_of) for one in found]
        sections = [EACH, _section(inputs.dataset.categories)]
        write_sections(writer, sections, records)
        dead = len({one.unit for one in found if one.range is None})
        if dead:
            progress.note(f"{dead:,} of {len(chosen):,} units never fire.")
        if plot is not None:
            from ccx_cli.study.thresholds_plot import plot_shares

            title = f"{inputs.choice.describe()}: {len(chosen):,} units, {strategy.name} search"
            plot_shares(shares, title, plot)
            progress.note(f"Drawn: {plot}")


def shares_record(row: CategoryShares) -> Record:
    """Return the row of one threshold."""
    return {
        "kind": SHARES,
        "quantile": row.quantile,
        "side": "high" if row.high else "low",
        "units": row.units,
        "explained": row.explained,
        "iou_mean": row.iou,
        "concepts": row.concepts,
        **{f"{category}_share": share for category, share in row.shares.items()},
    }


def explanation_record(
    found: ThresholdExplanation, name_of: Callable[[int], str], category_of: dict[int, str]
) -> Record:
    """Return the row of one unit at one threshold."""
    from ccx_cli.formulas.formula import positive_concepts, to_json, to_text
    from ccx_cli.study.thresholds import is_high

    formula = found.formula
    return {
        "kind": EXPLANATION,
        "unit": found.unit,
        "quantile": found.quantile,
        "side": "high" if is_high(found.quantile) else "low",
        "range": None if found.range is None else found.range.to_json(),
        "hits": found.hits,
        "formula": None if formula is None else to_text(formula, name_of),
        "iou": found.iou,
        "labels": None if formula is None else to_json(formula),
        "categories": []
        if formula is None
        else [category_of[number] for number in positive_concepts(formula)],
    }


def _section(categories: Sequence[str]) -> Section:
    return Section(
        SHARES,
        "Share of each category among positive concepts",
        (
            Column("quantile", "quantile", right=True, show=_quantile),
            Column("range", "side", show=_side),
            Column("units", "explained", right=True, show=_explained, spare=True),
            Column("IoU", "iou_mean", right=True, spare=True),
            Column("concepts", "concepts", right=True, spare=True),
            *(
                Column(
                    category, f"{category}_share", right=True, show=_percent(f"{category}_share")
                )
                for category in categories
            ),
        ),
    )


def _side(record: Record) -> str:
    return "above" if record["side"] == "high" else "below"


def _explained(record: Record) -> str:
    explained, units = (cell(record[key]) for key in ("explained", "units"))
    return explained if explained == units else f"{explained} of {units}"
