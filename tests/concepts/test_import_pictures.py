"""Photographs and label PNGs at the size of a data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.importing.pictures import (
    pack_layers,
    read_photograph,
    same_shape,
    sample,
    window,
)
from ccx_cli.concepts.importing.settings import Fit
from ccx_cli.errors import DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.imported_sets import nearest, read_values, save_photograph, save_values
else:
    from imported_sets import nearest, read_values, save_photograph, save_values


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.sampled_from(list(Fit)))
def test_sampling_takes_what_lies_under_each_centre(
    height: int, width: int, side: int, fit: Fit
) -> None:
    values = np.arange(height * width, dtype=np.uint16).reshape(height, width)
    expected = nearest(values, side, crop=fit is Fit.CROP)
    box = window((height, width), (side, side), fit)
    np.testing.assert_array_equal(sample(values, (side, side), box), expected)


def test_large_pictures_are_read_without_a_word_or_refused_in_one(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.new("RGB", (40, 30)).save(path)
    code = (
        "import sys; from pathlib import Path; from PIL import Image; "
        "from ccx_cli.concepts.importing.pictures import read_photograph; "
        "from ccx_cli.concepts.importing.settings import Fit; "
        "Image.MAX_IMAGE_PIXELS = int(sys.argv[2]); "
        "read_photograph(Path(sys.argv[1]), (8, 8), Fit.CROP)"
    )
    read = subprocess.run(
        [sys.executable, "-c", code, path, "1000"], capture_output=True, text=True, check=False
    )
    assert (read.returncode, read.stderr) == (0, "")
    refused = subprocess.run(
        [sys.executable, "-c", code, path, "500"], capture_output=True, text=True, check=False
    )
    assert f"{path} has more than 1,000 pixels: shrink or remove it." in refused.stderr


def test_a_crop_is_the_largest_part_of_the_wanted_shape_in_the_middle() -> None:
    assert window((100, 300), (50, 100), Fit.CROP) == (50.0, 0.0, 250.0, 100.0)
    assert window((300, 100), (50, 100), Fit.CROP) == (0.0, 125.0, 100.0, 175.0)
    assert window((300, 100), (50, 100), Fit.STRETCH) == (0.0, 0.0, 100.0, 300.0)


def test_rectangles_of_photograph_and_labels_show_the_same(tmp_path: Path) -> None:
    pixels = np.zeros((40, 90, 3), np.uint8)
    pixels[:, 50:] = 255
    path = tmp_path / "one.png"
    Image.fromarray(pixels).save(path)
    for fit in Fit:
        photograph = read_photograph(path, (16, 24), fit).pixels
        labels = (pixels[..., 0] > 0).astype(np.uint16)
        sampled = sample(labels, (8, 12), window((40, 90), (16, 24), fit))
        assert (photograph.shape, sampled.shape) == ((16, 24, 3), (8, 12))
        edge = int((photograph[8, :, 0] > 127).argmax()) / 2
        assert abs(int(sampled[4].argmax()) - edge) <= 1


@given(st.lists(arrays(np.uint16, (3, 4), elements=st.integers(0, 3)), max_size=4))
def test_layers_hold_every_label_of_every_pixel_once(maps: list[NDArray[np.uint16]]) -> None:
    layers = pack_layers(maps)
    most = 0
    for row, column in np.ndindex(3, 4):
        carried = [int(each[row, column]) for each in maps if each[row, column]]
        kept = [int(each[row, column]) for each in layers if each[row, column]]
        assert sorted(kept) == sorted(set(carried))
        if carried:
            assert kept[0] == carried[0]
        most = max(most, len(set(carried)))
    assert len(layers) == most


def test_a_crop_shows_the_middle_and_a_stretch_everything(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), dtype=np.uint8)
    pixels[:, 20:60, 0] = 255
    pixels[:, 60:, 2] = 255
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    cropped = read_photograph(path, (20, 20), Fit.CROP).pixels
    assert (cropped[..., 0] > 240).all()
    assert (cropped[:, 2:-2, 2] < 5).all()
    stretched = read_photograph(path, (20, 20), Fit.STRETCH).pixels
    expected = [[0, 0, 0], [255, 0, 0], [0, 0, 255]]
    np.testing.assert_allclose(stretched[10, [2, 10, 18]], expected, atol=2)


def test_a_jpeg_of_the_right_size_keeps_its_bytes(tmp_path: Path) -> None:
    path = save_photograph(tmp_path / "a.jpg", 32, 32)
    photograph = read_photograph(path, (32, 32), Fit.CROP)
    assert photograph.kept == path.read_bytes()
    assert read_photograph(path, (16, 16), Fit.CROP).kept is None


@pytest.mark.parametrize(
    ("labels", "size"), [(None, (60, 20)), ((60, 20), (60, 20)), ((20, 60), (20, 60))]
)
def test_a_camera_mark_is_followed_unless_the_labels_lie_otherwise(
    labels: tuple[int, int] | None, size: tuple[int, int], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.new("RGB", (60, 20)).save(path, exif=exif)
    assert read_photograph(path, (8, 8), Fit.CROP, labels).size == size


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
def test_index_pngs_of_all_kinds_hold_the_same_values(mode: str, tmp_path: Path) -> None:
    values = np.arange(200).reshape(10, 20)
    np.testing.assert_array_equal(
        read_values(save_values(tmp_path / "a.png", values, mode)), values
    )


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_values_above_a_byte_are_kept(mode: str, tmp_path: Path) -> None:
    values = np.array([[0, 300], [65535, 256]])
    np.testing.assert_array_equal(
        read_values(save_values(tmp_path / "a.png", values, mode)), values
    )


def test_a_png_of_colors_is_refused(tmp_path: Path) -> None:
    path = save_photograph(tmp_path / "colors.png")
    with pytest.raises(DamagedDataError, match=r"colors\.png shows colors"):
        read_values(path)


def test_broken_and_absent_pictures_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(save_photograph(tmp_path / "whole.jpg", 64, 64).read_bytes()[:300])
    with pytest.raises(DamagedDataError, match=r"broken\.jpg cannot be read"):
        read_photograph(broken, (16, 16), Fit.CROP)
    with pytest.raises(MissingInputError, match=r"none\.jpg is missing"):
        read_photograph(tmp_path / "none.jpg", (16, 16), Fit.CROP)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ((480, 640), (240, 320), True),
        ((333, 500), (167, 250), True),
        ((480, 640), (640, 480), False),
    ],
)
def test_shapes_are_compared_up_to_a_pixel(
    a: tuple[int, int], b: tuple[int, int], same: bool
) -> None:
    assert same_shape(a, b) is same
