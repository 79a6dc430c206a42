"""What proofs cost at the size of ADE20K: of four and five concepts, or by other objectives.

``python -m benchmarks.deep_search OUT --length 4`` explains the units of :mod:`benchmarks.units`,
on the dataset and the index that it keeps in ``OUT``: hits, then every range. Units are explained
side by side in threads, as ``ccx explain`` does.
"""

from __future__ import annotations

import argparse
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean, median

from benchmarks.machine import machine
from benchmarks.unit_costs import METHOD, measure_build
from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import index_cache, load_index
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import find_ranges
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.optimum import Optimum, OptimumSettings, find_optimum


def main() -> None:
    """Search every range of some units; print a line a unit, and what they took together."""
    defaults = OptimumSettings()
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--length", type=int, default=4)
    parser.add_argument("--units", type=int, default=20, help="half follow objects, half are noise")
    parser.add_argument("--workers", type=int, default=2, help="threads")
    parser.add_argument("--node-limit", type=int, default=defaults.node_limit)
    parser.add_argument("--objective", default=defaults.objective, help="iou, f-beta:2 or mcc")
    options = parser.parse_args()
    print(machine())
    measure_build(options.out, options.out / "index", options.workers)
    dataset = read_broden(options.out, "ade20k")
    index = load_index(dataset, index_cache(dataset, options.out / "index", ""))
    data = DataCounts(index)
    settings = OptimumSettings(options.length, options.node_limit, objective=options.objective)
    maps = [benchmark_unit(options.out, unit, options.units, 0) for unit in range(options.units)]
    ranges = [find_ranges(each, METHOD) for each in maps]

    def explain(unit: int) -> tuple[list[Optimum], float, float]:
        began = time.thread_time()
        hits = count_hits(maps[unit], ranges[unit], index)
        counted = time.thread_time()
        found = [find_optimum(RangeCounts(data, each), settings) for each in hits.per_set]
        return found, counted - began, time.thread_time() - counted

    explain(0)  # It loads the kernels.
    started = time.perf_counter()
    counting, searching, proven = [], [], []
    with ThreadPoolExecutor(options.workers) as pool:
        for unit, (found, counted, searched) in enumerate(pool.map(explain, range(options.units))):
            counting.append(counted)
            searching.append(searched)
            proven += [each.proven for each in found]
            gaps = " ".join(f"{each.bound - each.score:.4f}" for each in found)
            print(f"unit {unit:>2} {searched:>8.2f} s   gaps {gaps}", flush=True)
    clock = (time.perf_counter() - started) / options.units
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{options.objective}, length {options.length}: {sum(proven)} of {len(proven)} ranges "
        f"proven; {clock:.2f} s a unit with {options.workers} units side by side\n"
        f"processor time a unit: hits {mean(counting):.2f} s; search mean {mean(searching):.2f} s, "
        f"median {median(searching):.2f} s, most {max(searching):.2f} s; peak memory {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
