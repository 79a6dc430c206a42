"""A made-up run with pictures: a few label sets on random images, and lines of any formulas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ccx_cli.concepts.broden import BrodenDataset
from ccx_cli.concepts.broden_csv import ImageRow, Label
from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Or,
    concepts_of,
    to_json,
    to_text,
)
from ccx_cli.probe.activations import Activations
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import Run
from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from tests.labelled_pixels import random_pixels
else:
    from labelled_pixels import random_pixels

IMAGES, GRID, PIXELS = 6, (14, 14), (28, 28)
CATEGORIES = ("object", "color")
NAMES = ("sky", "tall grass", "wheel", "red-c", "sand", "water")


class _Maps:
    """Activations that are made as they are asked for."""

    def __init__(self, units: int) -> None:
        self.units = units

    def unit(self, unit: int) -> NDArray[np.float32]:
        maps = np.random.default_rng(unit).random((IMAGES, 7, 7), dtype=np.float32)
        maps[maps < 0.2] = 0
        return maps


def write_run(
    directory: Path,
    *,
    units: int = 4,
    clusters: int = 3,
    names: Sequence[str] = NAMES,
    dead: Sequence[int] = (),
) -> Run:
    """Write a run's header and lines."""
    directory.mkdir(parents=True)
    header = {
        "format": "ccx-results",
        "version": 1,
        "identity": {
            "segmentation": "0" * 64,
            "activations": {"model": "net", "weights": "1" * 64},
            "ranges": {"num_clusters": clusters, "kmeans": "exact"},
            "search": {"name": "optimal", "length": 3},
        },
        "sessions": [
            {
                "program": "0.1.0",
                "started": "2026-01-01T00:00:00+00:00",
                "finished": "2026-01-01T00:01:00+00:00",
                "command": "ccx explain --model 'a <b>'",
                "python": "3.11",
                "units": units,
            }
        ],
        "about": {
            "model": "net",
            "pretrained": "none",
            "layer": "block.4",
            "units": units,
            "num_clusters": clusters,
            "subset": "made-up",
            "images": IMAGES,
            "dataset": "/home/someone/data/broden1_28",
            "segmentation": "/home/someone/segmentations/x",
            "activations": "/home/someone/activations/x",
            "rebuild": "ccx cache build --data-dir /home/someone",
        },
    }
    (directory / "header.json").write_text(json.dumps(header))
    lines = [
        line
        for unit in range(units)
        for line in ([_dead(unit)] if unit in dead else _lines(unit, clusters, names))
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "explanations.jsonl").write_text(text)
    return Run(directory)


def without_inputs(run: Run) -> RunInputs:
    """Open a run whose dataset and caches are missing."""
    nowhere = run.directory / "nowhere"
    return RunInputs(Run(run.directory, shown=True), Roots(*[nowhere] * 5))


def with_pictures(run: Run, names: Sequence[str] = NAMES) -> RunInputs:
    """Open a run with its dataset and caches, without the files of the caches."""
    found = without_inputs(run)
    images = run.directory / "broden1_28" / "images"
    images.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        colors = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(colors).resize(PIXELS, Image.Resampling.BICUBIC)
        picture.save(images / f"{number}.png")
    labels = tuple(
        Label(number, name, CATEGORIES[number % 2], (), 0, 0.0, ())
        for number, name in enumerate(names, start=1)
    )
    index = random_pixels(random, IMAGES, GRID, [label.number for label in labels]).index()
    rows = tuple(
        ImageRow(f"{number}.png", "train", *PIXELS, *GRID, (), ()) for number in range(IMAGES)
    )
    found.__dict__.update(
        dataset=BrodenDataset(images.parent, "made-up", labels, CATEGORIES, rows, GRID),
        index=index,
        activations=cast(Activations, _Maps(len(found.run.units))),
    )
    return found


def _formula(unit: int, cluster: int, count: int) -> Formula:
    one, two, three = ((unit + cluster * step) % count + 1 for step in (0, 1, 2))
    if cluster == 0:
        return Concept(one)
    if cluster == 1:
        return And(Concept(one), Not(Concept(two)))
    return Or(And(Concept(one), Concept(two)), Concept(three))


def _lines(unit: int, clusters: int, names: Sequence[str]) -> list[dict[str, Any]]:
    lines = []
    for cluster in range(clusters):
        formula = _formula(unit, cluster % 3, len(names))
        text = to_text(formula, lambda number: names[number - 1])
        iou = ((unit * 37 + cluster * 11) % 97) / 100
        chance = {"lift": 1 + iou, "mcc": iou / 2, "pearson": iou / 4}
        levels = [{"formula": text, "iou": iou, "labels": to_json(formula), **chance}]
        if cluster % 3 == 2:
            first = next(concepts_of(formula))
            only = to_text(Concept(first), lambda number: names[number - 1])
            short: dict[str, Any] = {"formula": only, "iou": iou * 0.995, "labels": first}
            levels.insert(0, {**short, **chance, "mcc": iou / 2.01})
        lines.append(
            {
                "unit": unit,
                "layer": "block.4",
                "cluster": cluster,
                "num_clusters": clusters,
                "num_ranges": clusters,
                "range": [cluster / clusters * 0.8, (cluster + 1) / clusters * 0.8],
                "hits": 100 + unit,
                "formula": text,
                "iou": iou,
                "length": min(cluster % 3 + 1, 3),
                "search": "optimal",
                "visited": 3,
                "labels": to_json(formula),
                "baseline": 0.01,
                **chance,
                "by_length": [
                    {"length": 1 + at, "adds": 0.0, "proven": True, **level}
                    for at, level in enumerate(levels)
                ],
                "score": iou,
                "proven": cluster != 1,
                "bound": iou + (0.01 if cluster == 1 else 0.0),
            }
        )
    return lines


def _dead(unit: int) -> dict[str, Any]:
    return {
        "unit": unit,
        "layer": "block.4",
        "cluster": None,
        "num_clusters": 3,
        "num_ranges": 0,
        "range": None,
        "hits": 0,
        "formula": None,
        "iou": 0.0,
        "length": 0,
        "search": "optimal",
        "visited": 0,
        "baseline": None,
        "lift": None,
        "mcc": None,
        "labels": None,
    }
