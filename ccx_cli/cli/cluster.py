"""``ccx cluster``: activation ranges per unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial

from ccx_cli.cli.commands.explain import ClusterOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import planned_workers, write_plan
from ccx_cli.cli.inputs.gathering import gather_layers, plan_inputs, range_method
from ccx_cli.cli.options import UnitOptions
from ccx_cli.cli.output import ACTIVATION, LAYER, RANGE, UNIT, Record, numbers
from ccx_cli.cli.units import check_units, choose_units, known_units
from ccx_cli.design import holds_zero
from ccx_cli.probe.activation_shards import covers
from ccx_cli.probe.activations import Activations, open_activations
from ccx_cli.probe.range_cache import (
    RangeCache,
    RangesElsewhere,
    known_ranges,
    ranges_cache,
    ranges_step,
)
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.progress import Progress
from ccx_cli.runs.caches_on_dask import prepare_on, ranges_on
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.preparing import Inputs, Plan, prepare_layers
from ccx_cli.store.steps import Step

_NONE = (None, (None, 0))
COLUMNS = (UNIT, RANGE, ACTIVATION, *numbers("values", "share"))


def cluster(options: ClusterOptions) -> None:
    """Find the activation ranges of each unit."""
    check_units(options.units)
    method = range_method(options.ranges)
    columns = (LAYER, *COLUMNS) if options.network.has_several_layers else COLUMNS
    with (
        answering(options.out, options.messages, columns) as (progress, writer),
        ExitStack() as opened,
    ):
        if options.dry.dry_run:
            planned = planned_workers(options.run, options.cluster)
            plan = plan_inputs(options, planned, index=False)
            ranges = _plan_ranges(plan, method, options.units, options.run.seed)
            write_plan(writer, [*plan.steps, *ranges], progress, planned)
            return
        gathered = gather_layers(options, progress)
        dask = dask_cluster(options.cluster.dask, options.cluster.dask_timeout, progress)
        workers, elsewhere = opened.enter_context(dask), None
        if workers is not None:
            prepare_on(workers, gathered, progress, index=False)
            elsewhere = partial(ranges_on, workers)
        layers = prepare_layers(gathered, progress)
        chosen = [
            choose_units(options.units, inputs, activations, options.run.seed, progress)
            for inputs, activations in zip(gathered, layers, strict=True)
        ]
        records: list[Record] = []
        for inputs, activations, units in zip(gathered, layers, chosen, strict=True):
            before = len(records)
            for record in _ranges(inputs, activations, method, units, progress, elsewhere):
                writer.line(record)
                records.append(record)
            silent = sum(record["cluster"] is None for record in records[before:])
            if silent:
                of = f" of {inputs.choice.layer}" if len(gathered) > 1 else ""
                progress.note(
                    f"{silent:,} of {len(units):,} units{of} never fire and have no range."
                )
        writer.rest(records)
        kept = " and ".join(str(activations.cache.directory) for activations in layers)
        progress.note(f"Ranges are kept in {kept}")
        progress.note("Next: ccx explain with the same options finds their formulas.")


def _plan_ranges(plan: Plan, method: RangeMethod, wanted: UnitOptions, seed: int) -> list[Step]:
    steps = []
    for inputs, maps in plan.layers:
        cache = ranges_cache(inputs.activations_cache, method)
        units = None if maps is None else known_units(wanted, inputs, maps[0], seed)
        if units is None:
            steps.append(Step("ranges", cache.directory, "units", None, None))
        else:
            step = ranges_step(cache, units, method.num_clusters)
            if step.missing and covers(inputs.activations_cache, len(inputs.dataset.rows)):
                opened = open_activations(inputs.dataset, inputs.activations_cache)
                unit = next(unit for unit in units if unit not in known_ranges(cache))
                find = partial(find_ranges, opened.unit(unit), method)
                step = step.timed(find, side_by_side=inputs.workers)
            steps.append(step)
    return steps or [Step("ranges", None, "units", None, None)]


def _ranges(
    inputs: Inputs,
    activations: Activations,
    method: RangeMethod,
    units: Sequence[int],
    progress: Progress,
    elsewhere: RangesElsewhere | None,
) -> Iterator[Record]:
    """Yield a layer's ranges, unit by unit; they are kept, however far they are asked for."""
    known = RangeCache(activations, method, progress)
    try:
        with progress.task("Ranges", len(units), unit="units") as task:
            for found in known.of_units(units, inputs.workers, elsewhere):
                ranges = zip(found.ranges, found.counts, strict=True)
                for cluster, (each, values) in enumerate(ranges) if found.ranges else [_NONE]:
                    yield {
                        "unit": found.unit,
                        "layer": inputs.choice.layer,
                        "cluster": cluster,
                        "num_clusters": method.num_clusters,
                        "num_ranges": len(found.ranges),
                        "range": each.to_json() if each else None,
                        "values": values,
                        "share": values / found.n_values,
                        **({"holds_zero": True} if each and holds_zero(each.to_json()) else {}),
                    }
                task.advance()
    finally:
        known.save()
