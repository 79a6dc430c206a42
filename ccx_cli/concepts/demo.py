"""The built-in demo dataset: painted scenes with exact labels, written in Broden's layout.

The scenes are in ``demo_scenes.zip``, which ``python -m tools.pack_demo`` makes: each of them for
each side, as the painter left it, at twice the size, without the grain of the surfaces, and with
what a pixel shows in the alpha channel. So they take less than half of the room that the finished
pictures would, and give the same pictures and label maps each time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden_tables import (
    ANY,
    Tally,
    WrittenLabel,
    count_labels,
    write_layers,
    write_tables,
)
from ccx_cli.concepts.datasets import DEMO_SUBSET, read_marker
from ccx_cli.concepts.demo_colors import name_demo_colors
from ccx_cli.errors import DamagedDataError, UsageError
from ccx_cli.progress import Progress, SilentProgress
from ccx_cli.store.atomic import move_directory_into_place, naming
from ccx_cli.store.paths import DEMO_MARKER

DEMO_SEED = 2023
"""The seed of the packaged scenes; the demo network was trained on scenes of others."""

DEMO_COUNT = 288
DEMO_SIDES = (224, 227)
DEMO_SCENES = Path(__file__).with_name("demo_scenes.zip")
SUPERSAMPLING = 2
"""Pixels of a painted scene along each side of a pixel of its picture."""

_FORMAT = {"format": "ccx demo data set", "version": 1, "seed": DEMO_SEED, "images": DEMO_COUNT}
_JPEG_QUALITY = 92


class Surface(NamedTuple):
    """What a pixel shows, in label numbers, 0 for none, and the relative strength of its noise.

    A ``detail`` is part of a part (the hub in a wheel).
    """

    object: int
    part: int
    detail: int
    material: int
    grain: float


@dataclass(frozen=True)
class Rendering:
    """A picture, ``(side, side, 3)``, and its labels.

    The masks are ``(side // 2, side // 2)`` and hold label numbers, 0 for none; ``parts`` has a
    mask of parts and one of their details.
    """

    image: NDArray[np.uint8]
    color: NDArray[np.uint16]
    object: NDArray[np.uint16]
    parts: tuple[NDArray[np.uint16], ...]
    material: NDArray[np.uint16]


@dataclass(frozen=True)
class DemoScene:
    """A packaged scene: its picture and masks, and the labels of the whole (texture 0: none)."""

    rendering: Rendering
    scene: int
    texture: int
    split: str


def write_demo_dataset(datasets: Path, side: int = 224, progress: Progress | None = None) -> Path:
    """Write the demo dataset to ``datasets/broden1_<side>`` and return that directory.

    The directory appears whole or not at all. One that this function made before is kept as it is.
    Pictures of 224x224 pixels have masks of 112x112, those of 227x227 masks of 113x113.
    """
    if side not in DEMO_SIDES:
        raise UsageError(f"The demo dataset has no side of {side}: choose 224 or 227.")
    target = datasets / f"broden1_{side}"
    datasets.mkdir(parents=True, exist_ok=True)
    with naming(target), FileLock(datasets / f".broden1_{side}.lock"):
        if target.exists():
            found = read_marker(target / DEMO_MARKER)
            if not found:
                raise UsageError(
                    f"{target} holds another dataset: give the demo a directory of its own"
                    " with `datasets`."
                )
            if found == _FORMAT:
                return target
        partial = datasets / f".broden1_{side}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        _write_files(partial, side, progress or SilentProgress())
        move_directory_into_place(partial, target)
    return target


def demo_labels() -> list[tuple[str, str]]:
    """Return category and name of each label; their numbers count from 1."""
    with _packaged() as archive:
        return [(category, name) for category, name in _read_contents(archive)["labels"]]


def demo_scenes(side: int = 224) -> Iterator[DemoScene]:
    """Yield the packaged scenes, one kind after the other."""
    with _packaged() as archive:
        contents = _read_contents(archive)
        surfaces = [Surface(*each) for each in contents["surfaces"]]
        for number, about in enumerate(contents["scenes"]):
            with archive.open(f"{side}/{number:06d}.webp") as file, Image.open(file) as layers:
                painted, ids = layers.convert("RGB"), np.asarray(layers.getchannel("A"))
            rendering = render_scene(painted, ids, surfaces, about["tint"], about["noise_seed"])
            yield DemoScene(rendering, about["scene"], about["texture"], about["split"])


@contextmanager
def _packaged() -> Iterator[ZipFile]:
    try:
        with ZipFile(DEMO_SCENES) as archive:
            yield archive
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DamagedDataError(
            f"The demo scenes {DEMO_SCENES} cannot be read: reinstall ccx-cli, or make them anew"
            " with python -m tools.pack_demo."
        ) from error


def _read_contents(archive: ZipFile) -> Any:
    return json.loads(archive.read("scenes.json"))


def render_scene(
    painted: Image.Image,
    ids: NDArray[np.uint8],
    surfaces: Sequence[Surface],
    tint: Sequence[float],
    noise_seed: int,
) -> Rendering:
    """Give a painted scene its light and its grain, and read off its labels.

    ``painted`` is RGB, twice as large as the picture; ``ids`` is as large, 0 where nothing is, else
    1 + the index of the surface; ``tint`` is the color of the light, (1, 1, 1) for white.
    """
    numbers = np.zeros((256, 4), dtype=np.uint16)
    grain = np.zeros(256, dtype=np.float32)
    for surface_id, surface in enumerate(surfaces, start=1):
        numbers[surface_id] = surface[:4]
        grain[surface_id] = surface.grain

    pixels = np.asarray(painted.reduce(SUPERSAMPLING), dtype=np.float32)
    side = len(pixels)
    strength = grain[ids[1::SUPERSAMPLING, 1::SUPERSAMPLING]]
    light = (1 + strength * _noise(side, noise_seed))[..., None] * np.asarray(tint, np.float32)
    image = np.clip(np.rint(pixels * light), 0, 255).astype(np.uint8)

    cells = side // 2
    pixels_of_cells = image[: 2 * cells, : 2 * cells].astype(np.float32)
    rows = pixels_of_cells[0::2] + pixels_of_cells[1::2]
    color = name_demo_colors((rows[:, 0::2] + rows[:, 1::2]) / 4)
    step = 2 * SUPERSAMPLING
    middles = ids[step // 2 : cells * step : step, step // 2 : cells * step : step]
    things, parts, details, materials = np.moveaxis(numbers[middles], -1, 0)
    # The colors are the first labels.
    return Rendering(
        image, color.astype(np.uint16) + np.uint16(1), things, (parts, details), materials
    )


def _noise(side: int, seed: int) -> NDArray[np.float32]:
    """Return noise in (-1, 1), fine and coarse, of shape ``(side, side)``."""
    rng = np.random.default_rng(seed)
    fine = rng.random((side, side), dtype=np.float32)
    coarse = Image.fromarray(rng.random((side // 4, side // 4), dtype=np.float32))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))
    return np.asarray(0.9 * (fine - 0.5) + 1.1 * (smooth - 0.5), dtype=np.float32)


def _write_files(root: Path, side: int, progress: Progress) -> None:
    images = root / "images"
    (images / DEMO_SUBSET).mkdir(parents=True)
    labels = demo_labels()
    categories = tuple(dict.fromkeys(category for category, _ in labels))
    tally = Tally()
    rows = []
    with progress.task("Demo pictures", DEMO_COUNT) as task:
        for number, scene in enumerate(demo_scenes(side)):
            rows.append(_write_scene(images, f"{DEMO_SUBSET}/{number:06d}", scene, tally))
            task.advance()
    numbered = enumerate(labels, start=1)
    written = [WrittenLabel(number, name, (category,)) for number, (category, name) in numbered]
    write_tables(root, categories, written, tally, rows)
    (root / DEMO_MARKER).write_text(json.dumps(_FORMAT) + "\n", encoding="utf-8")


def _write_scene(images: Path, stem: str, scene: DemoScene, tally: Tally) -> list[object]:
    """Write the picture and the masks of one scene, count its labels, return its index row."""
    rendering = scene.rendering
    Image.fromarray(rendering.image).save(images / f"{stem}.jpg", quality=_JPEG_QUALITY)
    cells = []
    pixels: dict[str, dict[int, int]] = {}
    for category, masks in (
        ("color", [rendering.color]),
        ("object", [rendering.object]),
        ("part", rendering.parts),
        ("material", [rendering.material]),
    ):
        used = [mask for mask in masks if mask.any()]
        cells.append(";".join(write_layers(images, stem, category, used)))
        pixels[category] = count_labels(used)
    for category, label in (("scene", scene.scene), ("texture", scene.texture)):
        cells.append(str(label or ""))
        pixels[category] = {label: rendering.color.size} if label else {}
    # Each label is of one category.
    everywhere = {label: count for own in pixels.values() for label, count in own.items()}
    tally.add({**pixels, ANY: everywhere}, rendering.color.size)
    return [f"{stem}.jpg", scene.split, *rendering.image.shape[:2], *rendering.color.shape, *cells]
