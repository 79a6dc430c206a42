"""Paints the scenes of the demo dataset and packs them: ``python -m tools.pack_demo``."""

from __future__ import annotations

import argparse
import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
from PIL import Image

from ccx_cli.concepts.demo import DEMO_COUNT, DEMO_SCENES, DEMO_SEED, DEMO_SIDES
from tools.demo_pictures.canvas import Surface
from tools.demo_pictures.scenes import PaintedScene, paint_scenes
from tools.demo_pictures.vocabulary import LABEL_NUMBERS, SCENE_NAMES

_VALIDATION_PERIOD = 4


def pack(path: Path, count: int = DEMO_COUNT) -> None:
    """Write the scenes to a ZIP file, which is the same each time.

    ``scenes.json`` has the labels in the order of their numbers, all surfaces, and a record for
    each scene. ``<side>/<number>.webp`` is a painting with the id of the surface as alpha.
    """
    surfaces: dict[Surface, int] = {}
    scenes = {}
    with ZipFile(path, "w") as archive:
        for side in DEMO_SIDES:
            for number, scene in enumerate(paint_scenes(DEMO_SEED, count, side)):
                archive.writestr(ZipInfo(f"{side}/{number:06d}.webp"), _layers(scene, surfaces))
                scenes[number] = _record(number, scene)
        contents = {
            "labels": list(LABEL_NUMBERS),
            "surfaces": [surface.numbered() for surface in surfaces],
            "scenes": list(scenes.values()),
        }
        archive.writestr(ZipInfo("scenes.json"), json.dumps(contents))


def _layers(scene: PaintedScene, surfaces: dict[Surface, int]) -> bytes:
    """Return a painting as WebP; ``surfaces`` gives the ids that all scenes share."""
    painting = scene.painting
    shared = np.zeros(256, dtype=np.uint8)
    for own, surface in enumerate(painting.surfaces, start=1):
        shared[own] = surfaces.setdefault(surface, len(surfaces) + 1)
    layers = np.dstack([np.asarray(painting.image), shared[painting.ids]])
    file = BytesIO()
    Image.fromarray(layers).save(file, "WEBP", lossless=True, exact=True, quality=80, method=4)
    return file.getvalue()


def _record(number: int, scene: PaintedScene) -> dict[str, Any]:
    validates = number // len(SCENE_NAMES) % _VALIDATION_PERIOD == 0
    return {
        "scene": LABEL_NUMBERS["scene", f"{scene.name}-s"],
        "texture": LABEL_NUMBERS["texture", scene.texture] if scene.texture else 0,
        "split": "val" if validates else "train",
        "tint": scene.painting.tint,
        "noise_seed": scene.painting.noise_seed,
    }


def main() -> None:
    """Write the packaged scenes."""
    parser = argparse.ArgumentParser(prog="python -m tools.pack_demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=DEMO_SCENES, help="the file to write")
    pack(parser.parse_args().output)


if __name__ == "__main__":
    main()
