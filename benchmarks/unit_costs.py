"""What an index and its units cost, measured in the process that calls; see ``units.py``.

Every function here is called in a fresh process, so that its peak memory is its own and torch is
loaded only where the plain method needs it.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.probe.activation_sums import ActivationSummer
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.records.metrics import Metrics
from ccx_cli.search.beam import BeamSettings, BeamStrategy, beam_search
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.scoring import holds_on
from ccx_cli.search.strategy import Answer, Strategy
from ccx_cli.study.measuring import measure_unit
from ccx_cli.study.metrics import ImageCounts

T = TypeVar("T")

METHOD = RangeMethod(num_clusters=5)
STRATEGIES: dict[str, Strategy] = {
    "beam": BeamStrategy(BeamSettings()),
    "optimum": OptimalStrategy(OptimumSettings()),
}


@dataclass(frozen=True)
class BuildCost:
    """Seconds and GB of making an index from label PNGs; ``memory`` adds up all processes."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class UnitCost:
    """Seconds of one unit in one thread, all ranges together, by step."""

    follows_object: bool
    steps: dict[str, float]
    proven: bool
    beam_missed: int  # ranges whose optimum is above what the beam found


@dataclass(frozen=True)
class Beside:
    """Seconds a unit with units side by side: on the clock, and of all cores together."""

    wall: float
    cores: float


@dataclass(frozen=True)
class DataCost:
    """What a whole dataset and its units cost.

    Attributes
    ----------
    images, concepts, label_sets
        How many.
    load, count
        Seconds to read the index into memory, and to count pairs of concepts.
    units
        One by one, in one thread.
    throughput
        With units side by side, by step.
    memory
        GB, the peak of the process.
    """

    images: int
    concepts: int
    label_sets: int
    load: float
    count: float
    units: tuple[UnitCost, ...]
    throughput: dict[str, Beside]
    memory: float


@dataclass(frozen=True)
class PlainCost:
    """One unit on a slice of the data, by dense masks and by label sets; IoUs by range."""

    images: int
    concepts: int
    visited: int
    plain: float
    ours: float
    plain_iou: tuple[float, ...]
    our_iou: tuple[float, ...]

    @property
    def same(self) -> bool:
        """Whether both found formulas of the same IoU."""
        return self.plain_iou == self.our_iou


def measure_build(out: Path, segmentations: Path, workers: int) -> BuildCost:
    """Make the index of the dataset in ``out``, and write it to ``segmentations``."""
    start = time.perf_counter()
    dataset = read_broden(out, "ade20k")
    cache = index_cache(dataset, segmentations, "")
    build_index(dataset, cache, workers=workers)
    seconds = time.perf_counter() - start
    # The largest child stands for every worker, so this is at least what they took together.
    children = workers * peak(resource.RUSAGE_CHILDREN) if workers > 1 else 0.0
    return BuildCost(seconds, peak(resource.RUSAGE_SELF) + children)


def write_units(out: Path, folder: Path, count: int, seed: int) -> list[Path]:
    """Write the maps of ``count`` units, by turns of an object and of noise, a file each."""
    paths = [folder / f"unit-{position:03d}.npy" for position in range(count)]
    for position, path in enumerate(paths):
        np.save(path, benchmark_unit(out, position, count, seed))
    return paths


def measure_units(out: Path, segmentations: Path, paths: Sequence[Path], workers: int) -> DataCost:
    """Load the index, then cost the units, first one by one and then side by side."""
    dataset = read_broden(out, "ade20k")
    cache = index_cache(dataset, segmentations, "")
    load, index = timed(lambda: load_index(dataset, cache))
    count, data = timed(lambda: DataCounts(index))
    summer = ActivationSummer(index)
    explainers = {
        name: Explainer(index, data, "made-up", METHOD.num_clusters, strategy, summer=summer)
        for name, strategy in STRATEGIES.items()
    }
    # Loads the compiled kernels, and finds the weights of upsampling.
    _measure_unit(0, paths[0], index, explainers)
    units = tuple(
        _measure_unit(position, path, index, explainers) for position, path in enumerate(paths)
    )
    found: dict[Path, tuple[Range, ...]] = {}

    def find(path: Path) -> None:
        found[path] = find_ranges(np.load(path), METHOD)

    throughput = {"ranges": _side_by_side(find, paths, workers)}
    for name, explainer in explainers.items():

        def explain(path: Path, explainer: Explainer = explainer) -> None:
            explainer.explain(0, np.load(path), found[path])

        throughput[f"hits + {name}"] = _side_by_side(explain, paths, workers)
    return DataCost(
        images=index.n_images,
        concepts=len(index.concepts),
        label_sets=len(index.sets),
        load=load,
        count=count,
        units=units,
        throughput=throughput,
        memory=peak(resource.RUSAGE_SELF),
    )


def measure_plain(out: Path, images: int, concepts: int, path: Path) -> PlainCost:
    """Explain one unit on a slice of the dataset, in the plain way and by label sets."""
    import torch

    from benchmarks.dense_slice import bitmaps, cut_slice
    from benchmarks.plain_beam import PlainBeam

    torch.set_num_threads(1)  # as this package explains a unit
    cut = cut_slice(read_broden(out, "ade20k"), images, concepts)
    maps = np.load(path)[: cut.masks.shape[1]]
    ranges = find_ranges(maps, METHOD)
    settings = BeamSettings()

    index = cut.index()
    data = DataCounts(index)

    def ours() -> list[float]:
        hits = count_hits(maps, ranges, index)
        found = [beam_search(RangeCounts(data, each), settings).best for each in hits.per_set]
        return [0.0 if best is None else best.iou for best in found]

    our_iou = ours()
    our_seconds = median(timed(ours)[0] for _ in range(5))

    masks = torch.from_numpy(cut.masks.reshape(len(cut.masks), -1))
    start = time.perf_counter()
    searches = [
        PlainBeam(masks, bitmap.flatten()) for bitmap in bitmaps(maps, ranges, cut.mask_shape)
    ]
    best = [search.search(settings) for search in searches]
    return PlainCost(
        images=cut.masks.shape[1],
        concepts=len(cut.masks),
        visited=sum(search.visited for search in searches),
        plain=time.perf_counter() - start,
        ours=our_seconds,
        plain_iou=tuple(0.0 if each is None else each.iou for each in best),
        our_iou=tuple(our_iou),
    )


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Call, and return the seconds it took and what it returned."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _measure_unit(
    position: int, path: Path, index: ConceptIndex, explainers: dict[str, Explainer]
) -> UnitCost:
    maps: NDArray[np.float32] = np.load(path)
    steps: dict[str, float] = {}
    steps["ranges"], ranges = timed(lambda: find_ranges(maps, METHOD))
    steps["hits"], hits = timed(lambda: count_hits(maps, ranges, index))
    answers = {}
    for name, explainer in explainers.items():
        start = time.perf_counter()
        answers[name] = [explainer.strategy.answer(explainer.data, each) for each in hits.per_set]
        steps[name] = time.perf_counter() - start
    summer = explainers["optimum"].summer
    assert summer is not None
    steps["sums"], _ = timed(lambda: summer.sums(maps))
    steps["metrics"], _ = timed(lambda: measure_answers(maps, ranges, answers["optimum"], index))
    pairs = zip(answers["beam"], answers["optimum"], strict=True)
    return UnitCost(
        follows_object=position % 2 == 0,
        steps=steps,
        proven=all(each.proof is None or each.proof.proven for each in answers["optimum"]),
        beam_missed=sum(
            beam.best is not None and optimum.best is not None and beam.best.iou < optimum.best.iou
            for beam, optimum in pairs
        ),
    )


def measure_answers(
    maps: Maps, ranges: Sequence[Range], answers: Sequence[Answer], index: ConceptIndex
) -> list[Metrics]:
    """Do what ``ccx metrics`` does of one unit: count its hits again, by image, and measure."""
    hits = count_hits(maps, ranges, index, per_image=True)
    formulas = [
        np.zeros(len(index.sets), dtype=np.bool_)
        if answer.best is None
        else holds_on(answer.best.chain.formula(index.concepts), index)
        for answer in answers
    ]
    assert hits.per_local is not None
    pairs = zip(hits.per_local, formulas, strict=True)
    counts = [ImageCounts.of_labels(per_local, holds, index) for per_local, holds in pairs]
    return measure_unit(counts, maps, formulas, index)


def _side_by_side(work: Callable[[Path], None], paths: Sequence[Path], workers: int) -> Beside:
    """Work with ``workers`` threads, as a run of explanations does."""
    start, start_cores = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work, path) for path in paths]:
            future.result()
    wall, cores = time.perf_counter() - start, time.process_time() - start_cores
    return Beside(wall / len(paths), cores / len(paths))


def peak(who: int) -> float:
    """Return the GB that this process, or its largest child, took at most."""
    return resource.getrusage(who).ru_maxrss * 1024 / 1e9
