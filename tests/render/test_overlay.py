from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.render.overlay import (
    FORMULA,
    HITS,
    blacked,
    fitted,
    outline,
    overlaid,
    read_picture,
    to_size,
)

GREY = np.full((112, 112, 3), 100, np.uint8)
SPOT = np.zeros((28, 28), np.bool_)
SPOT[4:12, 8:16] = True


def test_pixels_outside_the_hits_are_black() -> None:
    shown = blacked(GREY, SPOT)
    assert (shown[16:48, 32:64] == 100).all()
    assert shown.sum() == 32 * 32 * 3 * 100


def test_hits_are_outlined_and_what_is_not_hit_is_dimmed() -> None:
    shown = overlaid(GREY, SPOT)
    assert (shown[16, 32:64] == HITS).all()
    assert (shown[17:47, 33:63] == 100).all()
    assert (shown[60:, 70:] == 62).all()


def test_nothing_is_dimmed_where_nothing_is_hit() -> None:
    np.testing.assert_array_equal(overlaid(GREY, np.zeros_like(SPOT)), GREY)


def test_a_picture_that_is_hit_all_over_is_framed() -> None:
    shown = overlaid(GREY, np.ones_like(SPOT))
    for border in (shown[0], shown[-1], shown[:, 0], shown[:, -1]):
        assert (border == HITS).all()
    np.testing.assert_array_equal(shown[1:-1, 1:-1], GREY[1:-1, 1:-1])


def test_the_formula_shows_on_any_color_and_leaves_the_picture_visible() -> None:
    everything = np.ones_like(SPOT)
    for color in ((255, 255, 255), (0, 0, 0), FORMULA, HITS, (130, 200, 255)):
        plain = np.full_like(GREY, color)
        half = np.tile(np.arange(112) < 56, (112, 1))
        shown = overlaid(plain, np.zeros_like(SPOT), half).astype(int)
        changed: NDArray[np.bool_] = np.abs(shown - plain).max(axis=2) > 8
        assert not changed[:, 56:].any()
        if color != FORMULA:
            assert changed[:, :56].all()
    two_tone = GREY.copy()
    two_tone[::2] = 200
    shown = overlaid(two_tone, everything, everything).astype(int)
    contrast = np.abs(shown[::2] - shown[1::2]).mean()
    assert contrast > 60


def test_outline_ignores_the_pictures_border() -> None:
    mask = np.zeros((6, 6), np.bool_)
    mask[:3] = True
    expected = np.zeros((6, 6), np.bool_)
    expected[2] = True
    np.testing.assert_array_equal(outline(mask), expected)
    expected[1] = True
    np.testing.assert_array_equal(outline(mask, 2), expected)


def test_masks_stretch_by_their_nearest_pixel() -> None:
    mask = np.array([[True, False]])
    np.testing.assert_array_equal(to_size(mask, (2, 4)), [[1, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(to_size(np.eye(4, dtype=np.bool_), (2, 2)), np.eye(2))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((32, 32), (224, 224)), ((100, 400), (56, 224)), ((640, 320), (224, 112))],
)
def test_pictures_keep_their_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(np.zeros((*size, 3), np.uint8), 224).shape == (*expected, 3)


def test_small_pictures_are_enlarged_as_they_are() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(fitted(picture, 224), picture.repeat(7, 0).repeat(7, 1))


def test_pictures_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"gone\.png is missing"):
        read_picture(tmp_path / "gone.png")
    (tmp_path / "cut.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(DamagedDataError, match=r"cut\.png is not a readable image"):
        read_picture(tmp_path / "cut.png")
    Image.new("L", (3, 2), 7).save(tmp_path / "grey.png")
    assert read_picture(tmp_path / "grey.png").tolist() == [[[7] * 3] * 3] * 2
