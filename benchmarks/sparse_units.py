"""What latents of a sparse autoencoder cost: stored, read, and explained.

``python -m benchmarks.sparse_units OUT`` measures on a dataset that ``python -m
benchmarks.ade20k_size OUT --images 5000`` wrote. Each token of its images has ``--active`` latents
that are not zero, one of each of so many equal parts of all latents: by turns one that follows a
concept there, and one by chance, some far more often than others. Ends with 1 if a limit is missed
or a latent's lines are not those of the same values dense.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from resource import RUSAGE_SELF
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.machine import machine
from benchmarks.unit_costs import measure_answers, measure_build, peak, timed
from benchmarks.units import fresh
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import ConceptIndex, index_cache, load_index
from ccx_cli.probe.activation_shards import ShardWriter
from ccx_cli.probe.activations import KIND, VERSION, Activations
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.probe.sparse_maps import Maps, SparseBatch, dense_maps
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.store.shards import ShardedCache
from ccx_cli.threads import map_in_order

GRID = 16  # tokens across an image
CLUSTERS = (1, 3)
LENGTH = 3
MOST_TIMES, MOST_SECONDS, MOST_GB = 1.2, 0.1, 4.0


@dataclass(frozen=True)
class StoreCost:
    """What storing took; ``times`` is the cache's size over 8 bytes a value."""

    values: int
    shards: int
    seconds: float
    times: float
    memory: float


@dataclass(frozen=True)
class LatentCost:
    """Seconds a latent: on the clock and of all cores with threads, and by step in one thread."""

    ranges: int
    proven: int
    wall: float
    cores: float
    steps: dict[str, float]
    unlike: int  # latents whose lines differ from those of dense maps


def main() -> None:
    """Read the command line, measure each part in a process of its own, print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--latents", type=int, default=16384)
    parser.add_argument("--active", type=int, default=64, help="latents of a token")
    parser.add_argument("--explained", type=int, default=200, help="latents that are timed")
    parser.add_argument("--dense", type=int, default=10, help="of these, compared with dense ones")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if not (options.out / "broden1_224").exists():
        parser.error(f"{options.out} has no dataset: python -m benchmarks.ade20k_size OUT")
    if options.active < 1 or options.latents % options.active:
        parser.error("--active is at least 1, and --latents a multiple of it")
    if not 1 <= options.dense <= options.explained <= options.latents:
        parser.error("--dense is at least 1, and at most --explained, which --latents limits")
    print(machine())
    out, index = options.out, options.out / "index"
    fresh(measure_build, out, index, options.workers)
    with TemporaryDirectory() as scratch:
        cache = Path(scratch) / "latents"
        stored = fresh(store, out, index, cache, options.latents, options.active)
        print(
            f"{stored.values:,} values of {options.latents:,} latents in {stored.shards} shards, "
            f"stored in {stored.seconds:.1f} s"
        )
        missed = [
            beside_limit("size over 8 bytes a value", stored.times, MOST_TIMES, ""),
            beside_limit("peak memory, stored", stored.memory, MOST_GB, " GB"),
        ]
        units = np.linspace(0, options.latents - 1, options.explained).astype(int).tolist()
        for k in CLUSTERS:
            sizes = options.latents, units, options.dense, options.workers
            cost, memory = fresh(explain, out, index, cache, k, *sizes)
            print(report(cost, k, options.dense), flush=True)
            missed += [
                beside_limit("seconds a latent", cost.wall, MOST_SECONDS, " s"),
                beside_limit("peak memory, explained", memory, MOST_GB, " GB"),
                cost.unlike > 0,
            ]
    print(f"\nAt the end: {machine()}")
    raise SystemExit(any(missed))


def store(out: Path, index_folder: Path, folder: Path, latents: int, active: int) -> StoreCost:
    """Make the latents image by image, and keep them as ``--sae`` does."""
    index, cache = open_index(out, index_folder), latents_cache(folder)
    writer, seconds, values = ShardWriter(cache), 0.0, 0
    for image, batch in enumerate(make_latents(index, latents, active)):
        taken, _ = timed(partial(writer.add, image, batch))
        seconds += taken
        values += len(batch.values)
    taken, _ = timed(writer.flush)
    size = sum(shard.size for shard in cache.shards.values())
    return StoreCost(
        values, len(cache.shards), seconds + taken, size / (8 * values), peak(RUSAGE_SELF)
    )


def make_latents(index: ConceptIndex, latents: int, active: int) -> Iterator[SparseBatch]:
    """Yield the latents of every image, the same for the same index."""
    rng = np.random.default_rng(0)
    part, parts = latents // active, np.arange(active)
    none = len(index.concepts)
    followed = rng.integers(0, part, (none + 1, active))
    firsts, counts = index.sets.indptr[:-1], np.diff(index.sets.indptr)
    labels = np.append(index.sets.labels.astype(np.int64), none)
    height, width = index.mask_shape
    middles = np.arange(GRID) * 2 + 1
    rows, columns = middles * height // (2 * GRID), middles * width // (2 * GRID)
    pixels = (rows[:, None] * width + columns).reshape(-1)
    positions = np.repeat(np.arange(len(pixels)), active)
    for image in range(index.n_images):
        own = index.local_sets[index.offsets[image] + index.maps[image, pixels].astype(np.int64)]
        drawn = firsts[own, None] + (rng.random((len(own), active)) * counts[own, None]).astype(int)
        concepts = np.where(counts[own, None] > 0, labels[drawn], none)
        chance = (part * rng.random(concepts.shape) ** 2).astype(np.int64)
        within = np.where(parts % 2, chance, followed[concepts, parts])
        values = rng.exponential(1, concepts.size).astype(np.float32) + np.float32(0.01)
        shape = latents, 1, GRID, GRID
        yield SparseBatch(shape, positions, (parts * part + within).reshape(-1), values)


def explain(
    out: Path,
    index_folder: Path,
    folder: Path,
    k: int,
    latents: int,
    units: Sequence[int],
    n_dense: int,
    workers: int,
) -> tuple[LatentCost, float]:
    """Explain latents by ``k`` ranges each; return GB at most as well, before any is dense."""
    index, cache = open_index(out, index_folder), latents_cache(folder)
    data, method = DataCounts(index), RangeMethod(k)
    shards = tuple(sorted(cache.shards))
    activations = Activations(cache, shards, latents, index.n_images, (GRID, GRID))
    explainer = Explainer(index, data, "sae", k, OptimalStrategy(OptimumSettings(LENGTH)))

    def lines(unit: int, maps: Maps) -> list[ExplanationRecord]:
        return explainer.explain(unit, maps, find_ranges(maps, method))

    lines(units[0], activations.unit(units[0]))  # loads the compiled kernels
    start, start_cores = time.perf_counter(), time.process_time()
    found = list(map_in_order(lambda unit: lines(unit, activations.unit(unit)), units, workers))
    wall, cores = time.perf_counter() - start, time.process_time() - start_cores
    records = [record for each in found for record in each]
    named = ("read", "ranges", "hits", "optimum", "metrics")
    steps: dict[str, list[float]] = {name: [] for name in named}
    for unit in units[:: max(1, len(units) // 20)]:
        seconds, maps = timed(partial(activations.unit, unit))
        steps["read"].append(seconds)
        seconds, ranges = timed(partial(find_ranges, maps, method))
        steps["ranges"].append(seconds)
        seconds, hits = timed(partial(count_hits, maps, ranges, index))
        steps["hits"].append(seconds)
        start = time.perf_counter()
        answers = [explainer.strategy.answer(data, per_set) for per_set in hits.per_set]
        steps["optimum"].append(time.perf_counter() - start)
        seconds, _ = timed(partial(measure_answers, maps, ranges, answers, index))
        steps["metrics"].append(seconds)
    memory = peak(RUSAGE_SELF)
    compared = range(0, len(units), len(units) // n_dense)
    unlike = sum(
        lines(units[at], dense_maps(activations.unit(units[at]))) != found[at] for at in compared
    )
    return LatentCost(
        ranges=sum(record.cluster is not None for record in records),
        proven=sum(record.proven is True for record in records),
        wall=wall / len(units),
        cores=cores / len(units),
        steps={step: mean(seconds) for step, seconds in steps.items()},
        unlike=unlike,
    ), memory


def open_index(out: Path, folder: Path) -> ConceptIndex:
    """Load the concept index of the dataset in ``out``."""
    dataset = read_broden(out, "ade20k")
    return load_index(dataset, index_cache(dataset, folder, ""))


def latents_cache(folder: Path) -> ShardedCache:
    """Open the cache of the latents, empty or not."""
    cache = ShardedCache(folder, KIND, VERSION, {}, "python -m benchmarks.sparse_units")
    cache.refresh()
    return cache


def report(cost: LatentCost, k: int, n_dense: int) -> str:
    """Lay out what latents cost."""
    steps = ", ".join(f"{step} {seconds:.4f}" for step, seconds in cost.steps.items())
    same = "the same" if not cost.unlike else f"DIFFERENT in {cost.unlike}:"
    return (
        f"\nk = {k}, length {LENGTH}: {cost.proven:,} of {cost.ranges:,} ranges proven, "
        f"{cost.cores:.3f} s of cores a latent\n  in one thread: {steps} s\n"
        f"  lines of {n_dense} latents from dense maps: {same}"
    )


def beside_limit(name: str, value: float, limit: float, unit: str) -> bool:
    """Print a figure beside its limit; return whether it missed that."""
    is_missed = value > limit
    verdict = "MISSED" if is_missed else "met"
    print(f"  {name:<28}{value:>8.3f}{unit} limit {limit:g}{unit} {verdict}", flush=True)
    return is_missed


if __name__ == "__main__":
    main()
