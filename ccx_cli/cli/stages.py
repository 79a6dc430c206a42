"""The stages of ``ccx explain``, and what is known of their times before they begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ccx_cli.cli.commands.explain import ExplainOptions
from ccx_cli.cli.search_options import VocabularyOptions
from ccx_cli.cli.searching import strategy_of
from ccx_cli.cli.units import known_units
from ccx_cli.concepts.index import is_whole
from ccx_cli.design import listed
from ccx_cli.errors import CcxError
from ccx_cli.probe.activation_shards import covers
from ccx_cli.probe.activations import stored_maps
from ccx_cli.probe.given_activations import PrecomputedActivations
from ccx_cli.progress import Progress
from ccx_cli.runs.costs import has_size, seconds_of_unit
from ccx_cli.runs.job import JobSettings, name_run
from ccx_cli.runs.lookup import stored_runs
from ccx_cli.runs.on_dask import DaskCluster
from ccx_cli.runs.preparing import Inputs, plan_units
from ccx_cli.search.strategy import Strategy


def stages_of(
    layers: Sequence[Inputs],
    settings: JobSettings,
    options: ExplainOptions,
    cluster: DaskCluster | None,
    progress: Progress,
) -> Mapping[str, Callable[[], float | None]]:
    """Return the stages that are left before units and these, as ``Progress.expecting`` takes them.

    None are returned where nothing can be known of the time of a unit: when all will be done cannot
    be said before units have begun.
    """
    first = layers[0]
    if options.vocabulary != VocabularyOptions() or not _has_runs(first):
        return {}
    n_images = len(first.dataset.rows)
    stages: dict[str, Callable[[], float | None]] = {}
    if not all(covers(inputs.activations_cache, n_images) for inputs in layers):
        is_given = isinstance(first.choice, PrecomputedActivations)
        stages["Importing" if is_given else "Activations of"] = _not_known
    if not is_whole(first.dataset, first.index_cache):
        stages["Concept index"] = _not_known
    if stages:
        strategy = strategy_of(options.search, options.vocabulary, None)
        stages["Explanations"] = _Units(layers, settings, strategy, options, cluster, progress)
    return stages


def _has_runs(inputs: Inputs) -> bool:
    """Tell whether there are runs on the same subset: else its files need not be looked at yet."""
    subset = inputs.dataset.subset
    return any(run.about.subset == subset for run in stored_runs(inputs.roots.results))


def _not_known() -> None:
    """Know nothing of the time of a stage before its bar opens."""


@dataclass(frozen=True)
class _Units:
    """Units that will be explained."""

    layers: Sequence[Inputs]
    settings: JobSettings
    strategy: Strategy
    options: ExplainOptions
    cluster: DaskCluster | None
    progress: Progress

    def __call__(self) -> float | None:
        """Return the seconds they will take; ``None`` while not all layers have a first shard."""
        if any(stored_maps(inputs.activations_cache) is None for inputs in self.layers):
            return None
        if self._work is None:
            return None
        missing, seconds = self._work
        workers = self.layers[0].workers if self.cluster is None else self.cluster.count()
        return seconds / max(1, min(workers, missing))

    @cached_property
    def _work(self) -> tuple[int, float] | None:
        """Return how many units are missing, and what they take one worker, if that is known."""
        missing, total = 0, 0.0
        likes: list[str] = []
        runs = stored_runs(self.layers[0].roots.results)
        for inputs in self.layers:
            maps = stored_maps(inputs.activations_cache)
            assert maps is not None
            run = name_run(inputs, self.settings, self.strategy)
            try:
                units = known_units(self.options.units, inputs, maps[0], self.options.run.seed)
                lacked = plan_units(inputs, run, units).missing
            except CcxError:  # It is told once units are chosen.
                return None
            if lacked == 0:
                continue
            known = seconds_of_unit(runs, run.key or {}, maps[1:])
            if lacked is None or known is None or not has_size(known[1], maps[1:]):
                return None
            seconds, like = known
            missing, total = missing + lacked, total + lacked * seconds
            likes.append(like.name)
        if likes:
            self.progress.note(
                "The time of all stages has units take what they took in "
                f"{listed([*dict.fromkeys(likes)])}, with the same labels, ranges, search and size "
                "of maps."
            )
        return missing, total
