"""What proofs of four and five concepts cost at the size of ADE20K.

``python -m benchmarks.deep_search OUT --length 4`` searches the units of :mod:`benchmarks.units`,
on the dataset and the index that it keeps in ``OUT``. Times are processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from statistics import mean, median

from benchmarks.machine import machine
from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import index_cache, load_index
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.search.counts import RangeCounts, count_data
from ccx_cli.search.optimum import OptimumSettings, find_optimum


def main() -> None:
    """Search every range of some units; print a line a unit, and what they took together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--length", type=int, default=4)
    parser.add_argument("--units", type=int, default=20, help="half follow objects, half are noise")
    parser.add_argument("--node-limit", type=int, default=OptimumSettings().node_limit)
    options = parser.parse_args()
    print(machine())
    dataset = read_broden(options.out, "ade20k")
    index = load_index(dataset, index_cache(dataset, options.out / "index", ""))
    data = count_data(index)
    settings = OptimumSettings(options.length, options.node_limit)
    seconds, proven = [], []
    for unit in range(options.units):
        maps = benchmark_unit(options.out, unit, options.units, 0)
        hits = count_hits(maps, find_ranges(maps, RangeMethod(num_clusters=5)), index)
        if unit == 0:  # It loads the kernels.
            find_optimum(RangeCounts(data, hits.per_set[0]), settings)
        began = time.thread_time()
        found = [find_optimum(RangeCounts(data, each), settings) for each in hits.per_set]
        seconds.append(time.thread_time() - began)
        proven += [each.proven for each in found]
        gaps = " ".join(f"{each.bound - each.score:.4f}" for each in found)
        print(f"unit {unit:>2} {seconds[-1]:>8.2f} s   gaps {gaps}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"length {options.length}: {sum(proven)} of {len(proven)} ranges proven; seconds a unit "
        f"mean {mean(seconds):.2f}, median {median(seconds):.2f}, max {max(seconds):.2f}; "
        f"peak memory {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
