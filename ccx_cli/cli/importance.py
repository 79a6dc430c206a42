"""``ccx importance``: how predictions change when the activations in a range are ablated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from ccx_cli.cli.called import next_command
from ccx_cli.cli.commands.study import ImportanceOptions, Per
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import write_plan
from ccx_cli.cli.network_options import device_of
from ccx_cli.cli.output import FORMULA, RANGE, UNIT, Column, Record, numbers
from ccx_cli.cli.stored import open_stored
from ccx_cli.design import MISSING
from ccx_cli.probe.networks.class_names import class_names as names_of
from ccx_cli.records.fields import to_json
from ccx_cli.runs.answers import IMPORTANCE, RANGE_IMPORTANCE, keep
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.store.steps import Step


def _classes(record: Record) -> str:
    return (
        ", ".join(f"{each['class']} ({each['drop']:.3f})" for each in record["classes"]) or MISSING
    )


PER_CLUSTER = (
    RANGE,
    *numbers("images", "changed", "share"),
    Column("changed at random", "changed_at_random", right=True),
    Column("share", "share_at_random", right=True),
    Column("ablated", "zeroed", right=True),
)
PER_UNIT = (
    UNIT,
    RANGE,
    FORMULA,
    *numbers("images", "changed", "drop"),
    Column("largest drops", "classes", show=_classes),
)


def importance(options: ImportanceOptions) -> None:
    """Ablate the activations in a range and measure how predictions change."""
    columns: Sequence[Column] = PER_CLUSTER if options.per == "cluster" else PER_UNIT
    with (
        answering(options.out, options.messages, columns) as (progress, writer),
        ExitStack() as stack,
    ):
        opened, chosen = open_stored(options, options.stored, options.passes.trust)
        if options.dry.dry_run:
            opened.network("importance")
            device = device_of(options.passes.device)
            steps = [opened.step(chosen), _plan_passes(opened, chosen, options.per, device)]
            write_plan(writer, steps, progress)
            return
        writer.shorten(opened.dataset.labels)
        names = names_of(opened.network("importance"), options.classes.class_names)
        dask = dask_cluster(options.cluster.dask, options.cluster.dask_timeout, progress)
        cluster = stack.enter_context(dask)
        # It imports torch, which takes seconds.
        from ccx_cli.study.run_importance import importance_of_run

        found = importance_of_run(
            opened,
            chosen,
            per_unit=options.per == "unit",
            class_names=names or (),
            seed=options.run.seed,
            device=options.passes.device,
            batch_size=options.passes.batch_size,
            workers=options.run.cores,
            progress=progress,
            cluster=cluster,
        )
        writer.write(map(to_json, found))
        kept = RANGE_IMPORTANCE if options.per == "unit" else IMPORTANCE
        keep(opened.run.directory / kept, found, progress)
        roles = next_command("roles", opened.run.directory)
        progress.note(f"Next: {roles} lists the classes that the units contribute to.")


def _plan_passes(opened: RunInputs, units: Sequence[int], per: Per, device: str) -> Step:
    """Say how often the rest of the network will see an image, and how long the whole takes.

    Per unit that is an upper bound: images in which a unit does not fire in the range are left out.
    """
    ranges = [
        record.cluster
        for unit in units
        for record in opened.run.units[unit]
        if record.range is not None
    ]
    passes = len(ranges) if per == "unit" else 2 * len(set(ranges))
    what = "at most, of the images" if per == "unit" else "of the images"
    total = len(opened.dataset.rows) * (passes + 1)
    # It imports torch, which takes seconds.
    from ccx_cli.probe.networks.layers import time_pass

    seconds = None
    if device == "cpu":
        _, seconds_an_image = time_pass(opened.network("importance"))
        seconds = total * seconds_an_image
    return Step(f"forward passes {what}", None, "passes", total, size=0, seconds=seconds)
