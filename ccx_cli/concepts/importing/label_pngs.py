"""Label PNGs: which label each pixel of a photograph carries, whatever codes it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.importing.names_cells import color_text
from ccx_cli.concepts.importing.pictures import reading
from ccx_cli.concepts.label_maps import is_whole_png
from ccx_cli.errors import DamagedDataError, few

_LARGEST_CODE = 0xFFFFFF
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
"""The color types of PNG."""

_HEADER = 33
"""Bytes of a PNG up to the end of its first chunk: 24 is the depth, 25 the color type."""

_COLOR_LEVELS = {0, 64, 128, 192, 255}
_SHOWN = 6
_COMPARED = 50
_Sample = TypeVar("_Sample", int, NDArray[np.uint32])


class Coding(StrEnum):
    """How the pixels of a label PNG code a number."""

    VALUE = "value"
    """A palette's index, a grayscale value of any depth, or ``red + 256 * green``."""

    ADE20K = "ade20k"
    """``red // 10 * 256 + green``."""

    PANOPTIC = "panoptic"
    """``red + 256 * green + 65536 * blue``."""

    GRAY = "gray"
    """The level of gray, whatever the picture: red, where it has colors."""


_UNKNOWN = {
    Coding.VALUE: "holds the value {0}, which the names file does not have: add it there, or leave "
    "such pixels without a label with `void` {0}",
    Coding.GRAY: "holds the level {0}, which means nothing: restore it",
    Coding.ADE20K: "holds the name index {0}, which no photograph's JSON names: restore both from "
    "one release of ADE20K",
    Coding.PANOPTIC: "has a segment {0} that its JSON does not describe: both must come from one "
    "release",
}
_UNKNOWN_COLOR = (
    "has the color {1}, which the names file does not have: add it there, such as `cat {1}`, or "
    "`void {1}` for no label"
)


@dataclass(frozen=True, slots=True)
class LabelPng:
    """One label PNG.

    Attributes
    ----------
    numbers
        Coded number to label number, 0 for none.
    colors
        The same for colors, as ``red + 256 * green + 65536 * blue``; where there are any, an RGB
        picture is read by them, and a palette's unless there are ``numbers``.
    """

    category: str
    file: Path
    numbers: Mapping[int, int]
    coding: Coding = Coding.VALUE
    colors: Mapping[int, int] = field(default_factory=dict)

    def read(self) -> list[NDArray[np.uint16]]:
        """Return the label numbers of all pixels, ``(height, width)``."""
        coded, numbers, unknown_text = self._decode()
        # 1 + the label number, 0 where the coded number is not known, as all above the largest are.
        codes = [code for code in numbers if 0 <= code <= _LARGEST_CODE]
        table = np.zeros(max(codes, default=-1) + 2, dtype=np.uint32)
        for code in codes:
            table[code] = numbers[code] + 1
        found = table[np.minimum(coded, len(table) - 1)]
        unknown = coded[found == 0]
        if unknown.size:
            code = int(unknown.min())
            raise DamagedDataError(f"{self.file} {unknown_text.format(code, _unpacked(code))}.")
        return [(found - 1).astype(np.uint16)]

    def values(self) -> NDArray[np.uint32]:
        """Return the coded numbers of all pixels, ``(height, width)``."""
        return self._decode()[0]

    def _decode(self) -> tuple[NDArray[np.uint32], Mapping[int, int], str]:
        """Return coded numbers, what they mean, and the error of one without a meaning."""
        png = read_samples(self.file)
        unknown = _UNKNOWN[self.coding]
        if self.coding is Coding.VALUE:
            if self.colors and (png.is_rgb or not self.numbers):
                return packed(*png.rgb(self.file)), self.colors, _UNKNOWN_COLOR
            if png.palette is not None:
                self._check_palette(png.samples, png.palette)
            return png.numbers(self.file), self.numbers, unknown
        if self.coding is Coding.GRAY:
            is_gray = not png.is_rgb and png.palette is None
            return png.samples if is_gray else png.rgb(self.file)[0], self.numbers, unknown
        if not png.is_rgb:
            raise DamagedDataError(
                f"{self.file} is not an RGB picture, as it should be: restore it."
            )
        red, green, blue = png.rgb(self.file)
        if self.coding is Coding.ADE20K:
            return red // 10 * 256 + green, self.numbers, unknown
        return packed(red, green, blue), self.numbers, unknown

    def _check_palette(self, samples: NDArray[np.uint32], palette: NDArray[np.uint32]) -> None:
        """Refuse a palette whose indices are other labels than its colors, where both have names.

        Programs that shrink PNGs write such palettes, of colors or of gray values.
        """
        used = np.flatnonzero(np.bincount(samples.ravel()))
        colors = palette[used]
        for index, color in zip(used.tolist(), colors.tolist(), strict=True):
            label = self.colors.get(packed(*color))
            if label and label != self.numbers.get(index, label):
                raise DamagedDataError(
                    f"{self.file} has the color {color_text(color)} at the index {index}, which "
                    "the names file calls otherwise: save it as RGB, or leave the colors out of "
                    "the names file."
                )
        grays = colors[:, 0]
        if (colors != grays[:, None]).any() or (grays == used).all():
            return
        if all(self.numbers.get(int(value)) for value in (*used, *grays) if value):
            raise DamagedDataError(
                f"{self.file} has a palette of the grays {color_text(grays.tolist())} at the "
                f"indices {color_text(used.tolist())}, so it is not clear which are the values: "
                "save it as a grayscale PNG."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples that a PNG holds, as they are in the file and without its transparency."""

    samples: NDArray[np.uint32]
    """``(height, width)`` gray values or indices of a palette, or ``(height, width, 3)``."""

    palette: NDArray[np.uint32] | None
    """``(256, 3)``, colors of a palette."""

    depth: int
    """Bits a sample."""

    @property
    def is_rgb(self) -> bool:
        """Whether each pixel is a color of its own."""
        return self.samples.ndim == 3

    def numbers(self, path: Path) -> NDArray[np.uint32]:
        """Return the number that each pixel holds, of RGB ``red + 256 * green``."""
        if not self.is_rgb:
            return self.samples
        red, green, blue = (self.samples[..., channel] for channel in range(3))
        # In 16 bits a sample, red alone has room for every number.
        if blue.any() or (self.depth == 16 and green.any()):
            raise color_error(path, self.colors())
        return red + 256 * green

    def rgb(self, path: Path) -> NDArray[np.uint32]:
        """Return red, green and blue of each pixel, ``(3, height, width)``."""
        if not self.is_rgb and self.palette is None:
            raise DamagedDataError(
                f"{path} holds gray values where the names file has colors only: number the names, "
                "such as `1 cat 128 0 0`."
            )
        colors = self.samples if self.palette is None else self.palette[self.samples]
        if colors.max(initial=0) > 255:
            raise DamagedDataError(f"{path} has colors above 255: save it with 8 bits per sample.")
        return np.moveaxis(colors, -1, 0)

    def colors(self) -> list[tuple[int, int, int]]:
        """Return the distinct colors of an RGB picture but black, the commonest first."""
        red, green, blue = np.moveaxis(self.samples.astype(np.uint64), -1, 0)
        codes, counts = np.unique((red << 32) + (green << 16) + blue, return_counts=True)
        ordered = codes[np.argsort(-counts, kind="stable")].tolist()
        return [(code >> 32, code >> 16 & 0xFFFF, code & 0xFFFF) for code in ordered if code]


def read_samples(path: Path) -> Samples:
    """Read the samples of a PNG.

    Pillow stretches gray values of 2 and 4 bits to 8, and keeps one byte of colors of 16.
    """
    with reading(path):
        data = path.read_bytes()
        if not is_whole_png(data):
            raise ValueError("it is not a whole PNG")
        depth, kind = data[24], data[25]
        samples = _decode_png(data)
        palette = None
        if kind == _PALETTE:
            with Image.open(io.BytesIO(data)) as picture:
                colors = np.array(picture.getpalette("RGB"), dtype=np.uint32).reshape(-1, 3)
            palette = np.zeros((256, 3), dtype=np.uint32)
            palette[: len(colors)] = colors
        elif kind in {_GRAY, _GRAY_ALPHA} and samples.ndim == 3:
            samples = samples[..., 0]
        elif kind == _GRAY and depth in {2, 4}:
            samples = samples // (255 // (2**depth - 1))
        elif kind == _RGB_ALPHA:
            samples = samples[..., :3]
    return Samples(samples, palette, depth)


def _decode_png(data: bytes) -> NDArray[np.uint32]:
    """Decode a PNG; of 16 bits a sample Pillow gives one byte, and asked again the other."""
    depth, kind = data[24], data[25]
    if depth < 16 or kind == _GRAY:
        return _decode_bytes(data)
    if kind == _GRAY_ALPHA:
        # Two samples of two bytes each are filtered as the four of RGBA are.
        header = data[12:24] + bytes([8, _RGB_ALPHA]) + data[26:29]
        pairs = _decode_bytes(data[:12] + header + zlib.crc32(header).to_bytes(4) + data[_HEADER:])
        high, low = pairs[..., 0], pairs[..., 1]
    else:
        high, low = _decode_bytes(data), _decode_bytes(data, low=True)
    return np.asarray(high * 256 + low)


def _decode_bytes(data: bytes, low: bool = False) -> NDArray[np.uint32]:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        if low:
            # Read as little-endian, the byte that is left out is the other one.
            picture.tile = [(*picture.tile[0][:3], f"{picture.mode};16L")]  # type: ignore[list-item]
        return np.asarray(picture).astype(np.uint32)


def color_error(path: Path, colors: Collection[Sequence[int]]) -> DamagedDataError:
    """Return the error of label PNGs that show colors where numbers are expected."""
    shown = [color_text(color) for color in colors]
    return DamagedDataError(
        f"{path} shows colors ({few(shown, _SHOWN)}) where a label PNG holds numbers: give "
        f"each a name in the names file, such as `cat {shown[0]}`, or save it as a palette or "
        "grayscale PNG whose values are those of the names file."
    )


def refuse_colors(paths: Sequence[Path]) -> None:
    """Refuse label PNGs whose numbers are colors in truth.

    ``255 0 0`` could be the number 255, but where no other RGB picture says otherwise, pixels of
    which each sample is one of the five levels of a color map are colors.
    """
    suspected: DamagedDataError | None = None
    for path in paths:
        with reading(path), path.open("rb") as file:
            header = file.read(_HEADER)
        if header[25:26] not in {bytes([_RGB]), bytes([_RGB_ALPHA])}:
            continue
        png = read_samples(path)
        png.numbers(path)
        colors = png.colors()
        if any(not _COLOR_LEVELS.issuperset(color) for color in colors):
            return
        if colors and (suspected is None):
            suspected = color_error(path, colors)
    if suspected is not None:
        raise suspected


def describe_palettes(paths: Sequence[Path]) -> list[str]:
    """Say where palettes of some label PNGs suit their colors better than their indices.

    Two of them have another color at an index that both use, or black is not at 0.
    """
    seen: dict[int, tuple[list[int], Path]] = {}
    for path in paths[:: len(paths) // _COMPARED + 1]:
        png = read_samples(path)
        if png.palette is None:
            break
        for index in np.flatnonzero(np.bincount(png.samples.ravel())).tolist():
            color = png.palette[index].tolist()
            if index and not any(color) and png.palette[0].any():
                return [
                    f"The index {index} is black in {path}, and 0 is {color_text(png.palette[0])}: "
                    "the indices were taken for the values."
                ]
            other, where = seen.setdefault(index, (color, path))
            if color != other:
                return [
                    f"The index {index} has the color {color_text(other)} in {where} and "
                    f"{color_text(color)} in {path}: the indices were taken for the values."
                ]
    return []


def packed(red: _Sample, green: _Sample, blue: _Sample) -> _Sample:
    """Return a color, or those of all pixels, as one number."""
    return red + 256 * green + 65536 * blue


def _unpacked(code: int) -> str:
    return color_text((code % 256, code // 256 % 256, code // 65536))
