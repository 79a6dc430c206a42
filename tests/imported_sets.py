"""Draws small photographs and label maps, and reads back what an import made of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.concepts.importing.label_pngs import read_samples
from ccx_cli.concepts.index import build_index, index_cache, load_index
from ccx_cli.progress import SilentProgress, Task

SIDE = 16
MASK = SIDE // 2


def save_photograph(path: Path, height: int = SIDE, width: int = SIDE, seed: int = 0) -> Path:
    """Save noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def save_values(path: Path, values: ArrayLike, mode: str = "L") -> Path:
    """Save an index PNG of the ``(height, width)`` values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(values)
    if mode == "RGB":
        array = np.stack([array % 256, array // 256, np.zeros_like(array)], axis=-1)
    picture = Image.fromarray(array.astype(np.uint16 if mode == "I;16" else np.uint8))
    if mode == "P":
        picture.putpalette([channel for index in range(256) for channel in (index, 7, 9)])
    picture.save(path)
    return path


def raw_png(samples: NDArray[np.integer], depth: int, kind: int) -> bytes:
    """Encode ``(height, width, channels)`` samples as a PNG of a depth and color type, plainly."""
    height, width, channels = samples.shape
    rows = []
    for row in samples.reshape(height, width * channels):
        bits = "".join(f"{int(value):0{depth}b}" for value in row)
        bits += "0" * (-len(bits) % 8)
        packed = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
        rows.append(b"\0" + packed)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    palette = bytes(channel for index in range(2 ** min(depth, 8)) for channel in (index, 7, 9))
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b"")]
    if kind == 3:
        chunks.insert(1, (b"PLTE", palette))
    parts = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def read_values(path: Path) -> NDArray[np.uint32]:
    """Read the number that each pixel of an index PNG holds."""
    return read_samples(path).numbers(path)


def nearest(
    values: NDArray[np.generic], side: int = MASK, *, crop: bool = True
) -> NDArray[np.generic]:
    """Plain twin of the sampling: the value under the centre of each pixel, one at a time."""
    height, width = values.shape
    tall, wide = (min(height, width),) * 2 if crop else (height, width)
    top, left = (height - tall) / 2, (width - wide) / 2
    # Divided first, as the sampling does: a centre on the border of two values may round to either.
    rows = [int(top + (row + 0.5) / side * tall) for row in range(side)]
    columns = [int(left + (column + 0.5) / side * wide) for column in range(side)]
    return np.array([[values[row, column] for column in columns] for row in rows])


def index_pixels(datasets: Path, subset: str, side: int = SIDE) -> dict[str, int]:
    """Build the concept index of what was imported: the pixels of each concept, by name."""
    dataset = read_broden(datasets, subset, side)
    cache = index_cache(dataset, datasets / "segmentations", "ccx")
    build_index(dataset, cache)
    index = load_index(dataset, cache)
    pixels = np.zeros(len(index.concepts), dtype=np.int64)
    for row, total in enumerate(index.sets.totals):
        pixels[index.sets.labels[index.sets.indptr[row] : index.sets.indptr[row + 1]]] += total
    return {label.name: int(n) for label, n in zip(index.labels, pixels, strict=True)}


def check_tables(dataset: BrodenDataset, pixels: Mapping[str, int]) -> None:
    """Check that ``label.csv`` says of every concept what the index counts."""
    size = dataset.mask_shape[0] * dataset.mask_shape[1]
    assert {label.name for label in dataset.labels} == set(pixels)
    for label in dataset.labels:
        np.testing.assert_allclose(label.coverage * size, pixels[label.name], atol=0.01)


class StoppedAfter(SilentProgress):
    """Raises once some pictures are done, as an interrupt does."""

    def __init__(self, pictures: int) -> None:
        self.left = pictures
        self.done = -1

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        self.done = done
        yield self

    def advance(self, amount: int = 1) -> None:
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
