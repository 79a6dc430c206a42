"""``ccx cache build``: makes what other commands need."""

from __future__ import annotations

from ccx_cli.cli.cache import COLUMNS, describe
from ccx_cli.cli.commands.data import CacheBuildOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import planned_workers, write_plan
from ccx_cli.cli.inputs.gathering import gather_layers, plan_inputs
from ccx_cli.runs.caches_on_dask import prepare_on
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.preparing import drop_damaged, prepare_index, prepare_layers


def build(options: CacheBuildOptions) -> None:
    """Build the concept index and the activations, and replace damaged files."""
    with answering(options.out, options.messages, COLUMNS) as (progress, writer):
        if options.dry.dry_run:
            workers = planned_workers(options.run, options.cluster)
            plan = plan_inputs(options, workers, activations=not options.no_activations)
            write_plan(writer, plan.steps, progress, workers)
            return
        gathered = gather_layers(options, progress)
        drop_damaged(gathered, progress)
        with dask_cluster(options.cluster.dask, options.cluster.dask_timeout, progress) as dask:
            if dask is not None:
                prepare_on(dask, gathered, progress, activations=not options.no_activations)
        index = prepare_index(gathered[0], progress, soft_memory=0)
        made = [gathered[0].index_cache.directory]
        progress.note(
            f"{index.n_images:,} images, {len(index.concepts):,} concepts, "
            f"{len(index.sets):,} label sets."
        )
        if not options.no_activations:
            prepared = prepare_layers(gathered, progress)
            for inputs, activations in zip(gathered, prepared, strict=True):
                made.append(activations.cache.directory)
                progress.note(f"{activations.units:,} units of {inputs.choice.describe()}.")
        writer.write(describe(directory, options.places) for directory in made)
        progress.note(f"Kept in {' and '.join(str(directory) for directory in made)}")
        progress.note("Next: ccx explain with the same options.")
