"""The job that explains a layer's units: its settings, its run and the threads that do it."""

from __future__ import annotations

import dataclasses
import platform
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ccx_cli.concepts.importing.writer import read_color_rule
from ccx_cli.concepts.index import ConceptIndex, is_whole
from ccx_cli.concepts.qualities import read_annotation, read_tables
from ccx_cli.probe.activation_shards import covers
from ccx_cli.probe.activations import Activations, open_activations
from ccx_cli.probe.given_activations import PrecomputedActivations
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.range_cache import RangeCache
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.records.fields import to_json
from ccx_cli.records.header import PACKAGES
from ccx_cli.runs.costs import has_size, seconds_of_unit
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.lookup import stored_runs
from ccx_cli.runs.preparing import Inputs, plan_units, prepare_activations
from ccx_cli.runs.run import Run
from ccx_cli.runs.splits import Concepts, Split, part_concepts, prepare_concepts
from ccx_cli.runs.unit_queue import Explained, LayerUnits, UnitTasks, explain_layers
from ccx_cli.runs.unit_spans import write_spans
from ccx_cli.runs.workers import in_threads
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.scoring import iou_elsewhere
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.steps import Step


@dataclass(frozen=True)
class ExplainJob:
    """Explanations of a layer's units, stored as they are found.

    ``about`` is the header's; with a ``split`` the explainer's index is of the searched images
    only.
    """

    explainer: Explainer
    activations: Activations
    ranges: RangeCache | Sequence[Range]
    results: Run
    about: Mapping[str, Any]
    split: Split | None = None

    def explain(
        self,
        units: Sequence[int],
        workers: int,
        session: Mapping[str, Any],
        progress: Progress,
    ) -> Generator[list[ExplanationRecord], None, None]:
        """Yield every unit's records in the order of ``units``, finding what is not stored yet."""
        asked = self.asked(units, workers, session)
        for _, records in explain_layers([asked], partial(units_here, [self], workers), progress):
            yield records

    def asked(self, units: Sequence[int], workers: int, session: Mapping[str, Any]) -> LayerUnits:
        """Return what is asked for, to be explained with other layers in one queue."""
        asked = {"asked": write_spans(units), "workers": workers, "device": self.explainer.device}
        index, ranges = self.explainer.index, self.ranges
        return LayerUnits(self.results, units, self.about, {**session, **asked}, index, ranges)

    def explain_unit(self, unit: int) -> Explained:
        """Explain a unit; nothing is stored."""
        everywhere = self.activations.unit(unit)
        maps = everywhere if self.split is None else everywhere[self.split.images]
        ranges = self.ranges.of(unit, maps) if isinstance(self.ranges, RangeCache) else self.ranges
        records = self.explainer.explain(unit, maps, ranges)
        if self.split is not None:
            # By a soft objective there is one record, of the highest range.
            own = ranges[-len(records) :]
            records = self._with_held_out(records, own, everywhere[self.split.held_out])
        return Explained(records, tuple(ranges))

    def _with_held_out(
        self,
        records: Sequence[ExplanationRecord],
        ranges: Sequence[Range],
        maps: Maps,
    ) -> list[ExplanationRecord]:
        """Add what the formulas score on the images that were held out."""
        assert self.split is not None
        index = self.split.elsewhere
        hits = count_hits(maps, ranges, index) if ranges else None
        found = []
        for record in records:
            iou, formula = None, record.tree
            if formula is not None and hits is not None and record.cluster is not None:
                iou = iou_elsewhere(formula, index, hits.per_set[record.cluster])
            found.append(replace(record, split=self.split.name, held_out_iou=iou))
        return found


@contextmanager
def units_here(jobs: Sequence[ExplainJob], workers: int) -> Iterator[UnitTasks]:
    """Explain units of the jobs of layers in threads of this process."""
    with in_threads(workers) as tasks:
        yield UnitTasks(tasks, [job.explain_unit for job in jobs])


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How the units of a layer are explained.

    ``search`` makes the search from the index of the images that are searched; ``by_hand`` are
    ranges to use for every unit instead of finding them; with ``ties`` the formulas that score the
    same are stored; ``made_for`` names the run that this one is only made to be compared with.
    ``search`` does without the words ``left_out``, whose quality is below ``min_quality``. With
    ``skip_zero_range`` no formula is sought for the range that holds zero.
    """

    method: RangeMethod
    search: Callable[[ConceptIndex], Strategy] = lambda _: OptimalStrategy(OptimumSettings())
    by_hand: tuple[Range, ...] | None = None
    ties: bool = False
    split: str | None = None
    made_for: str | None = None
    min_quality: float | None = None
    left_out: tuple[str, ...] = ()
    skip_zero_range: bool = False

    @property
    def num_clusters(self) -> int:
        """Ranges of each unit, at most."""
        return self.method.num_clusters if self.by_hand is None else len(self.by_hand)


def settings_of(stored: Run) -> JobSettings:
    """Return the settings that a run was made with."""
    search, ranges = stored.search_identity, stored.identity.ranges
    method, by_hand = RangeMethod(), None
    if ranges.by_hand is UNSET:
        method = RangeMethod.from_identity(to_json(ranges))
    else:
        by_hand = tuple(Range.from_json(ends) for ends in ranges.by_hand)
    return JobSettings(
        method,
        search=lambda index: search_from_identity(search, len(index.concepts)),
        by_hand=by_hand,
        ties=bool(search.get("ties")),
        split=stored.identity.split,
        made_for=stored.about.made_for,
        min_quality=stored.about.min_quality,
        left_out=tuple(stored.about.left_out),
        skip_zero_range=stored.identity.skip_zero_range,
    )


def prepare_job(
    inputs: Inputs, settings: JobSettings, progress: Progress, concepts: Concepts | None = None
) -> ExplainJob:
    """Make what is missing, and name the run; ``concepts`` may be known from another layer."""
    # The network first: a layer that is not there shows at once, and the index takes minutes.
    activations = prepare_activations(inputs, progress)
    concepts = concepts or prepare_concepts(inputs, settings.split, progress)
    index, choice, dataset = concepts.index, inputs.choice, inputs.dataset
    strategy = settings.search(index)
    color_rule = read_color_rule(dataset.directory)
    annotation, tables = read_annotation(dataset.directory), read_tables(dataset.directory)
    about = {
        **choice.about(),
        "units": activations.units,
        "num_clusters": settings.num_clusters,
        "subset": dataset.subset,
        "dataset": str(dataset.directory.absolute()),
        "images": len(dataset.rows),
        "concepts": len(index.concepts),
        "mask_size": list(dataset.mask_shape),
        "map_size": list(activations.map_shape),
        **({"input_values": activations.input_values} if activations.input_values else {}),
        **({"color_rule": color_rule} if color_rule else {}),
        **({"annotation": to_json(annotation)} if annotation else {}),
        **({"tables": to_json(tables)} if tables else {}),
        "segmentation": str(inputs.index_cache.directory.absolute()),
        "activations": str(activations.cache.directory.absolute()),
        "split": settings.split,
        "made_for": settings.made_for,
        **_quality(settings),
        "rebuild": inputs.rebuild,
    }
    ranges: RangeCache | tuple[Range, ...] | None = settings.by_hand
    if ranges is None:
        ranges = RangeCache(activations, settings.method, progress, split=settings.split)
    return ExplainJob(
        explainer=_explainer(choice.layer, inputs.device, settings, concepts),
        activations=activations,
        ranges=ranges,
        results=name_run(inputs, settings, strategy),
        about=about,
        split=concepts.split,
    )


def stored_job(inputs: RunInputs, device: str, concepts: Concepts | None = None) -> ExplainJob:
    """Open the job of a run whose header and caches are there, to explain units of it."""
    run, settings = inputs.run, settings_of(inputs.run)
    concepts = concepts or part_concepts(inputs.index, inputs.dataset, settings.split)
    activations = inputs.activations
    ranges: RangeCache | tuple[Range, ...] | None = settings.by_hand
    if ranges is None:
        ranges = RangeCache(activations, settings.method, SilentProgress(), split=settings.split)
    layer = run.about.layer or ""
    explainer = _explainer(layer, device, settings, concepts)
    return ExplainJob(explainer, activations, ranges, run, {}, concepts.split)


def _quality(settings: JobSettings) -> dict[str, Any]:
    if settings.min_quality is None:
        return {}
    return {"min_quality": settings.min_quality, "left_out": list(settings.left_out)}


def _explainer(layer: str, device: str, settings: JobSettings, concepts: Concepts) -> Explainer:
    return Explainer(
        concepts.index,
        concepts.counts,
        layer,
        settings.num_clusters,
        settings.search(concepts.index),
        device,
        settings.ties,
        settings.skip_zero_range,
        concepts.summer,
    )


def plan_run(
    inputs: Inputs,
    settings: JobSettings,
    run: Run | None,
    units: Sequence[int] | None,
    map_size: Sequence[int] | None,
) -> Step:
    """Say which units of a run are missing, and about how long they take.

    Where the caches are whole, a unit is timed; else it is known of runs that are like this one,
    of maps of the same size if there are any.
    """
    step = plan_units(inputs, run, units)
    cache = inputs.activations_cache
    if run is None or not step.missing:
        return step
    is_ready = is_whole(inputs.dataset, inputs.index_cache)
    if not (is_ready and covers(cache, len(inputs.dataset.rows))):
        known = seconds_of_unit(stored_runs(inputs.roots.results), run.key or {}, map_size)
        if known is None:
            return step
        seconds, like = known
        seconds *= step.missing / min(inputs.workers, step.missing)
        source = like.name
        if not has_size(like, map_size):
            source += " (maps of another size, where a unit can take several times as long)"
        return dataclasses.replace(step, seconds=seconds, source=source)
    finished = run.lines.finished()
    unit = next(unit for unit in units or () if unit not in finished)
    concepts = prepare_concepts(inputs, settings.split, SilentProgress())
    explainer = _explainer(inputs.choice.layer, inputs.device, settings, concepts)
    activations = open_activations(inputs.dataset, cache)

    maps = activations.unit(unit)
    if concepts.split is not None:
        maps = maps[concepts.split.images]
    ranges = settings.by_hand or find_ranges(maps, settings.method)
    if explainer.strategy.objective.is_soft:
        ranges = ranges[-1:]
    ranges = tuple(each for each in ranges if not explainer.skips(each))
    middle = len(ranges) // 2
    if explainer.summer is not None:
        explainer.summer.prepare(maps)  # once for all units
    return step.timed(
        lambda: explainer.explain(unit, maps, ranges[middle : middle + 1]),
        1 / max(1, len(ranges)),
        inputs.workers,
    )


def name_run(inputs: Inputs, settings: JobSettings, strategy: Strategy) -> Run:
    """Name the run by the caches that it comes from, made or not, and how it is made."""
    choice, split = inputs.choice, settings.split
    search = strategy.identity()
    identity = {
        "segmentation": inputs.index_cache.made_from["fingerprint"],
        "activations": dict(inputs.activations_cache.made_from),
        "ranges": settings.method.identity()
        if settings.by_hand is None
        else {"by_hand": [found.to_json() for found in settings.by_hand]},
        "search": search | ({"ties": True} if settings.ties else {}),
        **({} if split is None else {"split": split}),
        **({"skip_zero_range": True} if settings.skip_zero_range else {}),
        # What a network's activations are made from names its layer already.
        **({"layer": choice.layer} if isinstance(choice, PrecomputedActivations) else {}),
    }
    parts = [
        choice.title,
        inputs.dataset.subset,
        f"k{settings.num_clusters}",
        f"{strategy.name}{search['length']}",
        *([] if split is None else [split]),
    ]
    return Run.named(inputs.roots.results, "-".join(parts), identity)


def session_of(inputs: Inputs, command: str) -> dict[str, Any]:
    """Return what a run's header says of a process: how it was called, and by which versions."""
    torch = sys.modules.get("torch")  # Not loaded where all caches are there.
    return {
        "command": command,
        "batch_size": inputs.batch_size,
        "threads": None if torch is None else torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
