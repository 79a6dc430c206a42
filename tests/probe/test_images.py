import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import functional

from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.probe.images import read_image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(20, 20), (37, 23), (9, 14)])
def test_equals_torchvisions_transforms(tmp_path: Path, size: tuple[int, int]) -> None:
    image = picture(*size)
    image.save(tmp_path / "a.png")
    expected = functional.normalize(
        functional.to_tensor(image.resize((20, 20), Image.Resampling.BILINEAR)), MEAN, STD
    )
    got = read_image(tmp_path / "a.png", 20, MEAN, STD)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert torch.equal(torch.from_numpy(got), expected)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("L", "a.png"),
        ("1", "a.png"),
        ("P", "a.gif"),
        ("LA", "a.png"),
        ("RGBA", "a.png"),
        ("CMYK", "a.jpg"),
        ("RGB", "a.jpg"),
        ("RGB", "a.bmp"),
    ],
)
def test_reads_any_colour_mode(tmp_path: Path, mode: str, name: str) -> None:
    Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode).save(tmp_path / name)
    got = read_image(tmp_path / name, 8, *PLAIN)
    assert got.shape == (3, 8, 8)
    np.testing.assert_allclose(got, 1.0, atol=0.02)


def test_reads_16_bit_grey_in_its_own_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    got = read_image(tmp_path / "a.png", 8, *PLAIN)
    np.testing.assert_allclose(got, np.broadcast_to(ramp / 65535, (3, 8, 8)), atol=0.01)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"absent\.jpg.*ccx fetch"):
        read_image(tmp_path / "absent.jpg", 8, MEAN, STD)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "a.webp", "a.bmp"])
@pytest.mark.parametrize("part", [0.0, 0.03, 0.5, 0.97])
def test_a_truncated_image_is_named(tmp_path: Path, name: str, part: float) -> None:
    file = tmp_path / name
    picture(64, 64).save(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DamagedDataError, match=name):
        read_image(file, 8, MEAN, STD)


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError):
        read_image(tmp_path, 8, MEAN, STD)


def write_bomb(file: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_500, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int) -> None:
    write_bomb(tmp_path / "a.png", side)
    with pytest.raises(DamagedDataError, match=r"more than 89,478,485 pixels"):
        read_image(tmp_path / "a.png", 8, MEAN, STD)


def test_pillow_does_not_warn_of_what_is_refused(tmp_path: Path) -> None:
    write_bomb(tmp_path / "a.png", 9_500)
    code = (
        "from pathlib import Path; from ccx_cli.probe.images import read_image; "
        f"read_image(Path({str(tmp_path / 'a.png')!r}), 8, (0, 0, 0), (1, 1, 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DamagedDataError" in done.stderr
    assert "Warning" not in done.stderr


FORMATS = ("png", "jpg", "gif", "bmp", "webp", "tiff", "ppm")


@settings(max_examples=200)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 1500), st.binary(min_size=1, max_size=4)), max_size=4),
    st.none() | st.integers(0, 1500),
)
def test_any_file_is_an_image_or_named(
    tmp_path_factory: pytest.TempPathFactory,
    form: str,
    patches: list[tuple[int, bytes]],
    end: int | None,
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / f"a.{form}"
    picture(16, 20).save(path)
    content = path.read_bytes()
    for start, patch in patches:
        content = content[:start] + patch + content[start + len(patch) :]
    path.write_bytes(content[:end])
    found, said = np.zeros((3, 8, 8), np.float32), str(path)
    try:
        found = read_image(path, (8, 8), *PLAIN)
    except DamagedDataError as error:
        said = str(error)
    assert str(path) in said
    assert found.shape == (3, 8, 8)
    assert np.isfinite(found).all()
