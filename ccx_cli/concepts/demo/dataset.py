"""Writes the demo scenes as a data set in Broden's layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden_tables import (
    Tally,
    WrittenLabel,
    write_index,
    write_label_map,
    write_label_tables,
)
from ccx_cli.concepts.demo.scenes import DemoScene, demo_scenes
from ccx_cli.concepts.demo.vocabulary import LABEL_NAMES, LABEL_NUMBERS, SCENE_NAMES
from ccx_cli.errors import UsageError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.atomic import move_directory_into_place, naming

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
    with naming(target), FileLock(datasets / f".broden1_{side}.lock"):
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
        move_directory_into_place(partial, target)
    return target


def _read_marker(target: Path) -> object:
    try:
        return json.loads((target / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write_files(root: Path, side: int, progress: Progress) -> None:
    images = root / "images"
    (images / DEMO_SUBSET).mkdir(parents=True)
    tally = Tally()
    rows = []
    with progress.task("Demo pictures", DEMO_COUNT) as task:
        for number, scene in enumerate(demo_scenes(DEMO_SEED, DEMO_COUNT, side)):
            rows.append(_write_scene(images, number, scene, tally))
            task.advance()
    write_index(root, tuple(LABEL_NAMES), rows)
    labels = [
        WrittenLabel(number, name, (category,))
        for (category, name), number in LABEL_NUMBERS.items()
    ]
    write_label_tables(root, tuple(LABEL_NAMES), labels, tally)
    (root / _MARKER).write_text(json.dumps(_FORMAT) + "\n", encoding="utf-8")


def _write_scene(images: Path, number: int, scene: DemoScene, tally: Tally) -> list[str]:
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
    shares: dict[str, dict[int, float]] = {}
    for category, masks in layers.items():
        used = [mask for mask in masks if mask.any()]
        names = [
            f"{stem}_{category}{f'_{level}' if level > 1 else ''}.png"
            for level in range(1, len(used) + 1)
        ]
        for name, mask in zip(names, used, strict=True):
            write_label_map(images / name, mask)
        cells[category] = ";".join(names)
        shares[category] = _shares(used)
    whole = {"scene": f"{scene.name}-s", "texture": scene.texture}
    for category, label in whole.items():
        numbers = [LABEL_NUMBERS[category, label]] if label else []
        cells[category] = ";".join(str(entry) for entry in numbers)
        shares[category] = dict.fromkeys(numbers, 1.0)
    tally.add(shares, {n: share for own in shares.values() for n, share in own.items()})
    split = "val" if number // len(SCENE_NAMES) % _VALIDATION_PERIOD == 0 else "train"
    sizes = [*rendering.image.shape[:2], *rendering.color.shape]
    return [f"{stem}.jpg", split, *map(str, sizes), *(cells[name] for name in LABEL_NAMES)]


def _shares(masks: Sequence[NDArray[np.uint16]]) -> dict[int, float]:
    """Return the share of the pixels that each label covers; no pixel has a label in two layers."""
    counts = np.zeros(len(LABEL_NUMBERS) + 1, dtype=np.int64)
    for mask in masks:
        counts += np.bincount(mask.ravel(), minlength=len(counts))
    pixels = masks[0].size if masks else 1
    return {int(label): int(counts[label]) / pixels for label in np.flatnonzero(counts) if label}
