"""Writes the demo scenes as a data set in Broden's layout."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.demo.scenes import DemoScene, demo_scenes
from ccx_cli.concepts.demo.vocabulary import LABEL_NAMES, LABEL_NUMBERS, SCENE_NAMES
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress, SilentProgress

DEMO_SUBSET = "demo"
"""The folder under ``images/`` that holds the pictures, and the name of the subset."""

DEMO_SEED = 2023
"""The seed of the packaged data set; the demo network was trained on scenes of others."""

DEMO_COUNT = 288
DEMO_SIDES = (224, 227)

_MARKER = "ccx-demo.json"
_FORMAT = {"format": "ccx demo data set", "version": 1, "seed": DEMO_SEED, "images": DEMO_COUNT}
_VALIDATION_PERIOD = 4
_JPEG_QUALITY = 92


@dataclass
class _Tally:
    """How often each label occurs, per category: in how many images, and on what share of them."""

    frequency: dict[tuple[str, str], int] = field(default_factory=dict)
    coverage: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, category: str, shares: Mapping[int, float]) -> None:
        for name in LABEL_NAMES[category]:
            number = LABEL_NUMBERS[category, name]
            if number in shares:
                key = category, name
                self.frequency[key] = self.frequency.get(key, 0) + 1
                self.coverage[key] = self.coverage.get(key, 0.0) + shares[number]


def write_demo_dataset(datasets: Path, side: int = 224, progress: Progress | None = None) -> Path:
    """Write the demo data set to ``datasets/broden1_<side>`` and return that directory.

    The directory appears whole or not at all. One that this function made before is kept as it is.

    Parameters
    ----------
    datasets
        The directory that holds the data sets; made where it is missing.
    side
        Height and width of the pictures in pixels, 224 (masks of 112x112) or 227 (113x113).
    progress
        Told of each picture.

    Raises
    ------
    UsageError
        If ``side`` is neither, or another data set lies in the directory.
    """
    if side not in DEMO_SIDES:
        raise UsageError(f"the demo data set has no side of {side}: choose 224 or 227")
    target = datasets / f"broden1_{side}"
    datasets.mkdir(parents=True, exist_ok=True)
    with FileLock(datasets / f".broden1_{side}.lock"):
        if target.exists():
            found = _read_marker(target)
            if found is None:
                raise UsageError(
                    f"{target} holds another data set: give the demo a directory of its own"
                    " with --root-datasets"
                )
            if found == _FORMAT:
                return target
        partial = datasets / f".broden1_{side}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        _write_files(partial, side, progress or SilentProgress())
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
    return target


def _read_marker(target: Path) -> object:
    try:
        return json.loads((target / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_files(root: Path, side: int, progress: Progress) -> None:
    images = root / "images"
    (images / DEMO_SUBSET).mkdir(parents=True)
    tally = _Tally()
    rows = []
    with progress.task("Demo pictures", DEMO_COUNT) as task:
        for number, scene in enumerate(demo_scenes(DEMO_SEED, DEMO_COUNT, side)):
            rows.append(_write_scene(images, number, scene, tally))
            task.advance()
    header = ["image", "split", "ih", "iw", "sh", "sw", *LABEL_NAMES]
    _write_csv(root / "index.csv", header, rows)
    _write_label_tables(root, tally)
    (root / _MARKER).write_text(json.dumps(_FORMAT) + "\n", encoding="utf-8")


def _write_scene(images: Path, number: int, scene: DemoScene, tally: _Tally) -> list[str]:
    """Write the picture and the masks of one scene, count its labels, return its index row."""
    stem = f"{DEMO_SUBSET}/{number:06d}"
    rendering = scene.rendering
    Image.fromarray(rendering.image).save(images / f"{stem}.jpg", quality=_JPEG_QUALITY)
    layers: dict[str, list[NDArray[np.uint16]]] = {
        "color": [rendering.color],
        "object": [rendering.object],
        "part": list(rendering.parts),
        "material": [rendering.material],
    }
    cells = {}
    for category, masks in layers.items():
        used = [mask for mask in masks if mask.any()]
        names = [
            f"{stem}_{category}{f'_{level}' if level > 1 else ''}.png"
            for level in range(1, len(used) + 1)
        ]
        for name, mask in zip(names, used, strict=True):
            _write_mask(images / name, mask)
        cells[category] = ";".join(names)
        tally.add(category, _shares(used))
    whole = {"scene": f"{scene.name}-s", "texture": scene.texture}
    for category, label in whole.items():
        numbers = [LABEL_NUMBERS[category, label]] if label else []
        cells[category] = ";".join(str(entry) for entry in numbers)
        tally.add(category, dict.fromkeys(numbers, 1.0))
    split = "val" if number // len(SCENE_NAMES) % _VALIDATION_PERIOD == 0 else "train"
    sizes = [*rendering.image.shape[:2], *rendering.color.shape]
    return [f"{stem}.jpg", split, *map(str, sizes), *(cells[name] for name in LABEL_NAMES)]


def _write_mask(path: Path, mask: NDArray[np.uint16]) -> None:
    """Write label numbers as Broden does, the low byte as red and the high byte as green."""
    rgb = np.zeros((*mask.shape, 3), dtype=np.uint8)
    rgb[..., 0] = mask % 256
    rgb[..., 1] = mask // 256
    Image.fromarray(rgb).save(path)


def _shares(masks: Sequence[NDArray[np.uint16]]) -> dict[int, float]:
    """Return the share of the pixels that each label covers; no pixel has a label in two layers."""
    counts = np.zeros(len(LABEL_NUMBERS) + 1, dtype=np.int64)
    for mask in masks:
        counts += np.bincount(mask.ravel(), minlength=len(counts))
    pixels = masks[0].size if masks else 1
    return {int(label): int(counts[label]) / pixels for label in np.flatnonzero(counts) if label}


def _write_label_tables(root: Path, tally: _Tally) -> None:
    labels: list[list[str]] = []
    categories: list[list[str]] = []
    for category, names in LABEL_NAMES.items():
        rows: list[list[str]] = []
        for name in names:
            key = category, name
            frequency = tally.frequency.get(key, 0)
            coverage = f"{tally.coverage.get(key, 0.0):.6f}"
            number = LABEL_NUMBERS[key]
            rows.append([str(len(rows) + 1), str(number), name, str(frequency), coverage])
            labels.append(
                [str(number), name, f"{category}({frequency})", str(frequency), coverage, ""]
            )
        _write_csv(
            root / f"c_{category}.csv", ["code", "number", "name", "frequency", "coverage"], rows
        )
        total = sum(int(row[3]) for row in rows)
        first, last = rows[0][1], rows[-1][1]
        categories.append([category, first, last, str(len(rows)), str(total)])
    _write_csv(
        root / "label.csv",
        ["number", "name", "category", "frequency", "coverage", "syns"],
        labels,
    )
    _write_csv(root / "category.csv", ["name", "first", "last", "count", "frequency"], categories)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
