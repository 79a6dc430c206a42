"""Makes files like the published ones: a small Broden as a zip, and weights."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDERS = ("ade20k", "pascal")
_LABELS = {
    1: ("red-c", "color"),
    2: ("green-c", "color"),
    3: ("box", "object"),
    4: ("ball", "object"),
    5: ("lid", "part"),
    6: ("hall-s", "scene"),
    7: ("street-s", "scene"),
}
_CATEGORIES = ("color", "object", "part", "scene")


def broden_files(side: int, images: int = 12) -> dict[str, bytes]:
    """Draw ``images`` pictures for each of the folders, with masks of half their side."""
    random = np.random.default_rng(side)
    mask_side = side // 2
    files: dict[str, bytes] = {}
    index: list[list[object]] = [["image", "split", "ih", "iw", "sh", "sw", *_CATEGORIES]]
    for number in range(images * len(FOLDERS)):
        folder = FOLDERS[number % len(FOLDERS)]
        pixels = random.integers(0, 120, (side, side, 3)).astype(np.uint8)
        masks = {name: np.zeros((mask_side, mask_side), np.uint16) for name in _CATEGORIES[:3]}
        for label in (1, 2):
            top, left = random.integers(0, mask_side // 2, 2)
            size = int(random.integers(mask_side // 6, mask_side // 2))
            spot = np.s_[top : top + size, left : left + size]
            masks["color"][spot] = label
            masks["object"][spot] = 3 + (number + label) % 2
            masks["part"][top : top + size // 3, left : left + size] = 5
            pixels[2 * top : 2 * (top + size), 2 * left : 2 * (left + size), label - 1] = 240
        stem = f"{folder}/{number:05d}"
        files[f"images/{stem}.jpg"] = _image(pixels, "JPEG")
        cells = {"scene": 6 + number // len(FOLDERS) % 2}
        row = [f"{stem}.jpg", "train" if number % 3 else "val", side, side, mask_side, mask_side]
        for category, mask in masks.items():
            name = f"{stem}_{category}.png"
            coded = np.stack([mask % 256, mask // 256, np.zeros_like(mask)], axis=-1)
            files[f"images/{name}"] = _image(coded.astype(np.uint8), "PNG")
            row.append(name)
        index.append([*row, cells["scene"]])
    files["index.csv"] = _csv(index)
    files["label.csv"] = _csv(
        [["number", "name", "category", "frequency", "coverage", "syns"]]
        + [[n, name, f"{c}({images})", images, 1.0, ""] for n, (name, c) in _LABELS.items()]
    )
    categories: list[list[object]] = [["name", "first", "last", "count", "frequency"]]
    for category in _CATEGORIES:
        own = [(n, name) for n, (name, of) in _LABELS.items() if of == category]
        categories.append([category, own[0][0], own[-1][0], len(own), images])
        files[f"c_{category}.csv"] = _csv(
            [["code", "number", "name", "frequency", "coverage"]]
            + [[code, n, name, images, 1.0] for code, (n, name) in enumerate(own, 1)]
        )
    files["category.csv"] = _csv(categories)
    return files


def zipped(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """Pack files, under a folder if one is given, as `zip -r` does."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        if folder:
            archive.mkdir(folder)
        for name, content in files.items():
            archive.writestr(f"{folder}/{name}" if folder else name, content)
    return packed.getvalue()


def broden_zip(side: int, images: int = 12) -> bytes:
    """Pack a small Broden as it is published."""
    return zipped(broden_files(side, images), f"broden1_{side}")


def _image(pixels: NDArray[np.uint8], form: str) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form)
    return written.getvalue()


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue().encode()
