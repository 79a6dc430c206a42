"""The plans of ``ccx explain`` and ``ccx cluster``."""

from __future__ import annotations

from collections.abc import Sequence

from ccx_cli.cli.inputs.jobs import name_run, split_images
from ccx_cli.cli.options import UnitOptions
from ccx_cli.cli.planning.dry_run import Step
from ccx_cli.cli.planning.inputs import Planned, PlannedLayer, plan_units
from ccx_cli.cli.searching import SearchOptions, VocabularyOptions, strategy_of
from ccx_cli.cli.units import choose_units
from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.index import is_whole, load_index
from ccx_cli.probe.range_cache import ranges_cache, units_with_ranges
from ccx_cli.probe.ranges import Range, RangeMethod
from ccx_cli.runs.results import ResultsRun
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.shards import ShardedCache


def plan_explanations(
    planned: Planned,
    method: RangeMethod,
    by_hand: Sequence[Range] | None,
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    wanted: UnitOptions,
    *,
    seed: int,
    split: str | None,
) -> list[Step]:
    """Plan the search of each layer: which run it goes on with, and what is left of it.

    Raises
    ------
    UsageError
        As the command itself, for what it would refuse.
    """
    if not planned.layers or planned.index is None:
        return [Step("explanations", None, "units", None, None)]
    dataset = planned.layers[0].inputs.dataset
    if split is not None:
        split_images(dataset, split)
    strategy = _strategy(dataset, planned.index, search, vocabulary, split)
    steps = []
    for layer in planned.layers:
        units = _chosen(layer, wanted, seed)
        run: ResultsRun | None = None
        if strategy is not None:
            run = name_run(
                layer.inputs,
                method,
                by_hand,
                strategy,
                planned.index,
                layer.cache,
                ties=search.ties,
                split=split,
            )
        steps.append(plan_units(layer, run, units))
    return steps


def plan_ranges(
    planned: Planned, method: RangeMethod, wanted: UnitOptions, seed: int
) -> list[Step]:
    """Plan the ranges alone, for ``ccx cluster``."""
    if not planned.layers:
        return [Step("ranges", None, "units", None, None)]
    steps = []
    for layer in planned.layers:
        cache = ranges_cache(layer.cache, method)
        units = _chosen(layer, wanted, seed)
        if units is None:
            steps.append(Step("ranges", cache.directory, "units", None, None))
            continue
        done = len(units_with_ranges(cache) & set(units))
        size = len(units) * (2 + 16 * method.num_clusters)
        steps.append(Step("ranges", cache.directory, "units", len(units), done, size))
    return steps


def _chosen(layer: PlannedLayer, wanted: UnitOptions, seed: int) -> list[int] | None:
    if layer.units is None:
        return None
    return choose_units(wanted, seed, layer.units, layer.inputs.choice.layer)


def _strategy(
    dataset: BrodenDataset,
    cache: ShardedCache,
    search: SearchOptions,
    vocabulary: VocabularyOptions,
    split: str | None,
) -> Strategy | None:
    """Make the search; ``None`` where the concepts it may use are not known before the index is."""
    if vocabulary == VocabularyOptions():
        return strategy_of(search, vocabulary, None)
    if not is_whole(dataset, cache):
        return None
    index = load_index(dataset, cache)
    if split is not None:
        index = index.of_images(split_images(dataset, split)[0])
    return strategy_of(search, vocabulary, index)
