from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ccx_cli.probe.ranges import Range, RangeMethod, active_values, find_ranges

if TYPE_CHECKING:
    from tests.golden_data import GoldenNetwork
    from tests.probe.inertia import inertia
else:
    from inertia import inertia

PUBLISHED = RangeMethod(5, kmeans="sklearn", n_init=1)


def ends(ranges: tuple[Range, ...]) -> list[tuple[float, float]]:
    return [(found.lower, found.upper) for found in ranges]


def test_one_start_of_scikit_learn_gives_the_recorded_clusters(
    golden_network: GoldenNetwork,
) -> None:
    compared = 0
    for maps, recorded in zip(golden_network.activations, golden_network.ranges(5), strict=True):
        if recorded:
            found = find_ranges(maps, PUBLISHED)
            np.testing.assert_allclose(ends(found), ends(recorded), rtol=0, atol=1e-6)
            compared += 1
    assert compared >= 15


def test_a_unit_that_crashed_the_published_program_has_fewer_ranges(
    golden_network: GoldenNetwork,
) -> None:
    for unit, recorded in enumerate(golden_network.ranges(5)):
        if not recorded:
            values = np.unique(active_values(golden_network.activations[unit]))
            for method in (PUBLISHED, RangeMethod(5)):
                found = find_ranges(golden_network.activations[unit], method)
                assert len(found) == len(values) < 5


@pytest.mark.parametrize("n_init", [1, 10])
def test_exact_clusters_never_have_a_larger_inertia(
    golden_network: GoldenNetwork, n_init: int
) -> None:
    for maps in golden_network.activations:
        values = active_values(maps)
        exact = inertia(values, ends(find_ranges(maps, RangeMethod(5))))
        sklearn = find_ranges(maps, RangeMethod(5, kmeans="sklearn", n_init=n_init))
        assert exact <= inertia(values, ends(sklearn)) * (1 + 1e-12)


def test_thresholds_leave_the_recorded_share_of_values_above(
    golden_network: GoldenNetwork,
) -> None:
    for maps, recorded in zip(golden_network.activations, golden_network.ranges(1), strict=True):
        found = find_ranges(maps, RangeMethod(1))
        if not maps.any():
            assert found == ()
            continue
        assert found[0].upper == np.inf
        values = maps.astype(np.float64)
        above = (values > found[0].lower).mean()
        assert above == pytest.approx((values > recorded[0].lower).mean(), abs=5e-4)
