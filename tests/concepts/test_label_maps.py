from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.label_maps import read_label_maps
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError

if TYPE_CHECKING:
    from tests.concepts.broden_files import BrodenFiles

SHARED = Path(__file__).parents[2] / "../shared"
AGAIN = "restore it, or download the dataset again with `ccx fetch broden224`"
NUMBERS = [[0, 1, 2], [3, 4, 300]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_red_and_green_are_the_number(broden: BrodenFiles, mode: str) -> None:
    row = broden.read().rows[0]
    broden.layer(row.layers[1], NUMBERS, mode)
    with Image.open(broden.images / row.layers[1]) as picture:
        assert picture.mode == mode
    maps = read_label_maps(broden.read(), row)
    assert maps.shape == (4, 2, 3)
    assert maps.dtype == np.dtype(np.uint16)
    assert maps[1].tolist() == NUMBERS
    assert not maps[[0, 2, 3]].any()


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_transparency_is_ignored(broden: BrodenFiles, mode: str) -> None:
    dataset = broden.read()
    path = broden.layer("b/3_part.png", NUMBERS, mode)
    with Image.open(path) as picture:
        picture.load()
    if mode == "RGBA":
        picture.putalpha(0)
        picture.save(path)
    else:
        picture.save(path, transparency=bytes(range(6)))
    assert read_label_maps(dataset, dataset.rows[2])[0].tolist() == NUMBERS


def test_an_image_without_layers_has_no_maps(broden: BrodenFiles) -> None:
    broden.replace("index.csv", "b/3_part.png", "")
    dataset = broden.read()
    assert read_label_maps(dataset, dataset.rows[2]).shape == (0, 2, 3)


def _refused(broden: BrodenFiles) -> str:
    """Return what is said of the third image, whose one layer is ``b/3_part.png``."""
    dataset = broden.read()
    with pytest.raises(DamagedDataError) as caught:
        read_label_maps(dataset, dataset.rows[2])
    return str(caught.value)


def test_a_missing_png_is_named(broden: BrodenFiles) -> None:
    path = broden.images / "b/3_part.png"
    path.unlink()
    dataset = broden.read()
    with pytest.raises(MissingInputError) as caught:
        read_label_maps(dataset, dataset.rows[2])
    assert str(caught.value) == f"{path} is missing: {AGAIN}."


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDAT"]
)
def test_what_is_no_png_is_named(broden: BrodenFiles, content: bytes) -> None:
    path = broden.images / "b/3_part.png"
    path.write_bytes(content)
    assert _refused(broden) == f"{path} is not a complete PNG: {AGAIN}."


def test_a_directory_in_place_of_a_png_is_named(broden: BrodenFiles) -> None:
    path = broden.images / "b/3_part.png"
    path.unlink()
    path.mkdir()
    assert _refused(broden).startswith(f"{path} cannot be read (")


def test_a_cut_png_is_named_wherever_it_ends(broden: BrodenFiles) -> None:
    path = broden.layer("b/3_part.png", NUMBERS)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert _refused(broden) == f"{path} is not a complete PNG: {AGAIN}."


def test_a_flipped_bit_is_noticed_wherever_it_is(broden: BrodenFiles) -> None:
    path = broden.layer("b/3_part.png", NUMBERS)
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        assert _refused(broden) == f"{path} is not a complete PNG: {AGAIN}."


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


@given(kind=st.sampled_from([b"IHDR", b"IDAT", b"PLTE", b"tEXt", b"zTXt"]), data=st.binary())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_with_good_checksums_are_read_or_refused(
    broden: BrodenFiles, kind: bytes, data: bytes
) -> None:
    path = broden.layer("b/3_part.png", NUMBERS)
    whole = path.read_bytes()
    path.write_bytes(whole[:33] + _chunk(kind, data) + whole[33:])
    dataset = broden.read()
    with suppress(CcxError):
        assert read_label_maps(dataset, dataset.rows[2]).shape == (1, 2, 3)


def test_a_png_that_claims_to_be_huge_is_refused(broden: BrodenFiles) -> None:
    path = broden.layer("b/3_part.png", NUMBERS)
    whole = path.read_bytes()
    header = (10**6).to_bytes(4, "big") * 2 + whole[24:29]
    path.write_bytes(whole[:8] + _chunk(b"IHDR", header) + whole[33:])
    assert _refused(broden) == f"{path} claims more pixels than a label PNG may have: {AGAIN}."


def test_a_png_of_another_size_is_named_with_both(broden: BrodenFiles) -> None:
    path = broden.layer("b/3_part.png", np.zeros((4, 5)))
    assert _refused(broden) == f"{path} is 4x5 where the index says 2x3: {AGAIN}."


@pytest.mark.parametrize(
    ("mode", "bits"), [("L", 8), ("1", 1), ("LA", 8), ("I;16", 16), ("RGB", 16)]
)
def test_a_png_of_another_kind_is_named(broden: BrodenFiles, mode: str, bits: int) -> None:
    path = broden.images / "b/3_part.png"
    if (mode, bits) == ("RGB", 16):
        header = b"".join(n.to_bytes(4, "big") for n in (3, 2)) + bytes((16, 2, 0, 0, 0))
        pixels = zlib.compress(bytes(2 * (1 + 3 * 6)))
        chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    else:
        Image.new(mode, (3, 2)).save(path)
    assert _refused(broden) == (
        f"{path} is a PNG of mode {mode} with {bits} bits per sample where label PNGs are RGB, "
        "RGBA or palette with 8: save it as RGB with red + 256 * green the label's number."
    )


def test_a_number_without_a_label_is_named_with_its_pixel(broden: BrodenFiles) -> None:
    row = broden.read().rows[0]
    path = broden.layer(row.layers[2], [[0, 1, 2], [3, 299, 5]])
    with pytest.raises(DamagedDataError) as caught:
        read_label_maps(broden.read(), row)
    assert str(caught.value) == (
        f"{path} holds the number 299 (row 1, column 1), which label.csv does not have: "
        "add the label there or correct the PNG."
    )


@pytest.mark.skipif(not (SHARED / "real").is_dir(), reason="the photographs are not beside it")
def test_the_photographs_cover_what_label_csv_says() -> None:
    dataset = read_broden(SHARED / "real/dataset", "all")
    coverage = dict.fromkeys((label.number for label in dataset.labels), 0.0)
    for row in dataset.rows:
        pixels = row.mask_height * row.mask_width
        for number in row.labels:
            coverage[number] += 1
        for layer in read_label_maps(dataset, row):
            for number, count in zip(*np.unique(layer[layer > 0], return_counts=True), strict=True):
                coverage[int(number)] += count / pixels
    for label in dataset.labels:
        assert coverage[label.number] == pytest.approx(label.coverage, abs=1e-5)
