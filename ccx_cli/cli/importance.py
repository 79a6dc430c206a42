"""``ccx importance``: what the network's answers owe to the activations in a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.called import run_as_typed
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.dry_run import COLUMNS as PLAN_COLUMNS
from ccx_cli.cli.dry_run import DryRunOptions, write_plan
from ccx_cli.cli.options import OutputOptions, PlaceOptions, RunOptions, TalkOptions, UnitOptions
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.cli.stored import ClassOptions, PassOptions, StoredOptions, open_stored
from ccx_cli.store.steps import Step

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs
    from ccx_cli.study.importance import ClusterImportance, UnitImportance


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
    stored: StoredOptions,
    per: Annotated[
        Per, typer.Option(help="Zero all units' ranges of one number, or one unit's range.")
    ] = Per.CLUSTER,
    classes: ClassOptions,
    units: UnitOptions,
    passes: PassOptions,
    out: OutputOptions,
    talk: TalkOptions,
    dry: DryRunOptions,
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
    from ccx_cli.probe.networks.class_names import class_names as names_of

    columns: Sequence[Column] = PER_CLUSTER if per is Per.CLUSTER else PER_UNIT
    if dry.dry_run:
        columns = PLAN_COLUMNS
    with (
        reporting(talk) as progress,
        writing_to(out, columns, no_color=talk.no_color) as writer,
    ):
        opened, chosen, workers = open_stored(stored, units, run, places)
        if dry.dry_run:
            opened.network("importance")
            steps = [opened.step(chosen), _plan_passes(opened, chosen, per)]
            write_plan(writer, steps, progress)
            return
        names = names_of(opened.network("importance"), classes.class_names)
        from ccx_cli.study.importance import importance_of_run

        found = importance_of_run(
            opened,
            chosen,
            per_unit=per is Per.UNIT,
            seed=run.seed,
            device=passes.device,
            batch_size=passes.batch_size,
            workers=workers,
            progress=progress,
        )
        records = [_record(each, opened, names) for each in found]
        for record in records:
            writer.line(record)
        writer.rest(records)
        last = run_as_typed(opened.run.directory)
        progress.note(f"Next: ccx roles {last} says which classes the units speak for.")


def _plan_passes(opened: RunInputs, units: Sequence[int], per: Per) -> Step:
    """Say how often the rest of the network will see an image.

    Per unit that is an upper bound: images in which a unit does not fire in the range are left out.
    """
    ranges = [
        record["cluster"]
        for unit in units
        for record in opened.units[unit]
        if record["range"] is not None
    ]
    passes = len(ranges) if per is Per.UNIT else 2 * len(set(ranges))
    what = "at most, of the images" if per is Per.UNIT else "of the images"
    total = len(opened.dataset.rows) * (passes + 1)
    return Step(f"forward passes {what}", None, "passes", total, size=0)


def _record(
    each: ClusterImportance | UnitImportance,
    opened: RunInputs,
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
