from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ccx_cli.probe.hits import Hits, count_hits
from ccx_cli.probe.ranges import Range, RangeMethod, find_ranges

if TYPE_CHECKING:
    from tests.labelled_pixels import LabelledPixels, random_pixels
else:
    from labelled_pixels import LabelledPixels, random_pixels

INF = math.inf
SIZES = [(1, 1), (7, 7), (13, 13), (2, 5), (120, 130)]
DEVICES = [
    "cpu:0",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
    ),
]


def random_maps(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Activations after a ReLU."""
    normal = np.random.default_rng(seed).normal(0, 1, shape)
    return np.maximum(normal, 0).astype(np.float32)


def assert_equal_hits(found: Hits, expected: Hits) -> None:
    assert found.per_local is not None
    assert expected.per_local is not None
    np.testing.assert_array_equal(found.per_local, expected.per_local)
    np.testing.assert_array_equal(found.per_set, expected.per_set)
    np.testing.assert_array_equal(found.totals, expected.totals)
    assert found.per_set.dtype == found.per_local.dtype == np.int32


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("map_shape", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_torch_counts_what_the_kernel_counts(
    device: str, map_shape: tuple[int, int], dtype: type[np.unsignedinteger]
) -> None:
    rng = np.random.default_rng(map_shape)
    index = random_pixels(rng, 5, (56, 57), [1, 2, 3, 4, 5, 6]).index(dtype)
    maps = random_maps((5, *map_shape), 1)
    ranges = [
        *find_ranges(maps, RangeMethod(5)),
        *find_ranges(maps, RangeMethod(1)),
        Range(0.0, 0.5),
        Range(-INF, INF),
        Range(0.4, 0.4),
        Range(0.5, 0.9),
        Range(INF, INF),
    ]
    expected = count_hits(maps, ranges, index, per_image=True)
    assert expected.totals[:5].any()
    assert_equal_hits(count_hits(maps, ranges, index, per_image=True, device=device), expected)
    assert count_hits(maps, ranges, index, device=device).per_local is None


@pytest.mark.parametrize("device", DEVICES)
def test_torch_counts_blocks_of_images_as_it_counts_them_together(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = random_pixels(np.random.default_rng(0), 7, (8, 9), [1, 2, 3]).index()
    maps = random_maps((7, 3, 3), 2)
    ranges = [Range(0.1, 0.6), Range(0.6, INF)]
    expected = count_hits(maps, ranges, index, per_image=True)
    monkeypatch.setattr("ccx_cli.probe.hits_torch._PIXELS_AT_ONCE", 3 * 8 * 9)
    assert_equal_hits(count_hits(maps, ranges, index, per_image=True, device=device), expected)


@pytest.mark.parametrize("device", DEVICES)
def test_torch_counts_nothing_for_no_ranges_and_for_silent_units(device: str) -> None:
    index = random_pixels(np.random.default_rng(0), 2, (8, 9), [1, 2]).index()
    maps = np.zeros((2, 3, 3), dtype=np.float32)
    found = count_hits(maps, [], index, per_image=True, device=device)
    assert found.per_set.shape == (0, len(index.sets))
    ranges = [Range(0.0, INF), Range(-1.0, 1.0)]
    assert count_hits(maps, ranges, index, device=device).totals.tolist() == [0, 144]


def interpolated(maps: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float64]:
    """What torch makes of the maps, exactly."""
    # One image a batch: torch has another kernel for three channels.
    found = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], size=shape, mode="bilinear", align_corners=False
    )
    return found[:, 0].numpy().astype(np.float64)


def total(values: NDArray[np.float64], ends: Range) -> int:
    return int(((values > ends.lower) & (values < ends.upper)).sum())


@pytest.mark.parametrize("side", [7, 14, 28, 56])
def test_hits_are_those_of_interpolate_to_the_last_bit(side: int) -> None:
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("torch has no fused multiply-add here")
    index = LabelledPixels([[frozenset({1})] * 112 * 112] * 3, (112, 112)).index()
    maps = random_maps((3, side, side), 3)
    values = interpolated(maps, (112, 112))
    # Ends on values of pixels: one of them a bit off would be counted, or would not be.
    distinct = np.unique(values)
    ends = distinct[:: len(distinct) // 50].tolist()
    ranges = [Range(low, high) for low, high in zip(ends, [*ends[1:], INF], strict=True)]
    expected = [total(values, ends) for ends in ranges]
    assert count_hits(maps, ranges, index).totals.tolist() == expected


@pytest.mark.parametrize("map_shape", [(13, 13), (2, 5), (6, 6)])
@pytest.mark.parametrize("side", [112, 113])
def test_hits_are_those_of_interpolate_at_any_size(map_shape: tuple[int, int], side: int) -> None:
    # Torch may round the centres of cells otherwise here, so ends keep clear of the values.
    index = LabelledPixels([[frozenset({1})] * side * side] * 3, (side, side)).index()
    maps = random_maps((3, *map_shape), 4)
    values = interpolated(maps, (side, side))
    distinct = np.unique(values)
    widest = np.sort(np.argsort(np.diff(distinct))[-20:])
    ends = ((distinct[widest] + distinct[widest + 1]) / 2).tolist()
    ranges = [Range(low, high) for low, high in zip([-INF, *ends], [*ends, INF], strict=True)]
    expected = [total(values, ends) for ends in ranges]
    assert count_hits(maps, ranges, index).totals.tolist() == expected
