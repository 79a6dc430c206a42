"""What resamples cost at the size of ADE20K: ``python -m benchmarks.stability OUT``.

Draws resamples of the images of a dataset that ``python -m benchmarks.ade20k_size`` wrote to
``OUT``, and searches the five ranges of the units of :mod:`benchmarks.units` on each.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from benchmarks.machine import machine
from benchmarks.unit_costs import METHOD, measure_build
from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import index_cache, load_index
from ccx_cli.probe.ranges import find_ranges
from ccx_cli.progress import SilentProgress
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.study.stability import Resampling


def main() -> None:
    """Explain some units, then resample them together; print what both took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--units", type=int, default=1, help="half follow objects, half are noise")
    parser.add_argument("--resamples", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2, help="threads")
    options = parser.parse_args()
    print(machine())
    measure_build(options.out, options.out / "index", options.workers)
    dataset = read_broden(options.out, "ade20k")
    index = load_index(dataset, index_cache(dataset, options.out / "index", ""))
    strategy = OptimalStrategy(OptimumSettings())
    explainer = Explainer(index, DataCounts(index), "layer", METHOD.num_clusters, strategy)
    maps = [
        benchmark_unit(options.out, unit, max(20, options.units), 0)
        for unit in range(options.units)
    ]
    began = time.process_time()
    units = {
        unit: explainer.explain(unit, each, find_ranges(each, METHOD))
        for unit, each in enumerate(maps)
    }
    explained = time.process_time() - began
    run = SimpleNamespace(
        units=units,
        identity=SimpleNamespace(search=SimpleNamespace(objective=None)),
        about=SimpleNamespace(split=None, num_clusters=METHOD.num_clusters),
        search_identity=strategy.identity(),
    )
    activations = SimpleNamespace(unit=maps.__getitem__)
    inputs = SimpleNamespace(run=run, searched=index, activations=activations)
    resampling = Resampling(cast(RunInputs, inputs), options.resamples, 0)
    began, clock = time.process_time(), time.perf_counter()
    found = list(resampling.find(list(units), options.workers, SilentProgress()))
    took, clock = time.process_time() - began, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    equivalent = [one.equivalent for own in found for one in own if one.equivalent is not None]
    print(
        f"{index.n_images:,} images, {len(index.sets):,} label sets, {len(units)} units of "
        f"{METHOD.num_clusters} ranges: explained in {explained:.1f} s of processor time; "
        f"{options.resamples} resamples in {took:.1f} s, {clock:.1f} s by the clock; "
        f"peak memory {peak:.2f} GB; found again {sum(equivalent) / len(equivalent):.0%}"
    )


if __name__ == "__main__":
    main()
