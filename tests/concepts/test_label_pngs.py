"""Label PNGs: the samples are those of the file, and colors are never taken for numbers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from PIL import Image

from ccx_cli.concepts.importing.folders import LabelFolder, read_label_folders
from ccx_cli.concepts.importing.label_pngs import describe_palettes, read_samples
from ccx_cli.concepts.importing.sources import Source
from ccx_cli.errors import CcxError, DamagedDataError, UsageError

if TYPE_CHECKING:
    from tests.imported_sets import raw_png, read_values, save_photograph, save_values
else:
    from imported_sets import raw_png, read_values, save_photograph, save_values

NAMES = {0: "", 1: "cat", 2: "dog", 3: "bird"}
ALL = {value: f"class {value}" for value in range(255)}
KINDS = [
    *((depth, 0, 1) for depth in (1, 2, 4, 8, 16)),
    *((depth, 3, 1) for depth in (1, 2, 4, 8)),
    *((depth, kind, channels) for depth in (8, 16) for kind, channels in ((2, 3), (4, 2), (6, 4))),
]
"""Depth, color type and channels of every kind of PNG."""


def save_colors(path: Path, colors: ArrayLike) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(colors, dtype=np.uint8)).save(path)
    return path


def paired(root: Path, names: dict[int, str], **more: object) -> Source:
    """Pair a photograph with each label PNG in ``masks``."""
    for path in (root / "masks").iterdir():
        save_photograph(root / "photos" / path.name)
    folder = LabelFolder("object", root / "masks", names, **more)  # type: ignore[arg-type]
    return read_label_folders(root / "photos", [folder])


@pytest.mark.parametrize(("depth", "kind", "channels"), KINDS)
def test_the_samples_are_those_of_the_file(
    depth: int, kind: int, channels: int, tmp_path: Path
) -> None:
    samples = np.random.default_rng(0).integers(0, 2**depth, (5, 7, channels))
    path = tmp_path / "a.png"
    path.write_bytes(raw_png(samples, depth, kind))
    expected = samples[..., :3] if kind in {2, 6} else samples[..., 0]
    np.testing.assert_array_equal(read_samples(path).samples, expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_numbers_in_16_bits_a_sample_are_read(mode: str, tmp_path: Path) -> None:
    kind, channels = {"RGB": (2, 3), "RGBA": (6, 4), "LA": (4, 2)}[mode]
    samples = np.zeros((2, 2, channels), dtype=np.int64)
    samples[..., 0] = [[0, 1], [300, 65535]]
    path = tmp_path / "a.png"
    path.write_bytes(raw_png(samples, 16, kind))
    assert read_values(path).tolist() == [[0, 1], [300, 65535]]


@pytest.mark.parametrize(
    "colors",
    [
        [(255, 0, 0)],
        [(255, 0, 0), (0, 255, 0)],
        [(128, 0, 0), (0, 128, 0), (128, 128, 0)],
        [(128, 0, 0), (64, 0, 0)],
        [(0, 0, 255)],
        [(255, 255, 255)],
        [(1, 1, 1), (2, 2, 2)],
    ],
)
@pytest.mark.parametrize("names", [NAMES, ALL], ids=["few", "all"])
def test_masks_of_colors_are_refused_with_their_colors(
    colors: list[tuple[int, int, int]], names: dict[int, str], tmp_path: Path
) -> None:
    save_colors(tmp_path / "masks/1.png", [[(0, 0, 0), *colors]])
    save_values(tmp_path / "masks/2.png", [[0, 1]])
    shown = " ".join(map(str, colors[0]))
    with pytest.raises(DamagedDataError, match=rf"1\.png shows colors \(.*{shown}.*\)"):
        paired(tmp_path, names)


def test_numbers_in_red_and_green_are_no_colors(tmp_path: Path) -> None:
    save_colors(tmp_path / "masks/1.png", [[(255, 0, 0), (64, 0, 0)]])
    save_colors(tmp_path / "masks/2.png", [[(1, 0, 0), (255, 0, 0)]])
    source = paired(tmp_path, ALL)
    assert [image.annotations[0].read()[0].tolist() for image in source.images] == [
        [[0, 65]],
        [[2, 0]],
    ]


COLORS = {(128, 0, 0): "cat", (255, 0, 0): "dog", (224, 224, 192): ""}


def test_colors_are_read_by_their_names(tmp_path: Path) -> None:
    pixels = [[(0, 0, 0), (128, 0, 0), (255, 0, 0), (224, 224, 192)]]
    save_colors(tmp_path / "masks/1.png", pixels)
    Image.open(tmp_path / "masks/1.png").quantize(4).save(tmp_path / "masks/2.png")
    source = paired(tmp_path, {}, colors=COLORS)
    for image in source.images:
        assert image.annotations[0].read()[0].tolist() == [[0, 1, 2, 0]]


def test_a_color_without_a_name_is_told(tmp_path: Path) -> None:
    save_colors(tmp_path / "masks/1.png", [[(0, 0, 0), (0, 128, 0)]])
    source = paired(tmp_path, {}, colors=COLORS)
    with pytest.raises(DamagedDataError, match=r"has the color 0 128 0, .*`cat 0 128 0`"):
        source.images[0].annotations[0].read()


def test_gray_values_are_not_read_by_colors(tmp_path: Path) -> None:
    save_values(tmp_path / "masks/1.png", [[0, 128]])
    source = paired(tmp_path, {}, colors=COLORS)
    with pytest.raises(DamagedDataError, match="holds gray values where the names file has colors"):
        source.images[0].annotations[0].read()


def test_numbers_go_before_colors_but_in_rgb(tmp_path: Path) -> None:
    save_colors(tmp_path / "masks/1.png", [[(0, 0, 0), (128, 0, 0)]])
    save_values(tmp_path / "masks/2.png", [[0, 1]], "P")
    source = paired(tmp_path, {1: "cat"}, colors={(128, 0, 0): "cat"})
    for image in source.images:
        assert image.annotations[0].read()[0].tolist() == [[0, 1]]


def test_a_palette_of_grays_that_may_be_the_values_is_refused(tmp_path: Path) -> None:
    path = save_values(tmp_path / "masks/1.png", [[0, 1, 2]])
    picture = Image.open(path).convert("P")
    picture.putdata([0, 1, 2])
    picture.putpalette([0, 0, 0, 5, 5, 5, 9, 9, 9])
    picture.save(path)
    assert paired(tmp_path, NAMES).images[0].annotations[0].read()[0].tolist() == [[0, 1, 2]]
    with pytest.raises(DamagedDataError, match="the grays 0 5 9 at the indices 0 1 2"):
        paired(tmp_path, ALL).images[0].annotations[0].read()


def test_a_palette_with_a_color_at_the_number_of_another_is_refused(tmp_path: Path) -> None:
    save_colors(tmp_path / "masks/1.png", [[(0, 0, 0), (128, 0, 0), (128, 0, 0), (0, 128, 0)]])
    picture = Image.open(tmp_path / "masks/1.png").quantize(4)
    picture.save(tmp_path / "masks/1.png")
    at = {tuple(color): index for (index, color) in enumerate(palette_of(picture))}
    colors = {(128, 0, 0): "cat", (0, 128, 0): "dog"}
    right = {at[0, 0, 0]: "", **{at[color]: name for color, name in colors.items()}}
    assert paired(tmp_path, right, colors=colors).images[0].annotations[0].read()[0].any()
    swapped = {**right, at[128, 0, 0]: "dog", at[0, 128, 0]: "cat"}
    with pytest.raises(DamagedDataError, match="which the names file calls otherwise"):
        paired(tmp_path, swapped, colors=colors).images[0].annotations[0].read()


def test_palettes_that_differ_are_said(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        save_values(tmp_path / f"masks/{name}.png", [[0, 1]], "P")
    assert paired(tmp_path, NAMES).notes == ()
    picture = Image.open(tmp_path / "masks/3.png")
    picture.putpalette([0, 7, 9, 50, 60, 70])
    picture.save(tmp_path / "masks/3.png")
    (note,) = paired(tmp_path, NAMES).notes
    assert "The index 1 has the color 1 7 9 in" in note
    assert "50 60 70 in" in note


def test_a_palette_that_is_black_at_another_index_than_0_is_said(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8))
    picture.putpalette([128, 0, 0, 0, 128, 0, 0, 0, 0])
    picture.save(tmp_path / "1.png")
    (note,) = describe_palettes([tmp_path / "1.png"])
    assert note.startswith(f"The index 2 is black in {tmp_path / '1.png'}, and 0 is 128 0 0: ")


def palette_of(picture: Image.Image) -> list[list[int]]:
    flat = picture.getpalette("RGB") or []
    return [flat[start : start + 3] for start in range(0, len(flat), 3)]


def test_another_format_called_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path, format="JPEG")
    with pytest.raises(DamagedDataError, match="is not a whole PNG"):
        read_values(path)


@pytest.mark.slow
@settings(max_examples=6000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_png_is_read_as_it_is_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    depth, kind, channels = data.draw(st.sampled_from(KINDS))
    height, width = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    values = st.integers(0, 2**depth - 1)
    count = height * width * channels
    flat = data.draw(st.lists(values, min_size=count, max_size=count))
    samples = np.array(flat).reshape(height, width, channels)
    content = bytearray(raw_png(samples, depth, kind))
    expected = samples[..., :3] if kind in {2, 6} else samples[..., 0]
    whole = data.draw(st.booleans())
    if not whole:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        del content[data.draw(st.integers(len(content) - 20, len(content))) :]
    path = tmp_path_factory.getbasetemp() / "any.png"
    path.write_bytes(content)
    if whole:
        np.testing.assert_array_equal(read_samples(path).samples, expected)
        return
    with suppress(CcxError):
        np.testing.assert_array_equal(read_samples(path).samples, expected)


@pytest.mark.parametrize("kind", ["webp", "tif", "jpg", "bmp"])
def test_photographs_are_not_the_label_pngs_beside_them(kind: str, tmp_path: Path) -> None:
    save_photograph(tmp_path / f"1.{kind}")
    save_values(tmp_path / "1.png", [[0, 1]])
    source = read_label_folders(tmp_path, [LabelFolder("object", tmp_path, NAMES)])
    assert [image.path.name for image in source.images] == [f"1.{kind}"]


def test_label_pngs_are_told_by_the_end_of_their_names(tmp_path: Path) -> None:
    save_photograph(tmp_path / "1.jpg")
    save_photograph(tmp_path / "2.png")
    for number in (1, 2):
        save_values(tmp_path / f"{number}_mask.png", [[0, number]])
    folders = [LabelFolder("object", tmp_path, NAMES)]
    source = read_label_folders(tmp_path, folders, suffix="_mask")
    assert [image.path.name for image in source.images] == ["1.jpg", "2.png"]
    with pytest.raises(CcxError, match="`suffix`"):
        read_label_folders(tmp_path, folders)


def test_an_ending_that_all_photographs_share_is_left_out(tmp_path: Path) -> None:
    for number in (1, 2):
        save_photograph(tmp_path / f"photos/aachen/x_{number}_leftImg8bit.png")
        save_values(tmp_path / f"gt/aachen/x_{number}_gtFine_labelIds.png", [[0, number]])
        save_values(tmp_path / f"gt/aachen/x_{number}_gtFine_instanceIds.png", [[0, 9]])
    folders = [LabelFolder("object", tmp_path / "gt", NAMES)]
    source = read_label_folders(tmp_path / "photos", folders, suffix="_gtFine_labelIds")
    assert [image.name for image in source.images] == [
        "aachen/x_1_leftImg8bit",
        "aachen/x_2_leftImg8bit",
    ]


def test_two_photographs_of_one_name_are_told(tmp_path: Path) -> None:
    save_photograph(tmp_path / "photos/1.jpg")
    save_photograph(tmp_path / "photos/1.png")
    save_values(tmp_path / "masks/1.png", [[1]])
    with pytest.raises(UsageError, match="have the same name"):
        read_label_folders(tmp_path / "photos", [LabelFolder("object", tmp_path / "masks", NAMES)])
