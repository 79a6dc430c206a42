"""``ccx compare heuristics``: the published searches beside beam and optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ccx_cli import design
from ccx_cli.cli.commands.compare import HEURISTIC_UNITS, CompareHeuristicsOptions
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import gather, range_method
from ccx_cli.cli.output import FORMULA, IOU, RANGE, UNIT, Column, numbers
from ccx_cli.cli.output_files import check_plot
from ccx_cli.cli.units import check_units, choose_units
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.published.shapes import build_shapes, load_shapes, shapes_cache
from ccx_cli.published.trials import (
    COMPARED,
    UnitRanges,
    compare_searches,
    compared_search,
    needs_shapes,
    summarise,
)
from ccx_cli.records.studies import HeuristicOnRangeRecord, HeuristicRecord
from ccx_cli.render.study_plots import plot_trials
from ccx_cli.runs.preparing import prepare_activations, prepare_index
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.registry import Search


def _mean_and_deviation(key: str, decimals: int) -> Callable[[HeuristicRecord], str]:
    def show(record: HeuristicRecord) -> str:
        mean, deviation = (getattr(record, f"{key}_{each}") for each in ("mean", "deviation"))
        return " ± ".join(design.number(each, decimals) for each in (mean, deviation))

    return show


COLUMNS = (
    Column("heuristic", "heuristic", style="bold"),
    Column("ranges", "ranges", right=True),
    Column("visited", "visited_mean", right=True, show=_mean_and_deviation("visited", 0)),
    Column("seconds", "seconds_mean", right=True, show=_mean_and_deviation("seconds", 4)),
    Column("IoU", "iou_mean", right=True),
    Column("best in", "best_in", right=True),
    Column("misses", "missed", right=True, form=design.share),
    Column(
        "by (mean, most)",
        "lost_mean",
        right=True,
        show=lambda record: (
            design.MISSING
            if record.lost_mean is None
            else f"{design.share(record.lost_mean)}, {design.share(record.lost_max)}"
        ),
    ),
)
EACH_COLUMNS = (
    UNIT,
    RANGE,
    Column("heuristic", "heuristic"),
    FORMULA,
    IOU,
    *numbers("visited", "seconds"),
)


def heuristics(options: CompareHeuristicsOptions) -> None:
    """Compare the published search heuristics: formulas visited, and time."""
    names = parse_searches(options.heuristic)
    settings = BeamSettings(options.length, options.beam_limit)
    check_units(options.units.given)
    method = range_method(options.ranges)
    if options.plot is not None:
        check_plot(options.plot, options.out.force)
    columns = EACH_COLUMNS if options.each else COLUMNS
    with answering(options.out, options.messages, columns) as (progress, writer):
        inputs = gather(options, progress)
        writer.shorten(inputs.dataset.labels)
        activations = prepare_activations(inputs, progress)
        drawn = options.units.among(activations.units, HEURISTIC_UNITS)
        chosen = choose_units(drawn, inputs, activations, options.run.seed, progress)
        index = prepare_index(inputs, progress)
        shapes = None
        if needs_shapes(names):
            cache = shapes_cache(inputs.index_cache)
            build_shapes(index, cache, workers=inputs.workers, progress=progress)
            shapes = load_shapes(index, cache)
        counts = DataCounts(index)
        searches = {name: compared_search(name, settings, index, counts, shapes) for name in names}
        known = RangeCache(activations, method, progress)
        trials: list[HeuristicOnRangeRecord] = []
        try:
            with progress.task("Searches", len(chosen), unit="units") as task:
                for found in compare_searches(
                    _in_turn(chosen, activations, known), index, searches, device=inputs.device
                ):
                    trials += found
                    for trial in found if options.each else ():
                        writer.line(trial)
                    task.advance()
        finally:
            known.save()
        if options.each:
            writer.rest(trials)
        else:
            writer.write(summarise(trials))
        silent = len(chosen) - len({trial.unit for trial in trials})
        if silent:
            progress.note(f"{silent:,} of {len(chosen):,} units have no pixel in range.")
        if options.plot is not None and trials:
            title = f"{inputs.choice.describe()}: {len(trials) // len(names):,} ranges"
            plot_trials(
                trials, f"{title}, length {options.length}, beam {options.beam_limit}", options.plot
            )
            progress.note(f"Drawn: {options.plot}")


def parse_searches(text: str) -> list[str]:
    """Read ``mmesh,beam:15`` as names of searches, without repetitions."""
    names = list(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for name in names:
        known, _, width = name.partition(":")
        if width and (known != Search.BEAM or not width.isdecimal() or int(width) < 1):
            raise UsageError(f"--heuristic {name} is not known: a width stands as in beam:15.")
        if known not in COMPARED:
            near = suggestion(name, COMPARED) or f": there are {', '.join(COMPARED)}."
            raise UsageError(f"--heuristic {name} is not known{near}")
    if not names:
        raise UsageError(f"--heuristic is empty: name some of {', '.join(COMPARED)}.")
    return names


def _in_turn(
    units: list[int], activations: Activations, ranges: RangeCache
) -> Iterator[UnitRanges]:
    """Yield units one by one: nothing else may run while a search is timed."""
    for unit in units:
        maps = activations.unit(unit)
        yield unit, maps, ranges.of(unit, maps)
