"""``ccx compare heuristics``: the published searches beside beam and optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ccx_cli.cli.completing import stored as completing_stored
from ccx_cli.cli.diagnostics import reporting
from ccx_cli.cli.network_options import NetworkOptions
from ccx_cli.cli.options import (
    NETWORK,
    OUTPUT,
    RANGES,
    DataOptions,
    OutputOptions,
    PlaceOptions,
    RangeOptions,
    RunOptions,
    TalkOptions,
    UnitOptions,
)
from ccx_cli.cli.output import Column, Record, writing_to
from ccx_cli.errors import UsageError, suggestion

if TYPE_CHECKING:
    from ccx_cli.concepts.index import ConceptIndex
    from ccx_cli.probe.activations import Activations
    from ccx_cli.probe.range_cache import RangeCache
    from ccx_cli.progress import Progress
    from ccx_cli.published.shapes import Shapes
    from ccx_cli.published.trials import Summary, Trial, UnitRanges
    from ccx_cli.runs.preparing import Inputs
    from ccx_cli.search.explanation import ConceptNames

HEURISTIC_UNITS = 100
PLOT_FORMS = (".png", ".svg", ".pdf")


def _mean_and_deviation(key: str, decimals: int) -> Callable[[Record], str]:
    def show(record: Record) -> str:
        mean, deviation = record[f"{key}_mean"], record[f"{key}_deviation"]
        return f"{mean:,.{decimals}f} ± {deviation:,.{decimals}f}"

    return show


COLUMNS = (
    Column("heuristic", "heuristic", style="bold"),
    Column("ranges", "ranges", right=True),
    Column("visited", "visited_mean", right=True, show=_mean_and_deviation("visited", 0)),
    Column("seconds", "seconds_mean", right=True, show=_mean_and_deviation("seconds", 4)),
    Column("IoU", "iou_mean", right=True),
    Column("best in", "best_in", right=True),
)
EACH_COLUMNS = (
    Column("unit", "unit", right=True),
    Column("cluster", "cluster", right=True),
    Column("heuristic", "heuristic"),
    Column("formula", "formula", style="bold"),
    Column("IoU", "iou", right=True),
    Column("visited", "visited", right=True),
    Column("seconds", "seconds", right=True),
)


@dataclass(frozen=True, slots=True)
class DrawnUnitOptions:
    """Which units, drawn at random by default."""

    units: Annotated[
        str | None,
        typer.Option(
            help="Units by number instead, such as 1,5,10-20.",
            rich_help_panel=NETWORK,
            autocompletion=completing_stored.run_units,
        ),
    ] = None
    random_units: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="So many units drawn at random; 0 for all.",
            rich_help_panel=NETWORK,
            show_default=f"{HEURISTIC_UNITS}, or all if there are fewer",
        ),
    ] = None

    def among(self, available: int, default: int) -> UnitOptions:
        """Resolve the default number of units for a layer of so many."""
        if self.units is None and self.random_units is None:
            return UnitOptions(None, min(default, available))
        return UnitOptions(self.units, self.random_units or 0)


@dataclass(frozen=True, slots=True)
class TopRangeOptions(RangeOptions):
    """Which ranges, the top one by default."""

    num_clusters: Annotated[
        int,
        typer.Option(
            help="Ranges per unit: 1 for the top quantile, more for k-means clusters.",
            rich_help_panel=RANGES,
        ),
    ] = 1


def heuristics(
    *,
    heuristic: Annotated[
        str,
        typer.Option(help="Searches to compare.", rich_help_panel="Search"),
    ] = "mmesh,cfh,areas,none,beam,optimal",
    length: Annotated[
        int, typer.Option(help="Most concepts in a formula.", rich_help_panel="Search")
    ] = 3,
    beam_limit: Annotated[
        int, typer.Option(help="Formulas the beam keeps at each step.", rich_help_panel="Search")
    ] = 5,
    data: DataOptions,
    network: NetworkOptions,
    units: DrawnUnitOptions,
    ranges: TopRangeOptions,
    each: Annotated[
        bool,
        typer.Option(
            "--each", metavar="", help="Every search of every range.", rich_help_panel=OUTPUT
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the comparison to a .png, .svg or .pdf file.", rich_help_panel=OUTPUT
        ),
    ] = None,
    out: OutputOptions,
    talk: TalkOptions,
    run: RunOptions,
    places: PlaceOptions,
) -> None:
    """Compare the published search heuristics: formulas visited, and time.

    mmesh, cfh and areas order the candidates of a beam by estimates and stop
    early; none visits them all. beam is the same search as ccx runs it, which
    needs no estimates, and optimal proves its formula. Visited are formulas
    of two and more concepts whose exact IoU was asked for; for optimal,
    triples counted. Times are those of ccx, once hits and shapes are known.

    [bold]Examples[/bold]

      ccx compare heuristics --model demo --subset demo
      ccx compare heuristics --heuristic mmesh,none --plot searches.png
    """
    from ccx_cli.cli.inputs.gathering import gather, range_method
    from ccx_cli.cli.units import check_units, choose_units
    from ccx_cli.probe.range_cache import RangeCache
    from ccx_cli.published.trials import compare_searches, needs_shapes, searches_of, summarise
    from ccx_cli.runs.preparing import prepare_activations, prepare_index
    from ccx_cli.search.beam import BeamSettings
    from ccx_cli.search.counts import count_data
    from ccx_cli.search.explanation import ConceptNames

    names = parse_searches(heuristic)
    settings = BeamSettings(length, beam_limit)
    check_units(UnitOptions(units.units, units.random_units or 0))
    method = range_method(ranges)
    if plot is not None:
        check_plot(plot, out.force)
    with (
        reporting(talk) as progress,
        writing_to(out, EACH_COLUMNS if each else COLUMNS, no_color=talk.no_color) as writer,
    ):
        inputs = gather(places, data, network, run, progress)
        activations = prepare_activations(inputs, progress)
        drawn = units.among(activations.units, HEURISTIC_UNITS)
        chosen = choose_units(drawn, run.seed, activations.units, inputs.choice.layer)
        index = prepare_index(inputs, progress)
        shapes = prepare_shapes(inputs, index, progress) if needs_shapes(names) else None
        searches = searches_of(names, settings, index, count_data(index), shapes)
        known = RangeCache(activations, method, progress)
        shown = ConceptNames(index.concepts, index.name_of)
        trials: list[Trial] = []
        records: list[Record] = []
        try:
            with progress.task("Searches", len(chosen), unit="units") as task:
                for found in compare_searches(
                    _in_turn(chosen, activations, known), index, searches, device=inputs.device
                ):
                    trials += found
                    if each:
                        records += [trial_record(trial, shown) for trial in found]
                        for record in records[len(records) - len(found) :]:
                            writer.line(record)
                    task.advance()
        finally:
            known.save()
        if not each:
            records = [summary_record(summary) for summary in summarise(trials)]
            for record in records:
                writer.line(record)
        writer.rest(records)
        silent = len(chosen) - len({trial.unit for trial in trials})
        if silent:
            progress.note(f"{silent:,} of {len(chosen):,} units have no pixel in range.")
        if plot is not None and trials:
            from ccx_cli.published.trials_plot import plot_trials

            title = f"{inputs.choice.describe()}: {len(trials) // len(names):,} ranges"
            plot_trials(trials, f"{title}, length {length}, beam {beam_limit}", plot)
            progress.note(f"Drawn: {plot}")


def parse_searches(text: str) -> list[str]:
    """Read ``mmesh,none`` as names of searches, without repetitions.

    Raises
    ------
    UsageError
        If one is not known, or there is none.
    """
    from ccx_cli.published.trials import COMPARED

    names = list(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for name in names:
        if name not in COMPARED:
            near = suggestion(name, COMPARED) or f": there are {', '.join(COMPARED)}."
            raise UsageError(f"--heuristic {name} is not known{near}")
    if not names:
        raise UsageError(f"--heuristic is empty: name some of {', '.join(COMPARED)}.")
    return names


def check_plot(path: Path, force: bool) -> None:
    """Refuse a plot of an unknown form, or in a file's place, before long work begins.

    Raises
    ------
    UsageError
        If it cannot be meant.
    """
    if path.suffix.lower() not in PLOT_FORMS:
        raise UsageError(f"--plot {path} has to end in {', '.join(PLOT_FORMS[:-1])} or .pdf.")
    if path.exists() and not force:
        raise UsageError(f"--plot {path} is there already: add --force to overwrite it.")


def prepare_shapes(inputs: Inputs, index: ConceptIndex, progress: Progress) -> Shapes:
    """Measure what the cache of shapes lacks, and load it."""
    from ccx_cli.published.shapes import build_shapes, load_shapes, shapes_cache

    cache = shapes_cache(inputs.index_cache)
    build_shapes(index, cache, workers=inputs.workers, progress=progress)
    return load_shapes(index, cache)


def summary_record(summary: Summary) -> Record:
    """Return the row of one search."""
    return {
        "heuristic": summary.search,
        "ranges": summary.ranges,
        "visited_mean": summary.visited[0],
        "visited_deviation": summary.visited[1],
        "seconds_mean": summary.seconds[0],
        "seconds_deviation": summary.seconds[1],
        "iou_mean": summary.iou,
        "best_in": summary.best,
    }


def trial_record(trial: Trial, names: ConceptNames) -> Record:
    """Return the row of one search of one range."""
    return {
        "unit": trial.unit,
        "cluster": trial.cluster,
        "heuristic": trial.search,
        "formula": None if trial.best is None else names.text(trial.best),
        "iou": trial.iou,
        "visited": trial.visited,
        "seconds": trial.seconds,
    }


def _in_turn(
    units: list[int], activations: Activations, ranges: RangeCache
) -> Iterator[UnitRanges]:
    """Yield units one by one: nothing else may run while a search is timed."""
    for unit in units:
        maps = activations.unit(unit)
        yield unit, maps, ranges.of(unit, maps)
