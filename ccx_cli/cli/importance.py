"""``ccx importance``: what the network's answers owe to the activations in a range."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.options import (
    NETWORK,
    OutputOptions,
    PlaceOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to

if TYPE_CHECKING:
    from ccx_cli.study.importance import ClusterImportance, UnitImportance
    from ccx_cli.study.opened import OpenedRun


class Per(StrEnum):
    """What is set to zero at a time."""

    CLUSTER = "cluster"
    UNIT = "unit"


def _classes(record: Record) -> str:
    return ", ".join(f"{each['class']} ({each['drop']:.3f})" for each in record["classes"]) or "-"


PER_CLUSTER = (
    Column("cluster", "cluster", right=True),
    Column("images", "images", right=True),
    Column("changed", "changed", right=True),
    Column("share", "share", right=True),
    Column("changed at random", "changed_at_random", right=True),
    Column("share", "share_at_random", right=True),
    Column("zeroed", "zeroed", right=True),
)
PER_UNIT = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("formula", "formula", style="bold"),
    Column("images", "images", right=True),
    Column("changed", "changed", right=True),
    Column("drop", "drop", right=True),
    Column("classes hurt most", "classes", show=_classes),
)


def importance(
    *,
    run_name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="A stored run, by name, the beginning of it, or directory.",
            show_default="the last one",
        ),
    ] = None,
    per: Annotated[
        Per, typer.Option(help="Zero all units' ranges of one number, or one unit's range.")
    ] = Per.CLUSTER,
    class_names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Names of the classes, one a line.",
            show_default="known for the demo and ImageNet",
        ),
    ] = None,
    units: UnitOptions,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, cuda:N, or auto.", rich_help_panel=NETWORK)
    ] = "cpu",
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images per forward pass.", rich_help_panel=NETWORK)
    ] = 32,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Set activations in a range to zero and see what the network answers.

    Per cluster: the ranges of that number, 0 the lowest, of all selected units
    at once, and beside it as many activations drawn at random. Per unit: one
    range at a time, over the images in which the unit fires in it; the classes
    are those whose probability drops most.

    [bold]Examples[/bold]

      ccx importance
      ccx importance demo-demo --per unit --units 0-4 --format csv
    """
    from ccx_cli.cli.inputs import available_cores, roots_of
    from ccx_cli.cli.units import chosen_of_run
    from ccx_cli.probe.class_names import class_names as names_of
    from ccx_cli.store.results import find_run
    from ccx_cli.study.opened import open_run

    columns = PER_CLUSTER if per is Per.CLUSTER else PER_UNIT
    with (
        reporting(talk) as progress,
        writing_to(out, columns, no_color=talk.no_color) as writer,
    ):
        roots = roots_of(places)
        opened = open_run(find_run(roots.results, run_name), roots)
        chosen = chosen_of_run(units, run.seed, opened.units, opened.run.directory.name)
        names = names_of(opened.choice, class_names)
        from ccx_cli.study.importance import importance_of_run

        found = importance_of_run(
            opened,
            chosen,
            per_unit=per is Per.UNIT,
            seed=run.seed,
            device=device,
            batch_size=batch_size,
            workers=run.workers or available_cores(),
            progress=progress,
        )
        records = [_record(each, opened, names) for each in found]
        for record in records:
            writer.line(record)
        writer.rest(records)


def _record(
    each: ClusterImportance | UnitImportance,
    opened: OpenedRun,
    names: tuple[str, ...] | None,
) -> Record:
    from ccx_cli.study.importance import UnitImportance

    record = asdict(each)
    if isinstance(each, UnitImportance):
        explained = opened.units[each.unit][each.cluster]
        record |= {
            "range": explained["range"],
            "formula": explained["formula"],
            "classes": [
                {"class": names[label] if names and label < len(names) else label, "drop": drop}
                for label, drop in each.classes
            ],
        }
    else:
        record |= {
            "share": each.changed / each.images,
            "share_at_random": each.changed_at_random / each.images,
        }
    return record
