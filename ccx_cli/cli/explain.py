"""``ccx explain``: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing import values as completing
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.dry_run import COLUMNS as PLAN_COLUMNS
from ccx_cli.cli.dry_run import DryRunOptions, write_plan
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    DataOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import LAYER, Column, Record, writing_to
from ccx_cli.cli.presets import PresetOptions
from ccx_cli.cli.searching import SearchOptions, VocabularyOptions, check_search, strategy_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ccx_cli.probe.ranges import Range, RangeMethod
    from ccx_cli.records.explanation import ExplanationRecord
    from ccx_cli.runs.preparing import Plan
    from ccx_cli.store.steps import Step

SHOWN_OTHERS = 5


def formula_and_others(record: Record) -> str:
    """Show the formula, below it the first ones that score the same (=) or nearly so (~)."""
    same = [other for other in record.get("tied", []) if other["formula"] != record["formula"]]
    near = record.get("near", [])
    lines = [f"= {other['formula']}" for other in same]
    lines += [f"~ {other['formula']} ({other['iou']:.4f})" for other in near]
    hidden = len(lines) - SHOWN_OTHERS + record.get("more_near", 0)
    if hidden > 0:
        lines[SHOWN_OTHERS:] = [f"and {hidden:,} more"]
    return "\n".join([record["formula"] or "-", *lines])


def iou_and_bound(record: Record) -> str:
    """Show the IoU, and the bound that is left where nothing is proven yet."""
    left = record.get("proven") is False
    return f"{record['iou']:.4f}" + (f" (at most {record['bound']:.4f})" if left else "")


def what_each_adds(record: Record) -> str:
    """Show the IoU of the best single concept, and what each further concept adds to it."""
    adds = [level["adds"] for level in record["by_length"]]
    return " ".join(
        f"{gain:.3f}" if place == 0 else f"+{gain:.3f}" for place, gain in enumerate(adds)
    )


COLUMNS = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("range", "range", style="dim", whole=True),
    Column("formula", "formula", style="bold", show=formula_and_others),
    Column("IoU", "iou", right=True, show=iou_and_bound),
    Column("by concepts", "by_length", style="dim", show=what_each_adds, spare=True),
    Column("hits", "hits", right=True, spare=True),
)
SPLIT_COLUMNS = (*COLUMNS, Column("IoU held out", "held_out_iou", right=True))


def explain(
    *,
    data: DataOptions,
    split: Annotated[
        str | None,
        typer.Option(
            help="Search only the images marked so, train or val, and score on the others too.",
            rich_help_panel="Data set",
            autocompletion=completing.one_of("train", "val"),
        ),
    ] = None,
    network: NetworkOptions,
    units: UnitOptions,
    preset: PresetOptions,
    ranges: RangeOptions,
    by_hand: Annotated[
        str | None,
        typer.Option(
            "--ranges",
            help="Ranges by hand instead, such as 0:1.5,1.5:inf.",
            rich_help_panel="Ranges",
        ),
    ] = None,
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    out: OutputOptions,
    talk: TalkOptions,
    dry: DryRunOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Find the formula of concepts that covers best where each unit fires.

    What is missing on the way (concept index, activations, ranges) is made and
    kept. Every finished unit is stored: the same command, interrupted or with
    more units, goes on from there. Of several layers, each named by a --layer
    of its own or all by all-blocks, the network runs once for all, and each
    is a run of its own.

    [bold]Examples[/bold]

      ccx explain --model demo --subset demo --units 0-4
      ccx explain --model resnet18 --random-units 10 --num-clusters 1
      ccx explain --model resnet18 --layer layer3 --layer layer4 --units 0-9
      ccx explain --model demo --subset demo --format jsonl | jq .formula
    """
    from ccx_cli.cli.called import run_as_typed
    from ccx_cli.cli.inputs.gathering import gather_layers, plan_inputs, range_method
    from ccx_cli.cli.inputs.sessions import session_of
    from ccx_cli.cli.units import check_units, choose_units
    from ccx_cli.runs.preparing import prepare_concepts, prepare_job, prepare_layers

    check_search(search)
    check_units(units)
    method = range_method(ranges)
    fixed = parse_ranges(by_hand) if by_hand is not None else None
    if dry.dry_run:
        with (
            reporting(talk) as progress,
            writing_to(out, PLAN_COLUMNS, no_color=talk.no_color) as writer,
        ):
            plan = plan_inputs(places, data, network, run)
            steps = _plan_runs(plan, method, fixed, search, vocabulary, units, run.seed, split)
            write_plan(writer, [*plan.steps, *steps], progress)
        return
    with (
        reporting(talk) as progress,
        writing_to(
            out, _columns(split, network.has_several_layers), no_color=talk.no_color
        ) as writer,
    ):
        everything = gather_layers(places, data, network, run, progress)
        # The network first: a layer that is not there shows at once, and the index takes minutes.
        chosen = [
            choose_units(units, run.seed, activations.units, inputs.choice.layer)
            for inputs, activations in zip(
                everything, prepare_layers(everything, progress), strict=True
            )
        ]
        concepts = prepare_concepts(everything[0], split, progress)
        records: list[ExplanationRecord] = []
        runs = []
        for inputs, some in zip(everything, chosen, strict=True):
            job = prepare_job(
                inputs,
                method,
                fixed,
                lambda index: strategy_of(search, vocabulary, index),
                progress,
                ties=search.ties,
                split=split,
                concepts=concepts,
            )
            for explained in job.explain(some, inputs.workers, session_of(inputs), progress):
                for record in explained:
                    writer.line(record)
                records += explained
            of = f" of {inputs.choice.layer}" if len(everything) > 1 else ""
            runs.append(
                f"{len(some):,} of {job.activations.units:,} units{of} explained; "
                f"stored in {job.results.directory}"
            )
        writer.rest(records)
        open_ended = sum(record.get("proven") is False for record in records)
        if open_ended:
            progress.note(
                f"{open_ended:,} of {len(records):,} formulas are not proven best: a larger "
                "--node-limit narrows the bounds."
            )
        for said in runs:
            progress.note(said)
        last = run_as_typed(job.results.directory)
        progress.note(f"Next: ccx tui {last}, or ccx render {last} --html report.html")


def _plan_runs(
    plan: Plan,
    method: RangeMethod,
    by_hand: Sequence[Range] | None,
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    wanted: UnitOptions,
    seed: int,
    split: str | None,
) -> list[Step]:
    """Say for each layer which run it continues, and which units that lacks."""
    from ccx_cli.cli.units import choose_units
    from ccx_cli.concepts.index import is_whole, load_index
    from ccx_cli.runs.preparing import name_run, plan_units, split_images
    from ccx_cli.store.steps import Step

    if not plan.layers:
        return [Step("explanations", None, "units", None, None)]
    first = plan.layers[0][0]
    images = None if split is None else split_images(first.dataset, split)[0]
    # A vocabulary is known only once the index is made.
    index = None
    if vocabulary != VocabularyOptions() and is_whole(first.dataset, first.index_cache):
        index = load_index(first.dataset, first.index_cache)
        index = index if images is None else index.of_images(images)
    strategy = None
    if vocabulary == VocabularyOptions() or index is not None:
        strategy = strategy_of(search, vocabulary, index)
    steps = []
    for inputs, count in plan.layers:
        run = units = None
        if strategy is not None:
            run = name_run(inputs, method, by_hand, strategy, ties=search.ties, split=split)
        if count is not None:
            units = choose_units(wanted, seed, count, inputs.choice.layer)
        steps.append(plan_units(inputs, run, units))
    return steps


def _columns(split: str | None, several: bool) -> tuple[Column, ...]:
    columns = COLUMNS if split is None else SPLIT_COLUMNS
    return (LAYER, *columns) if several else columns


def parse_ranges(text: str) -> tuple[Range, ...]:
    """Read ``0:1.5,1.5:inf`` as ranges, ascending.

    Raises
    ------
    UsageError
        If the text is something else.
    """
    from ccx_cli.errors import UsageError
    from ccx_cli.probe.ranges import Range

    found = []
    for part in text.split(","):
        try:
            lower, upper = (float(end) for end in part.split(":"))
        except ValueError:
            lower, upper = 1.0, 0.0
        if not lower < upper:
            raise UsageError(f"--ranges {text} is not a list of ranges such as 0:1.5,1.5:inf.")
        found.append(Range(lower, upper))
    return tuple(sorted(found))
