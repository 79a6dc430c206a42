"""What the null of a run costs: a unit's ranges searched again on permuted images.

``python -m benchmarks.null OUT`` measures on a dataset that ``python -m benchmarks.ade20k_size``
wrote to ``OUT``, ``--run RUN`` on a stored run, and compares every IoU of the first rounds with
that of hits and search of each round apart. Ends with 1 if one differs.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from benchmarks.unit_costs import METHOD, STRATEGIES, peak
from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import ConceptIndex, build_index, index_cache, load_index
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import Range, find_ranges
from ccx_cli.probe.sparse_maps import Maps
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.search.best_ious import best_ious
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.registry import search_from_identity
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.paths import resolve_roots
from ccx_cli.study.null import null_ious, permutation

Units = Iterator[tuple[Maps, Sequence[Range]]]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--run", type=Path, help="folder of a run; OUT is then the data directory")
    parser.add_argument("--units", type=int, default=6, help="evenly chosen")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--compared", type=int, default=5, help="rounds also searched apart")
    options = parser.parse_args()
    print(machine())
    index, strategy, units = _of_run(options) if options.run else _made_up(options)
    data = DataCounts(index)
    print(f"{index.n_images:,} images, {data.n_concepts} concepts, {len(index.sets):,} label sets")
    print(f"{'unit':<6}{'ranges':>7}{'ms a range and round':>22}{'each apart':>12}")
    same, own, apart = True, [], []
    search = partial(best_ious, strategy, data)
    for number, (maps, ranges) in enumerate(units):
        if number == 0:  # loads the compiled kernels
            null_ious(maps, ranges, index, search, 1, 0)
            _apart(maps, ranges, index, data, strategy, 1)
        began = time.thread_time()
        found = null_ious(maps, ranges, index, search, options.rounds, 0)
        own.append((time.thread_time() - began) / options.rounds / len(ranges) * 1e3)
        memory = peak(resource.RUSAGE_SELF)
        began = time.thread_time()
        expected = _apart(maps, ranges, index, data, strategy, options.compared)
        apart.append((time.thread_time() - began) / options.compared / len(ranges) * 1e3)
        same &= [ious[: options.compared] for ious in found] == expected
        print(f"{number:<6}{len(ranges):>7}{own[-1]:>22.3f}{apart[-1]:>12.3f}", flush=True)
    ratio = np.sum(apart) / np.sum(own)
    print(f"{'mean':<13}{np.mean(own):>22.3f}{np.mean(apart):>12.3f}, {ratio:.1f} times")
    print(f"512 units of 5 ranges, 100 rounds: {256 * np.mean(own) / 120:.1f} min on two cores")
    print(f"peak memory {memory:.2f} GB; the IoUs are {'the same' if same else 'DIFFERENT'}")
    raise SystemExit(0 if same else 1)


def _made_up(options: argparse.Namespace) -> tuple[ConceptIndex, Strategy, Units]:
    dataset = read_broden(options.out, "ade20k")
    cache = index_cache(dataset, options.out / "index", "")
    build_index(dataset, cache)
    every = (benchmark_unit(options.out, unit, options.units, 0) for unit in range(options.units))
    units = ((maps, find_ranges(maps, METHOD)) for maps in every)
    return load_index(dataset, cache), STRATEGIES["optimum"], units


def _of_run(options: argparse.Namespace) -> tuple[ConceptIndex, Strategy, Units]:
    inputs = RunInputs(Run(options.run), resolve_roots(options.out))
    chosen = inputs.run.finished_units
    chosen = [chosen[place] for place in np.linspace(0, len(chosen) - 1, options.units, dtype=int)]
    strategy = search_from_identity(inputs.run.search_identity, len(inputs.index.concepts))
    units = ((inputs.activations.unit(unit), inputs.ranges_of(unit)) for unit in chosen)
    return inputs.index, strategy, ((maps, ranges) for maps, ranges in units if ranges)


def _apart(
    maps: Maps,
    ranges: Sequence[Range],
    index: ConceptIndex,
    data: DataCounts,
    strategy: Strategy,
    rounds: int,
) -> list[list[float]]:
    """Find what ``null_ious`` finds, each round with hits and a search of its own."""
    found: list[list[float]] = [[] for _ in ranges]
    for number in range(rounds):
        hits = count_hits(maps[permutation(len(maps), 0, number)], ranges, index)
        for ious, per_set in zip(found, hits.per_set, strict=True):
            best = strategy.answer(data, per_set).best
            ious.append(0.0 if best is None else best.iou)
    return found


if __name__ == "__main__":
    main()
