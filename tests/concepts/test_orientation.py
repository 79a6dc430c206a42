"""Photographs that their EXIF turns: the labels lie on what they label, or are refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.importing.folders import LabelFolder, read_label_folders
from ccx_cli.concepts.importing.pictures import read_photograph
from ccx_cli.concepts.importing.settings import Fit, ImportSettings, LabelOrientation
from ccx_cli.concepts.importing.writer import write_broden
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.errors import CcxError, DamagedDataError, UsageError

if TYPE_CHECKING:
    from tests.imported_sets import save_values
else:
    from imported_sets import save_values

HEIGHT, WIDTH = 16, 32
FORMATS = ["jpg", "png", "webp", "tif", "avif"]


def store(shown: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return the pixels that a viewer turns into ``shown``: EXIF 2.3, Orientation."""
    flipped = shown.swapaxes(0, 1) if turn >= 5 else shown
    vertical, horizontal = {
        **{1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1)},
        **{5: (1, 1), 6: (-1, 1), 7: (-1, -1), 8: (1, -1)},
    }[turn]
    return np.ascontiguousarray(flipped[::vertical, ::horizontal])


def exif(turn: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = turn
    return tags


def draw(path: Path, turn: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """Save a picture that is red at its upper right, and return the mask of that."""
    shown = np.full((height, width, 3), 255, np.uint8)
    shown[: height // 4, width // 2 :] = 255, 0, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(store(shown, turn)).save(path, exif=exif(turn), quality=95)
    return np.where(shown[..., 1] == 0, np.uint8(1), np.uint8(0))


def convert(root: Path, label_orientation: LabelOrientation | None = None) -> float:
    """Import a photograph and its mask; return the IoU of what is red and what is labelled."""
    folder = LabelFolder("object", root / "masks", {1: "red"})
    source = read_label_folders(root / "photos", [folder])
    size = (HEIGHT, WIDTH)
    chosen = ImportSettings("set", size, Fit.STRETCH, label_orientation=label_orientation)
    write_broden(source, root / "data", chosen)
    dataset = read_broden(next((root / "data").rglob("index.csv")).parents[1], "set", max(size))
    labelled = read_label_maps(dataset, dataset.rows[0])[0] > 0
    (path,) = (path for path in (dataset.directory / "images/set").iterdir() if path.stem == "1")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 90)
    red = red[::2, ::2]
    return float((red & labelled).sum() / (red | labelled).sum())


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", FORMATS)
def test_pixels_are_turned_as_viewers_turn_them(suffix: str, turn: int, tmp_path: Path) -> None:
    path = tmp_path / f"1.{suffix}"
    mask = draw(path, turn)
    photograph = read_photograph(path, (HEIGHT, WIDTH), Fit.STRETCH)
    assert photograph.size == (HEIGHT, WIDTH)
    red = photograph.pixels[..., 1] < 128
    assert (red & (mask > 0)).sum() / (red | (mask > 0)).sum() > 0.8


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("mode", "suffix", "options"),
    [
        *[("RGB", "tif", {"compression": name}) for name in ("tiff_lzw", "tiff_deflate", "jpeg")],
        *[(mode, "tif", {}) for mode in ("L", "P", "RGBA", "CMYK")],
        ("RGB", "tif", {"big_tiff": True}),
        *[("CMYK", "jpg", {}), ("L", "jpg", {}), ("RGB", "jpg", {"format": "MPO"})],
        *[("P", "png", {}), ("RGBA", "png", {}), ("RGBA", "webp", {"lossless": True})],
    ],
)
def test_pictures_of_all_modes_are_turned_once(
    mode: str, suffix: str, options: dict[str, Any], turn: int, tmp_path: Path
) -> None:
    shown = np.full((HEIGHT * 2, WIDTH * 2, 3), 255, np.uint8)
    shown[: HEIGHT // 2, WIDTH:] = 0
    stored = store(shown, turn)
    path = tmp_path / f"1.{suffix}"
    Image.fromarray(stored).convert(mode).save(path, exif=exif(turn), **options)
    for pixels, lie in ((shown, LabelOrientation.SHOWN), (stored, LabelOrientation.STORED)):
        size = pixels.shape[:2]
        photograph = read_photograph(path, size, Fit.STRETCH, size, lie)
        np.testing.assert_allclose(photograph.pixels.astype(int), pixels, atol=60)


@pytest.mark.parametrize("lie", list(LabelOrientation))
@pytest.mark.parametrize("turn", [5, 6, 7, 8])
@pytest.mark.parametrize("suffix", FORMATS)
def test_the_shape_of_labels_says_how_they_lie(
    suffix: str, turn: int, lie: LabelOrientation, tmp_path: Path
) -> None:
    mask = draw(tmp_path / f"photos/1.{suffix}", turn)
    save_values(
        tmp_path / "masks/1.png", mask if lie is LabelOrientation.SHOWN else store(mask, turn)
    )
    assert convert(tmp_path) > 0.7


@pytest.mark.parametrize("lie", list(LabelOrientation))
@pytest.mark.parametrize(("turn", "side"), [(2, WIDTH), (3, WIDTH), (4, WIDTH), (6, HEIGHT)])
@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_labels_whose_shape_does_not_tell_are_asked_for(
    suffix: str, turn: int, side: int, lie: LabelOrientation, tmp_path: Path
) -> None:
    mask = draw(tmp_path / f"photos/1.{suffix}", turn, HEIGHT, side)
    save_values(
        tmp_path / "masks/1.png", mask if lie is LabelOrientation.SHOWN else store(mask, turn)
    )
    with pytest.raises(UsageError, match=r"1\.\w+ is turned by its EXIF .*`label_orientation`"):
        convert(tmp_path)
    assert convert(tmp_path, lie) > 0.7


@pytest.mark.parametrize("turn", [2, 3, 6])
def test_a_label_png_with_the_orientation_of_its_photograph_is_stored_like_it(
    turn: int, tmp_path: Path
) -> None:
    mask = draw(tmp_path / "photos/1.jpg", turn)
    (tmp_path / "masks").mkdir()
    Image.fromarray(store(mask, turn)).save(tmp_path / "masks/1.png", exif=exif(turn))
    assert convert(tmp_path) > 0.7


@pytest.mark.parametrize("turn", [1, 2, 8])
def test_a_label_png_of_another_orientation_is_refused(turn: int, tmp_path: Path) -> None:
    mask = draw(tmp_path / "photos/1.jpg", turn)
    (tmp_path / "masks").mkdir()
    Image.fromarray(store(mask, turn)).save(tmp_path / "masks/1.png", exif=exif(3))
    with pytest.raises(DamagedDataError, match=r"masks.1\.png is turned .* unlike .*1\.jpg"):
        convert(tmp_path)


def test_xmp_of_a_png_turns_it_too(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", pnginfo=text)
    assert read_photograph(tmp_path / "a.png", (8, 8), Fit.CROP).size == (30, 20)


def tiff_bytes(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """Write an EXIF block of (tag, type, count, four bytes)."""
    packed = (struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(packed) + b"\0\0\0\0"


ODD = [
    (0x0112, 3, 1, b"\x06\0\0\0"),
    (0x0100, 2, 1, b"x\0\0\0"),
    (0x9286, 7, 90, b"\xff\xff\0\0"),
    (0x8769, 4, 1, b"\xff\xff\xff\x7f"),
    (0x011A, 5, 1, b"\0\0\0\0"),
    (0x010F, 2, 0, b"\0\0\0\0"),
]


def save_jpeg(path: Path, block: bytes) -> None:
    Image.new("RGB", (32, 16)).save(path, exif=block)


def test_odd_tags_do_not_matter(tmp_path: Path) -> None:
    save_jpeg(tmp_path / "a.jpg", tiff_bytes(ODD))
    assert read_photograph(tmp_path / "a.jpg", (8, 8), Fit.CROP).size == (32, 16)


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0no TIFF at all",
        tiff_bytes([]),
        tiff_bytes([(0x0112, 3, 1, b"\0\0\0\0")]),
        tiff_bytes([(0x0112, 3, 1, b"\x09\0\0\0")]),
        tiff_bytes([(0x0112, 2, 4, b"six\0")]),
    ],
)
def test_an_exif_that_says_nothing_turns_nothing(block: bytes, tmp_path: Path) -> None:
    save_jpeg(tmp_path / "a.jpg", block)
    assert read_photograph(tmp_path / "a.jpg", (8, 8), Fit.CROP).size == (16, 32)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(
    max_examples=6000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]),
    st.lists(
        st.tuples(
            st.sampled_from([0x0112, 0x0100, 0x8769, 0x8825, 0xA005, 0x927C])
            | st.integers(0, 65535),
            st.integers(0, 14),
            st.sampled_from([0, 1, 2, 5]) | st.integers(0, 2**32 - 1),
            st.integers(0, 9).map(lambda value: struct.pack("<I", value))
            | st.binary(min_size=4, max_size=4),
        ),
        max_size=6,
    ),
    st.binary(max_size=8),
)
def test_whatever_an_exif_holds_a_photograph_is_read_or_refused(
    tmp_path: Path, kind: str, entries: list[tuple[int, int, int, bytes]], rest: bytes
) -> None:
    block = tiff_bytes(entries) + rest
    file = io.BytesIO()
    if kind == "TIFF":
        Image.new("RGB", (32, 16)).save(file, kind)
        data = file.getvalue()
        # The tags of a TIFF are its own: some are written over.
        start = struct.unpack("<I", data[4:8])[0] + 2
        own = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries[:2])
        data = data[:start] + own + data[start + len(own) :]
    else:
        Image.new("RGB", (32, 16)).save(file, kind, exif=block)
        data = file.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    try:
        photograph = read_photograph(path, (8, 8), Fit.STRETCH)
    except CcxError:
        assert kind == "TIFF"
        return
    assert photograph.pixels.shape == (8, 8, 3)
    assert photograph.size in {(16, 32), (32, 16)} or kind == "TIFF"
