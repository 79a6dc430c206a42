"""``ccx compare heuristics`` and ``thresholds``: other searches, and other ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ccx_cli.cli.commands.compare import (
    HEURISTIC_UNITS,
    THRESHOLD_UNITS,
    CompareHeuristicsOptions,
    CompareThresholdsOptions,
)
from ccx_cli.cli.diagnostics import answering
from ccx_cli.cli.inputs.gathering import gather, range_method
from ccx_cli.cli.output import (
    ACTIVATION,
    FORMULA,
    HITS,
    IOU,
    RANGE,
    UNIT,
    Column,
    Record,
    Section,
    cell,
    check_plot,
    numbers,
    write_sections,
)
from ccx_cli.cli.searching import check_search, strategy_of
from ccx_cli.cli.units import check_units, choose_units
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.errors import UsageError, suggestion
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.progress import Progress
from ccx_cli.published.shapes import build_shapes, load_shapes, shapes_cache
from ccx_cli.published.trials import (
    COMPARED,
    UnitRanges,
    compare_searches,
    compared_search,
    needs_shapes,
    summarise,
)
from ccx_cli.records.studies import (
    HeuristicOnRangeRecord,
    HeuristicRecord,
    ThresholdExplanationRecord,
)
from ccx_cli.render.study_plots import plot_shares, plot_trials
from ccx_cli.runs.preparing import Inputs, prepare_activations, prepare_index
from ccx_cli.search.beam import BeamSettings
from ccx_cli.search.counts import count_data
from ccx_cli.search.registry import Search
from ccx_cli.study.thresholds import explain_thresholds, share_categories


def _mean_and_deviation(key: str, decimals: int) -> Callable[[HeuristicRecord], str]:
    def show(record: HeuristicRecord) -> str:
        mean, deviation = (getattr(record, f"{key}_{each}") for each in ("mean", "deviation"))
        return f"{mean:,.{decimals}f} ± {deviation:,.{decimals}f}"

    return show


HEURISTICS = (
    Column("heuristic", "heuristic", style="bold"),
    Column("ranges", "ranges", right=True),
    Column("visited", "visited_mean", right=True, show=_mean_and_deviation("visited", 0)),
    Column("seconds", "seconds_mean", right=True, show=_mean_and_deviation("seconds", 4)),
    Column("IoU", "iou_mean", right=True),
    Column("best in", "best_in", right=True),
    Column("misses", "missed", right=True, form=".1%"),
    Column(
        "by (mean, most)",
        "lost_mean",
        right=True,
        show=lambda record: (
            "-" if record.lost_mean is None else f"{record.lost_mean:.1%}, {record.lost_max:.1%}"
        ),
    ),
)
TRIALS = (
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
    method = range_method(options.ranges)
    _check(options)
    columns = TRIALS if options.each else HEURISTICS
    with answering(options.out, options.messages, columns) as (progress, writer):
        inputs, activations, chosen, index = _prepare(options, HEURISTIC_UNITS, progress)
        writer.shorten(inputs.dataset.labels)
        shapes = None
        if needs_shapes(names):
            cache = shapes_cache(inputs.index_cache)
            build_shapes(index, cache, workers=inputs.workers, progress=progress)
            shapes = load_shapes(index, cache)
        counts = count_data(index)
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


SHARES, EXPLANATION = "threshold", "explanation"


EXPLANATIONS = Section(
    EXPLANATION,
    "Explanations",
    (
        UNIT,
        Column("quantile", "quantile", right=True, form="g"),
        ACTIVATION,
        FORMULA,
        IOU,
        HITS,
    ),
)


def thresholds(options: CompareThresholdsOptions) -> None:
    """Compare what formulas are made of at eleven thresholds."""
    if options.search.ties or options.search.within is not None:
        raise UsageError("--ties and --within list other formulas: use them with `ccx explain`.")
    check_search(options.search)
    _check(options)
    with answering(options.out, options.messages) as (progress, writer):
        inputs, activations, chosen, index = _prepare(options, THRESHOLD_UNITS, progress)
        writer.shorten(inputs.dataset.labels)
        strategy = strategy_of(options.search, options.vocabulary, index)
        found: list[ThresholdExplanationRecord] = []
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
        categories = inputs.dataset.categories
        shares = share_categories(found, categories)
        sections = [EXPLANATIONS, _section(categories)]
        write_sections(writer, sections, [*shares, *(found if options.each else ())])
        dead = len({one.unit for one in found if one.range is None})
        if dead:
            progress.note(f"{dead:,} of {len(chosen):,} units never fire.")
        if options.plot is not None:
            title = f"{inputs.choice.describe()}: {len(chosen):,} units, {strategy.name} search"
            plot_shares(shares, categories, title, options.plot)
            progress.note(f"Drawn: {options.plot}")


def _section(categories: Sequence[str]) -> Section:
    return Section(
        SHARES,
        "Share of each category among positive concepts",
        (
            Column("quantile", "quantile", right=True, form="g"),
            Column("range", "side", show=_side),
            Column("units", "explained", right=True, show=_explained, spare=True),
            Column("IoU", "iou_mean", right=True, spare=True),
            Column("concepts", "concepts", right=True, spare=True),
            *(
                Column(category, f"{category}_share", right=True, form=".1%")
                for category in categories
            ),
        ),
    )


def _side(record: Record) -> str:
    return "above" if record["side"] == "high" else "below"


def _explained(record: Record) -> str:
    explained, units = (cell(record[key]) for key in ("explained", "units"))
    return explained if explained == units else f"{explained} of {units}"


def _check(options: CompareHeuristicsOptions | CompareThresholdsOptions) -> None:
    check_units(options.units)
    if options.plot is not None:
        check_plot(options.plot, options.out.force)


def _prepare(
    options: CompareHeuristicsOptions | CompareThresholdsOptions, default: int, progress: Progress
) -> tuple[Inputs, Activations, list[int], ConceptIndex]:
    """Make what is missing of the inputs, and choose units."""
    inputs = gather(options, progress)
    activations = prepare_activations(inputs, progress)
    layer = inputs.choice.layer
    chosen = choose_units(options.units, options.run.seed, activations.units, layer, default)
    return inputs, activations, chosen, prepare_index(inputs, progress)
