"""``ccx explain``: the main job."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    DataOptions,
    NetworkOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, writing_to

if TYPE_CHECKING:
    from ccx_cli.probe.ranges import Range

SEARCH = "Search"
COLUMNS = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("range", "range", style="dim"),
    Column("formula", "formula", style="bold"),
    Column("IoU", "iou", right=True),
    Column("hits", "hits", right=True),
)


class Search(StrEnum):
    """How formulas are searched."""

    BEAM = "beam"


def explain(
    places: PlaceOptions,
    data: DataOptions,
    network: NetworkOptions,
    units: UnitOptions,
    ranges: RangeOptions,
    run: RunOptions,
    out: OutputOptions,
    talk: TalkOptions,
    by_hand: Annotated[
        str | None,
        typer.Option(
            "--ranges",
            help="Ranges by hand instead, such as 0:1.5,1.5:inf.",
            rich_help_panel="Ranges",
        ),
    ] = None,
    search: Annotated[
        Search, typer.Option(help="How formulas are searched.", rich_help_panel=SEARCH)
    ] = Search.BEAM,
    length: Annotated[
        int, typer.Option(help="Most concepts in a formula.", rich_help_panel=SEARCH)
    ] = 3,
    beam_limit: Annotated[
        int, typer.Option(help="Formulas kept at each step.", rich_help_panel=SEARCH)
    ] = 5,
) -> None:
    """Find the formula of concepts that covers best where each unit fires.

    [bold]Examples[/bold]

    ccx explain --model resnet18 --random-units 10

    ccx explain --model demo --subset demo --format jsonl | jq .formula
    """
    from ccx_cli.cli.inputs import (
        choose_units,
        gather,
        prepare_job,
        range_method,
        session_of,
    )
    from ccx_cli.search.beam import BeamSettings

    method = range_method(ranges)
    fixed = parse_ranges(by_hand) if by_hand is not None else None
    settings = BeamSettings(length, beam_limit)
    with (
        reporting(talk) as progress,
        writing_to(out, COLUMNS, no_color=talk.no_color) as writer,
    ):
        inputs = gather(places, data, network, run, progress)
        job = prepare_job(inputs, method, fixed, settings, progress)
        chosen = choose_units(units, run.seed, job.activations.units, inputs.choice.layer)
        records = []
        for explained in job.explain(chosen, inputs.workers, session_of(sys.argv), progress):
            for record in explained:
                writer.line(record)
            records += explained
        writer.rest(records)
        progress.note(
            f"{len(chosen):,} of {job.activations.units:,} units explained; "
            f"stored in {job.results.directory}"
        )


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
