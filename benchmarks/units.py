"""What explaining units costs at the size of ADE20K, beside the limits and beside the plain method.

``python -m benchmarks.units OUT`` measures on a dataset that ``python -m benchmarks.ade20k_size``
wrote to ``OUT``; it keeps the concept index in ``OUT/index``.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from benchmarks.machine import machine
from benchmarks.unit_costs import (
    BuildCost,
    DataCost,
    PlainCost,
    UnitCost,
    measure_build,
    measure_plain,
    measure_units,
    write_units,
)

P = ParamSpec("P")
T = TypeVar("T")

FULL_IMAGES = 22210
LAYER_UNITS = 512
LIMITS = {
    "hits + beam": 1.0,
    "hits + optimum": 2.0,
    "memory": 6.0,
    "index": 300.0,
    "layer": 900.0,
}
# Of ten times as many images.
LARGE = {"hits + beam": 4.0, "hits + optimum": 4.0, "memory": 8.0, "index": 240.0, "layer": 2100.0}


def main() -> None:
    """Read the command line, measure each part in a process of its own, print the tables.

    Ends with 1 if the plain method finds another IoU.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset")
    parser.add_argument("--units", type=int, default=20, help="half follow objects, half are noise")
    parser.add_argument("--workers", type=int, default=2, help="threads, and processes that decode")
    parser.add_argument("--index", type=Path, help="folder of the concept index (OUT/index)")
    parser.add_argument(
        "--rebuild-index", action="store_true", help="time the index, made in a temporary folder"
    )
    parser.add_argument(
        "--plain-images", type=int, default=300, help="images the plain method is given; 0: none"
    )
    parser.add_argument("--plain-concepts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if min(options.units, options.workers, options.plain_concepts) < 1:
        parser.error("--units, --workers and --plain-concepts start at 1")
    if min(options.plain_images, options.seed) < 0:
        parser.error("--plain-images and --seed start at 0")
    if not (options.out / "cells.npz").exists():
        parser.error(f"{options.out} has no dataset: python -m benchmarks.ade20k_size OUT")
    print(machine())
    same = True
    with TemporaryDirectory() as scratch:
        index = options.index or options.out / "index"
        built = None
        if options.rebuild_index:
            index = Path(scratch) / "index"
            built = fresh(measure_build, options.out, index, options.workers)
        else:
            fresh(measure_build, options.out, index, options.workers)
        paths = fresh(write_units, options.out, Path(scratch), options.units, options.seed)
        cost = fresh(measure_units, options.out, index, paths, options.workers)
        print(report(cost, built, options.workers), flush=True)
        if options.plain_images:
            sizes = options.plain_images, options.plain_concepts
            plain = fresh(measure_plain, options.out, *sizes, paths[0])
            print(report_plain(plain, cost))
            same = plain.same
    print(f"\nAt the end: {machine()}")
    raise SystemExit(0 if same else 1)


def fresh(function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``function`` in a new process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def report(cost: DataCost, built: BuildCost | None, workers: int) -> str:
    """Lay out what units cost."""
    limits = LIMITS if cost.images <= FULL_IMAGES else LARGE
    objects = [unit for unit in cost.units if unit.follows_object]
    noise = [unit for unit in cost.units if not unit.follows_object]
    ranges = 5 * len(cost.units)
    missed = sum(unit.beam_missed for unit in cost.units)
    proven = sum(unit.proven for unit in cost.units)
    lines = [
        f"{cost.images:,} images, {cost.concepts:,} concepts, {cost.label_sets:,} label sets; "
        f"index loaded in {cost.load:.2f} s, pairs of concepts counted in {cost.count:.2f} s",
        "",
        "Seconds a unit in one thread, five ranges together",
        f"{'':<16}{'step':<10}{'mean':>8}{'median':>8}{'max':>8}",
        *_steps(f"{len(objects)} of objects", objects),
        *_steps(f"{len(noise)} of noise", noise),
        f"Proven: all ranges of {proven} of {len(cost.units)} units; "
        f"the beam's IoU is below the optimum in {missed} of {ranges} ranges",
        "",
        f"Seconds a unit, mean of {len(cost.units)}, {workers} threads side by side",
    ]
    beside = cost.throughput
    for step, seconds in beside.items():
        line = f"  {step:<34}{seconds.wall:>8.3f} s  "
        if step in limits:
            line = _beside_limit(step, seconds.wall, limits[step], "s")
        lines.append(f"{line:<67}{seconds.cores:>8.3f} s of cores")
    lines += ["", "The whole"]
    lines.append(_beside_limit("peak memory, units", cost.memory, limits["memory"], "GB"))
    if built is not None:
        lines.append(_beside_limit("peak memory, index", built.memory, limits["memory"], "GB"))
        lines.append(_beside_limit("index from label PNGs", built.seconds, limits["index"], "s"))
    once = cost.load + cost.count
    for name in ("beam", "optimum"):
        layer = once + LAYER_UNITS * (beside["ranges"].wall + beside[f"hits + {name}"].wall)
        lines.append(
            _beside_limit(f"{LAYER_UNITS} units, {name} extrapolated", layer, limits["layer"], "s")
        )
    lines.append(
        f"  ({LAYER_UNITS} units from stored activations: index loaded, ranges, hits, search)"
    )
    if cost.images < FULL_IMAGES:
        lines.append(f"  The limits are for {FULL_IMAGES:,} images; these are fewer.")
    return "\n".join(lines)


def report_plain(plain: PlainCost, cost: DataCost) -> str:
    """Lay out the plain method's cost beside this package's."""
    ratio = plain.plain / plain.ours
    larger = cost.images / plain.images * cost.concepts / plain.concepts
    full = plain.plain * larger / 3600
    verdict = "the same IoU in all ranges" if plain.same else "DIFFERENT IoU:"
    lines = [
        "",
        f"Hits and beam of one unit on {plain.images:,} images and {plain.concepts:,} concepts, "
        f"{len(plain.our_iou)} ranges, one thread each",
        f"  dense masks, one candidate at a time {plain.plain:>10.2f} s "
        f"({plain.visited:,} candidates)",
        f"  label sets                           {plain.ours:>10.4f} s",
        f"  ratio {ratio:,.0f}; {verdict}",
        f"  Its cost is candidates times pixels: on {cost.images:,} images and {cost.concepts:,} "
        f"concepts, without heuristics, it would take {full:,.1f} hours a unit (extrapolated).",
    ]
    if not plain.same:
        lines += [f"  plain {plain.plain_iou}", f"  ccx   {plain.our_iou}"]
    return "\n".join(lines)


def _steps(kind: str, units: Sequence[UnitCost]) -> list[str]:
    lines: list[str] = []
    for step in units[0].steps if units else ():
        seconds = [unit.steps[step] for unit in units]
        lines.append(
            f"{'' if lines else kind:<16}{step:<10}"
            f"{mean(seconds):>8.3f}{median(seconds):>8.3f}{max(seconds):>8.3f}"
        )
    return lines


def _beside_limit(name: str, value: float, limit: float, unit: str) -> str:
    verdict = "met" if value <= limit else "MISSED"
    return f"  {name:<34}{value:>8.3f} {unit:<3} limit {limit:>4.0f} {unit:<3} {verdict}"


if __name__ == "__main__":
    main()
