"""The proven optimum against the published exact program, on the same masks and bitmaps.

``python -m benchmarks.published_optimum`` needs the package ``compositional_explanations`` (La Rosa
and others) beside this one; see ``benchmarks/README.md``. It makes its input in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.ade20k_size import generate
from benchmarks.dense_slice import Slice, bitmaps, cut_slice
from benchmarks.machine import machine
from benchmarks.unit_costs import timed
from benchmarks.unit_maps import benchmark_unit
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import ConceptIndex
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.optimum import OptimumSettings, find_optimum

PACKAGE = "compositional_explanations"
REPEATS = 5  # of this package's searches, which take milliseconds; the median counts


@dataclass(frozen=True)
class Compared:
    """One range searched by both; ``None`` where the published program was stopped."""

    pixels: int
    iou: float
    published_iou: float | None
    seconds: float
    published_seconds: float

    @property
    def ratio(self) -> float:
        """How many times longer the published program took, at least."""
        return self.published_seconds / self.seconds


class _StoppedError(Exception):
    """The published program has had its time."""


def main() -> None:
    """Read the command line, compare, and end with 1 where the answers differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--concepts", type=int, default=40, help="those that most images carry")
    parser.add_argument("--units", type=int, default=2, help="of five ranges each")
    parser.add_argument("--length", type=int, default=3)
    parser.add_argument("--limit", type=int, default=900, help="seconds that a range may take")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sizes = options.images, options.units, options.length, options.limit
    if min(sizes) < 1 or options.concepts < 2 or options.seed < 0:
        parser.error("--concepts starts at 2, --seed at 0, the others at 1")
    try:
        import_module(f"{PACKAGE}.optimal")
    except ModuleNotFoundError:
        print(f"{PACKAGE} is not installed: run  pip install {PACKAGE}", file=sys.stderr)
        raise SystemExit(3) from None
    torch.set_num_threads(1)  # as this package searches a range
    with TemporaryDirectory() as scratch:
        same = compare(Path(scratch), **vars(options))
    raise SystemExit(0 if same else 1)


def compare(
    scratch: Path, images: int, concepts: int, units: int, length: int, limit: int, seed: int
) -> bool:
    """Print the comparison; returns whether the IoUs agree wherever both were done."""
    generate(scratch / "made", images, 1, seed, False)
    cut = cut_slice(read_broden(scratch / "made", "ade20k"), images, concepts)
    _collapse(cut)  # the first call loads the compiled kernels
    seconds, (index, data) = timed(lambda: _collapse(cut))
    published = Published(cut, data, length, limit, scratch / "cache")
    print(f"{machine()}; {PACKAGE} {metadata.version(PACKAGE)}, torch {torch.__version__}")
    print(
        f"{images} images of {cut.masks.shape[2]:,} pixels, {len(cut.labels)} concepts, "
        f"{len(index.sets):,} label sets, formulas of up to {length} concepts, "
        "one thread each"
    )
    print(
        f"Once per dataset, not counted below: published {published.once:.2f} s, "
        f"ccx {seconds:.2f} s from the same dense masks"
    )
    print(f"\n{'unit':>4} {'range':>5} {'pixels':>8} {'IoU':>8} {'published s':>12} {'ccx s':>8}")
    every: list[Compared] = []
    for unit in range(units):
        maps = benchmark_unit(scratch / "made", unit, units, seed)
        ranges = find_ranges(maps, RangeMethod(5))
        for position, in_range in enumerate(bitmaps(maps, ranges, cut.mask_shape)):
            if not in_range.any():
                continue
            compared = _compare_range(index, data, published, in_range, length)
            every.append(compared)
            print(_line(unit, position, compared), flush=True)
    return _conclude(every)


class Published:
    """The published program, fed dense masks."""

    def __init__(
        self, cut: Slice, data: DataCounts, length: int, limit: int, cache_dir: Path
    ) -> None:
        self._optimal = import_module(f"{PACKAGE}.optimal")
        self._metrics = import_module(f"{PACKAGE}.metrics")
        self._masks = [torch.from_numpy(mask) for mask in cut.masks]
        self._disjoint = torch.from_numpy(data.totals == 0)
        self._length, self._limit, self._cache = length, limit, str(cache_dir)
        mask_information: Any = import_module("package_utils.mask_utils").get_dataset_info
        with _silence():
            self.once, _ = timed(lambda: mask_information(self._masks, self._cache))

    def search(self, in_range: torch.Tensor) -> tuple[float, float | None]:
        """Return the seconds it took and the IoU, which is ``None`` if it was stopped."""
        start = time.perf_counter()
        try:
            with _silence(), _time_limit(self._limit):
                formula = self._optimal.compute_optimal_explanations(
                    masks=self._masks,
                    bitmaps=in_range,
                    disjoint_info=self._disjoint,
                    length=self._length,
                    device=torch.device("cpu"),
                    cache_dir=self._cache,
                )
        except _StoppedError:
            return time.perf_counter() - start, None
        seconds = time.perf_counter() - start
        if formula is None:
            return seconds, 0.0
        iou = self._metrics.compute_iou_from_masks(
            formula=formula, masks=self._masks, bitmaps=in_range
        )
        return seconds, float(iou)


def _collapse(cut: Slice) -> tuple[ConceptIndex, DataCounts]:
    index = cut.index()
    return index, DataCounts(index)


def _compare_range(
    index: ConceptIndex, data: DataCounts, published: Published, in_range: torch.Tensor, length: int
) -> Compared:
    settings = OptimumSettings(length)
    bitmap = in_range.numpy()

    def search() -> float:
        best = find_optimum(RangeCounts(data, _hits(index, bitmap)), settings).best
        return 0.0 if best is None else best.iou

    iou = search()
    seconds = median(timed(search)[0] for _ in range(REPEATS))
    published_seconds, published_iou = published.search(in_range)
    return Compared(int(bitmap.sum()), iou, published_iou, seconds, published_seconds)


def _hits(index: ConceptIndex, bitmap: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Count the pixels in range of each label set; ``bitmap`` is (n_images, n_pixels)."""
    rows = index.maps[bitmap] + np.repeat(index.offsets[:-1], bitmap.sum(axis=1))
    return np.bincount(index.local_sets[rows], minlength=len(index.sets)).astype(np.int32)


def _line(unit: int, position: int, compared: Compared) -> str:
    published_iou = compared.published_iou
    if published_iou is None:
        remark = "stopped"
    elif published_iou == compared.iou:
        remark = "same IoU"
    else:
        remark = f"published IoU {published_iou:.6f}"
    return (
        f"{unit:>4} {position:>5} {compared.pixels:>8} {compared.iou:>8.4f} "
        f"{compared.published_seconds:>12.2f} {compared.seconds:>8.4f} "
        f"{compared.ratio:>8,.0f}x  {remark}"
    )


def _conclude(every: Sequence[Compared]) -> bool:
    """Print the sums; returns whether the IoUs agree."""
    done = [each for each in every if each.published_iou is not None]
    differ = [each for each in done if each.published_iou != each.iou]
    ours = sum(each.seconds for each in every)
    theirs = sum(each.published_seconds for each in every)
    at_least = "at least " if len(done) < len(every) else ""
    print(
        f"\n{len(every)} ranges: published {theirs:.1f} s, ccx {ours:.3f} s, "
        f"{at_least}{theirs / ours:,.0f} times longer; "
        f"median of the ratios {median(each.ratio for each in every):,.0f}"
    )
    print(f"IoU the same in {len(done) - len(differ)} of {len(done)} ranges that both finished")
    return not differ


@contextmanager
def _silence() -> Iterator[None]:
    """The published program prints every step."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _StoppedError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    main()
