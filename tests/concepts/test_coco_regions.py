"""COCO's regions: packed run lengths, run lengths, polygons, each against a plain twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from ccx_cli.concepts.importing.coco_regions import fill_polygon, fill_runs, unpack_counts

MASKS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.bool_, shape)
)


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Count runs down the columns, outside first."""
    counts, inside = [0], False
    for pixel in mask.T.ravel():
        if bool(pixel) != inside:
            counts.append(0)
            inside = not inside
        counts[-1] += 1
    return counts


def pack(counts: list[int]) -> str:
    """Write run lengths as COCO does: the inverse of what is tested."""
    characters = []
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        while True:
            bits, left = left & 31, left >> 5
            ended = left == (-1 if bits & 16 else 0)
            characters.append(chr(48 + bits + (0 if ended else 32)))
            if ended:
                break
    return "".join(characters)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", []),
        ("061", [0, 6, 1]),
        ("061M", [0, 6, 1, 3]),
        ("0610", [0, 6, 1, 6]),
        ("0PP1", [0, 1024]),
        ("011101010", [0, 1, 1, 2, 1, 3, 1, 4, 1]),
    ],
)
def test_packed_run_lengths_are_those_that_others_read(text: str, counts: list[int]) -> None:
    assert unpack_counts(text) == counts


@given(MASKS)
def test_masks_come_back_from_run_lengths_and_from_packed_ones(mask: NDArray[np.bool_]) -> None:
    counts = run_lengths(mask)
    np.testing.assert_array_equal(fill_runs(counts, *mask.shape), mask)
    assert unpack_counts(pack(counts)) == counts


@given(st.lists(st.integers(0, 2**31), max_size=20))
def test_run_lengths_of_any_size_come_back(counts: list[int]) -> None:
    assert unpack_counts(pack(counts)) == counts


@pytest.mark.parametrize(("text", "fault"), [("0P", "end amid"), ("0 1", "character ' '")])
def test_what_is_no_packed_run_length_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        unpack_counts(text)


@pytest.mark.parametrize("counts", [[3], [5], [3, -1, 2], []])
def test_runs_must_cover_the_mask(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="2x2"):
        fill_runs(counts, 2, 2)


COORDINATES = st.floats(-3, 13).map(lambda value: round(value, 2) + 0.003)


@given(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=3))
def test_a_triangle_is_the_pixels_whose_centre_it_holds(points: list[tuple[float, float]]) -> None:
    rows, columns = np.mgrid[:9, :11]
    centres = np.stack([columns.ravel() + 0.5, rows.ravel() + 0.5], axis=1)
    outline = Outline([*points, points[0]])
    inside = outline.contains_points(centres, radius=0).reshape(9, 11)
    found = fill_polygon(np.array(points), 9, 11)
    # matplotlib works in single precision at an edge.
    edges = [
        (np.array(a), np.array(b)) for a, b in zip(points, [*points[1:], points[0]], strict=True)
    ]
    near = np.min([_distances(centres, a, b) for a, b in edges], axis=0).reshape(9, 11) < 1e-3
    np.testing.assert_array_equal(found[~near], inside[~near])


def _distances(
    points: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]
) -> NDArray[np.float64]:
    along = b - a
    length = max(float(along @ along), 1e-12)
    place = np.clip((points - a) @ along / length, 0, 1)
    return np.asarray(np.linalg.norm(points - a - place[:, None] * along, axis=1))


def test_a_square_with_a_hole_by_self_crossing_has_the_hole() -> None:
    outer = [(0, 0), (6, 0), (6, 6), (0, 6), (0, 0)]
    inner = [(2, 2), (4, 2), (4, 4), (2, 4), (2, 2)]
    found = fill_polygon(np.array([*outer, *inner], dtype=np.float64), 6, 6)
    expected = np.ones((6, 6), dtype=bool)
    expected[2:4, 2:4] = False
    np.testing.assert_array_equal(found, expected)


def test_polygons_outside_the_picture_fill_nothing() -> None:
    points = np.array([(20, 20), (30, 20), (30, 30)], dtype=np.float64)
    assert not fill_polygon(points, 5, 5).any()
    assert fill_polygon(np.array([(-9, -9), (99, -9), (99, 99), (-9, 99)], dtype=float), 5, 5).all()
