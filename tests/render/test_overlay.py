from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.render.overlay import (
    FORMULA,
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


def test_hits_keep_their_color_and_what_is_not_hit_is_dimmed() -> None:
    shown = overlaid(GREY, SPOT)
    assert (shown[16:48, 32:64] == 100).all()
    assert (shown[60:, 70:] == 40).all()
    red = np.zeros_like(GREY)
    red[..., 0] = 240
    channels = overlaid(red, SPOT)[100, 100]
    assert 0 < channels[1] < channels[0] < 100


def test_a_pixel_that_the_hits_cover_in_part_is_dimmed_in_part() -> None:
    left_half = np.tile(np.arange(8) < 4, (8, 1))
    shown = overlaid(np.full((1, 1, 3), 100, np.uint8), left_half)
    assert shown[0, 0].tolist() == [70, 70, 70]


def test_hits_everywhere_nowhere_and_none_to_draw_differ() -> None:
    np.testing.assert_array_equal(overlaid(GREY, np.ones_like(SPOT)), GREY)
    np.testing.assert_array_equal(overlaid(GREY, None), GREY)
    assert (overlaid(GREY, np.zeros_like(SPOT)) == 40).all()


@pytest.mark.parametrize("side", [24, 112, 224])
def test_the_formula_is_an_edge_that_shows_on_any_color(side: int) -> None:
    half = np.tile(np.arange(side) < side // 2, (side, 1))
    for color in ((255, 255, 255), (0, 0, 0), FORMULA, (130, 200, 255)):
        plain = np.full((side, side, 3), color, np.uint8)
        changed = (overlaid(plain, None, half) != plain).any(axis=2)
        assert changed[:, side // 2 - 1 : side // 2 + 1].any() or (color == FORMULA and side < 96)
        assert not changed[:, : side // 2 - 2].any()
        assert not changed[:, side // 2 + 2 :].any()


def test_a_formula_that_holds_everywhere_is_framed() -> None:
    shown = overlaid(GREY, None, np.ones_like(SPOT))
    for border in (shown[0], shown[-1], shown[:, 0], shown[:, -1]):
        assert (border == FORMULA).all()
    np.testing.assert_array_equal(shown[1:-1, 1:-1], GREY[1:-1, 1:-1])
    np.testing.assert_array_equal(overlaid(GREY, None, np.zeros_like(SPOT)), GREY)


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
