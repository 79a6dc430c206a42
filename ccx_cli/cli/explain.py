"""``ccx explain``: the main job."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain, groupby
from operator import itemgetter

from ccx_cli.cli.called import command_line, next_command
from ccx_cli.cli.commands.explain import ExplainOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.dry_run import planned_workers, write_plan
from ccx_cli.cli.inputs.gathering import gather_layers, plan_inputs, range_method
from ccx_cli.cli.output import LAYER, Column
from ccx_cli.cli.reading import (
    COLUMNS,
    SHOWN,
    Gist,
    Place,
    common_untrained,
    marking,
    tolerance_of,
)
from ccx_cli.cli.search_options import VocabularyOptions
from ccx_cli.cli.searching import check_search, strategy_of
from ccx_cli.cli.stages import stages_of
from ccx_cli.cli.units import check_units, choose_units, known_units
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import is_whole, load_index
from ccx_cli.concepts.qualities import poor_words, read_annotation
from ccx_cli.errors import UsageError
from ccx_cli.probe.ranges import Range
from ccx_cli.progress import Progress
from ccx_cli.records.explanation import SOFT, ExplanationRecord
from ccx_cli.runs.caches_on_dask import prepare_on
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.job import (
    ExplainJob,
    JobSettings,
    name_run,
    plan_run,
    prepare_job,
    session_of,
    units_here,
)
from ccx_cli.runs.lookup import call_run
from ccx_cli.runs.naming import check_name
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.preparing import Inputs, Plan, prepare_layers
from ccx_cli.runs.run import Run
from ccx_cli.runs.splits import prepare_concepts, split_images
from ccx_cli.runs.unit_queue import explain_layers
from ccx_cli.runs.units_on_dask import open_ahead, units_on
from ccx_cli.store.steps import Step
from ccx_cli.study.specialisation import untrained_defaults

SPLIT_COLUMNS = (*COLUMNS, Column("IoU held out", "held_out_iou", right=True))


def explain(options: ExplainOptions) -> None:
    """Find the formula of concepts that best matches where each unit fires."""
    check_search(options.search)
    check_units(options.units)
    name = options.naming.name
    if name:
        check_name(name)
    if options.skip_zero_range and options.search.objective in SOFT:
        raise UsageError(
            f"--skip-zero-range is of ranges, and --objective {options.search.objective} of the "
            "whole activation: leave it out."
        )
    tolerance = tolerance_of(options.reading)
    if options.search.ties or options.search.within is not None:
        tolerance = 0.0  # What is listed scores like the best formula.
    settings = JobSettings(
        method=range_method(options.ranges),
        by_hand=None if options.by_hand is None else parse_ranges(options.by_hand),
        ties=options.search.ties,
        split=options.split,
        skip_zero_range=options.skip_zero_range,
    )
    columns: tuple[Column, ...] = COLUMNS if options.split is None else SPLIT_COLUMNS
    if options.search.objective not in ("iou", "mcc"):
        columns = (*columns, Column(options.search.objective, "score", right=True))
    if options.network.has_several_layers:
        columns = (LAYER, *columns)
    with (
        answering(options.out, options.messages, columns) as (progress, writer),
        ExitStack() as opened,
    ):
        if options.dry.dry_run:
            workers = planned_workers(options.run, options.cluster)
            plan = plan_inputs(options, workers)
            if plan.layers:
                settings = _searching(settings, options, plan.layers[0][0].dataset)
            steps = [*plan.steps, *_plan_runs(plan, settings, options)]
            write_plan(writer, steps, progress, workers)
            return
        gathered = gather_layers(options, progress)
        settings = _searching(settings, options, gathered[0].dataset)
        if options.vocabulary.min_quality is not None:
            progress.note(
                f"Left out by --min-quality: {', '.join(settings.left_out) or 'no word'}."
            )
        dask = dask_cluster(options.cluster.dask, options.cluster.dask_timeout, progress)
        cluster = opened.enter_context(dask)
        stages = stages_of(gathered, settings, options, cluster, progress)
        opened.enter_context(progress.expecting(stages))
        if cluster is not None:
            prepare_on(cluster, gathered, progress)
            open_ahead(cluster, gathered[0])
        # The network first: a layer that is not there shows at once, and the index takes minutes.
        layers = zip(gathered, prepare_layers(gathered, progress), strict=True)
        chosen = [
            choose_units(options.units, inputs, activations, options.run.seed, progress)
            for inputs, activations in layers
        ]
        maps = None if cluster is None else 0  # Workers look at them.
        concepts = prepare_concepts(gathered[0], options.split, progress, soft_memory=maps)
        most = None if options.everything else SHOWN
        gist = Gist(most, tolerance, options.reading.sort)
        records: list[ExplanationRecord] = []
        common: set[Place] = set()
        found = open_ended = skipped = 0
        runs = []

        def prepare(inputs: Inputs) -> ExplainJob:
            job = prepare_job(inputs, settings, progress, concepts)
            layer = f"-{inputs.choice.layer}" if name and len(gathered) > 1 else ""
            was = job.results.naming.name
            now = call_run(job.results, name and name + layer, options.naming.note).naming.name
            if was and was != now:
                progress.note(f"This run was called {was} until now.")
            return job

        asked = list(zip(gathered, chosen, strict=True))
        every = _explained(asked, prepare, cluster, progress)
        for (position, job), some in groupby(every, key=itemgetter(0, 1)):
            inputs, units = asked[position]
            for _, _, explained in some:
                for record in explained:
                    writer.line(record)
                found += len(explained)
                open_ended += sum(record.proven is False for record in explained)
                skipped += sum(record.skipped is True for record in explained)
                if writer.is_table:
                    gist.add(explained)
                elif writer.form != "jsonl":
                    records += explained
            if writer.is_table:
                run = Run(job.results.directory)
                defaults = untrained_defaults(run, inputs.roots.results)
                if defaults is not None:
                    common |= common_untrained(chain(*run.only(units).values()), defaults)
            of = f" of {inputs.choice.layer}" if len(gathered) > 1 else ""
            runs.append(
                f"{len(units):,} of {job.activations.units:,} units{of} explained; "
                f"stored in {job.results.directory}"
            )
        if writer.is_table:
            writer.shorten(gathered[0].dataset.labels)
            writer.sentences(gist.headline)
            replace(writer, columns=(*columns, *marking(common))).rest(gist.shown)
            gist.tell(writer.names, progress)
        else:
            writer.rest(records)
        if skipped:
            progress.note(f"Ranges that hold zero, and were skipped: {skipped:,}.")
        if open_ended:
            progress.note(
                f"{open_ended:,} of {found:,} formulas are not proven best: a larger "
                "--node-limit may narrow the bounds."
            )
        annotation = read_annotation(gathered[0].dataset.directory)
        if annotation is not None:
            progress.note(annotation.sentence)
        for said in runs:
            progress.note(said)
        report = next_command("render", job.results.directory, also="--html report.html")
        progress.note(f"Next: {next_command('tui', job.results.directory)}, or {report}")


def _explained(
    asked: Sequence[tuple[Inputs, Sequence[int]]],
    prepare: Callable[[Inputs], ExplainJob],
    cluster: DaskCluster | None,
    progress: Progress,
) -> Iterator[tuple[int, ExplainJob, list[ExplanationRecord]]]:
    """Yield what is explained, layer by layer, though the units of all layers are one queue."""
    jobs = [prepare(inputs) for inputs, _ in asked]
    layers = [
        job.asked(units, inputs.workers, session_of(inputs, command_line()))
        for job, (inputs, units) in zip(jobs, asked, strict=True)
    ]
    first, runs = asked[0][0], [job.results for job in jobs]
    if cluster is None:
        opening = partial(units_here, jobs, first.workers)
    else:
        opening = partial(units_on, cluster, runs, first.roots, first.device, first.memory)
    for position, explained in explain_layers(layers, opening, progress):
        yield position, jobs[position], explained


def _searching(
    settings: JobSettings, options: ExplainOptions, dataset: BrodenDataset
) -> JobSettings:
    """Add the search that the options name, and which words of the dataset it does without."""
    least = options.vocabulary.min_quality
    poor = poor_words(dataset, least)
    return replace(
        settings,
        search=lambda index: strategy_of(options.search, options.vocabulary, index, poor),
        min_quality=least,
        left_out=poor,
    )


def _plan_runs(plan: Plan, settings: JobSettings, options: ExplainOptions) -> list[Step]:
    if not plan.layers:
        return [Step("explanations", None, "units", None, None)]
    first = plan.layers[0][0]
    split = settings.split
    images = None if split is None else split_images(first.dataset, split)[0]
    strategy = None
    if options.vocabulary == VocabularyOptions():
        strategy = strategy_of(options.search, options.vocabulary, None)
    elif is_whole(first.dataset, first.index_cache):
        # A vocabulary is known only once the index is made.
        index = load_index(first.dataset, first.index_cache, first.memory)
        strategy = settings.search(index if images is None else index.of_images(images))
    steps = []
    for inputs, maps in plan.layers:
        run = None if strategy is None else name_run(inputs, settings, strategy)
        units = None
        if maps is not None:
            units = known_units(options.units, inputs, maps[0], options.run.seed)
        steps.append(plan_run(inputs, settings, run, units, maps and maps[1:]))
    return steps


def parse_ranges(text: str) -> tuple[Range, ...]:
    """Read ``0:1.5,1.5:inf`` as ranges, ascending."""
    found = []
    for part in text.split(","):
        try:
            lower, upper = (float(end) for end in part.split(":"))
        except ValueError:
            lower, upper = 1.0, 0.0
        if not lower <= upper or lower == math.inf or upper == -math.inf:
            raise UsageError(f"--ranges {text} is not a list of ranges such as 0:1.5,1.5:inf.")
        found.append(Range(lower, upper))
    return tuple(sorted(found))
