"""What a Dask cluster adds: ``python -m benchmarks.dask_overhead OUT --units 200``.

``OUT`` is made by :mod:`benchmarks.ade20k_size`. The units are explained from stored caches by
turns with ``--workers 2`` and ``--dask local:2``, whole commands, and the lines must be equal.
Then they are explained once more by two workers of a scheduler in this process: tasks, bytes on the
loopback device, and the processor time of ``ccx`` alone, from which 64 workers are projected.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.ade20k_size import name_of
from benchmarks.machine import machine
from benchmarks.unit_maps import GRID, benchmark_unit, read_cells

CCX = [sys.executable, "-c", "from ccx_cli.cli.entry import run; run()"]
TIMES = ("seconds", "wall_seconds", "search_seconds")
PROJECTED, LAYER = 64, 2048


class Spent(NamedTuple):
    """What a command took: wall time, and processor time of it and its children."""

    wall: float
    processor: float


def ccx(out: Path, results: Path, *arguments: str) -> Spent:
    """Run the program on the made-up dataset, and say what it took."""
    roots = {"datasets": out, "segmentations": out / "dask", "activations": out / "dask"}
    where = [f"--root-{name}={path}" for name, path in {**roots, "results": results}.items()]
    where += [f"--data-dir={out / 'dask'}", "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen([*CCX, *arguments, *where], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"ccx {' '.join(arguments)} ended with {status}.")
    return Spent(time.monotonic() - began, used.ru_utime + used.ru_stime)


def write_activations(out: Path, units: int) -> Path:
    """Write the made-up units, ``(units, images, 7, 7)`` float32, if they are not there."""
    path = out / f"units-{units}.npy"
    if not path.exists():
        images = read_cells(out).images
        shape = (units, images, GRID, GRID)
        stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        for unit in range(units):
            stored[unit] = benchmark_unit(out, unit, units, seed=0)
        stored.flush()
    return path


def write_photographs(out: Path) -> None:
    """Put a gray picture in the place of every photograph, which nothing here looks at."""
    images = out / "broden1_224" / "images"
    gray = images / "gray.jpg"
    Image.new("RGB", (8, 8), "gray").save(gray)
    for image in range(read_cells(out).images):
        path = images / f"{name_of(image)}.jpg"
        if not path.exists():
            path.hardlink_to(gray)


def lines(results: Path) -> list[dict[str, Any]]:
    """Return the lines of the only run there, without times, by unit and range."""
    (path,) = results.glob("*/explanations.jsonl")
    records = [json.loads(line) for line in path.read_text().splitlines()]
    without = [{k: v for k, v in record.items() if k not in TIMES} for record in records]
    return sorted(without, key=lambda record: (record["unit"], record["cluster"] or 0))


def on_loopback() -> int:
    """Return the bytes that the loopback device received since the machine started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise SystemExit("/proc/net/dev has no loopback device.")


def measure(out: Path, units: int, rounds: int) -> None:
    """Print every figure."""
    print(machine())
    write_photographs(out)
    given = ["--activations", str(write_activations(out, units)), "--activations-axes"]
    given += ["units-first", "--subset", "ade20k"]
    results = out / "dask" / "results"
    ccx(out, results, "explain", *given, "--units", "0-1")  # caches, and compiled kernels
    ways = {"--workers 2": ["--workers", "2"], "--dask local:2": ["--dask", "local:2"]}
    spent: dict[str, list[Spent]] = {way: [] for way in ways}
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for way, options in ways.items():
            shutil.rmtree(results, ignore_errors=True)
            spent[way].append(ccx(out, results, "explain", *given, *options))
            found[way] = lines(results)
    if found["--workers 2"] != found["--dask local:2"]:
        raise SystemExit("The lines of a cluster are others.")
    walls = {way: median(each.wall for each in several) for way, several in spent.items()}
    for way, several in spent.items():
        each = ", ".join(f"{one.wall:.1f}" for one in several)
        print(f"{way}: {walls[way]:.1f} s ({each}), {walls[way] / units:.3f} s a unit")
    ratio = walls["--dask local:2"] / walls["--workers 2"]
    print(f"overhead, whole commands: {100 * (ratio - 1):+.1f}%")
    scheduled(out, results, given, units)


def scheduled(out: Path, results: Path, given: list[str], units: int) -> None:
    """Print what travels, and what 64 workers would take, for which nothing else is measured."""
    import dask
    from distributed import LocalCluster

    dask.config.set({"distributed.admin.low-level-log-length": 1_000_000})
    start_cluster: Any = LocalCluster
    with start_cluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        few = max(2, units // 20)
        shutil.rmtree(results, ignore_errors=True)
        start = ccx(out, results, "explain", *given, "--dask", address, "--units", f"0-{few - 1}")
        before, tasks = on_loopback(), len(cluster.scheduler.transition_log)
        rest = ccx(out, results, "explain", *given, "--dask", address)
        moved = on_loopback() - before
        done = units - few
        keys = {entry[0] for entry in list(cluster.scheduler.transition_log)[tasks:]}
    more = done - few
    here = max(0.0, rest.processor - start.processor) / more
    there = 2 * max(0.0, rest.wall - start.wall) / more
    print(f"a unit: {len(keys) / done:.2f} tasks, {moved / done:,.0f} bytes over the network")
    print(f"processor time of the command itself, a unit: {1000 * here:.1f} ms")
    wall = max(LAYER * there / PROJECTED, LAYER * here)
    print(
        f"projection, not measured: {LAYER:,} units on {PROJECTED} workers take {wall:.0f} s, "
        f"{there:.2f} s of a worker a unit, after a start of {start.wall:.0f} s for {few} units"
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="made by benchmarks.ade20k_size")
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measure(options.out, options.units, options.rounds)


if __name__ == "__main__":
    main()
