"""Stored runs over the golden images and activations, made without a network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import build_index, index_cache, load_index
from ccx_cli.probe.activation_shards import shard_name
from ccx_cli.probe.activations import KIND, VERSION, open_activations
from ccx_cli.probe.ranges import RangeMethod, find_ranges
from ccx_cli.progress import SilentProgress
from ccx_cli.runs.job import ExplainJob
from ccx_cli.runs.run import Run
from ccx_cli.search.beam import BeamSettings, BeamStrategy
from ccx_cli.search.counts import DataCounts
from ccx_cli.search.explanation import Explainer
from ccx_cli.search.optimum import OptimalStrategy, OptimumSettings
from ccx_cli.search.strategy import Strategy
from ccx_cli.store.shards import ShardedCache

if TYPE_CHECKING:
    from tests.golden_data import GOLDEN
else:
    from golden_data import GOLDEN

UNITS = range(6)
DEAD = 6
REBUILD = "ccx cache build"
OPTIMAL, BEAM = "golden-optimal", "golden-beam"


def store_golden(data: Path) -> None:
    """Write a data directory: images, caches, and a run by each of two searches; unit 6 is dead."""
    shutil.copytree(GOLDEN / "dataset", data / "datasets")
    dataset = read_broden(data / "datasets", "ade20k")
    concepts = index_cache(dataset, data / "segmentations", REBUILD)
    build_index(dataset, concepts)
    index = load_index(dataset, concepts)
    maps = np.load(GOLDEN / "activations_places365.npy")
    maps[DEAD] = 0
    made_from = {"fingerprint": dataset.images_fingerprint(), "model": "resnet18"}
    cache = ShardedCache(data / "activations" / "golden", KIND, VERSION, made_from, REBUILD)
    cache.directory.mkdir(parents=True)
    with cache.write(shard_name(0, len(dataset.rows))) as file:
        file["activations"] = maps
    activations = open_activations(dataset, cache)
    method = RangeMethod(num_clusters=3)
    searches: dict[str, Strategy] = {
        OPTIMAL: OptimalStrategy(OptimumSettings()),
        BEAM: BeamStrategy(BeamSettings(length=2)),
    }
    for name, strategy in searches.items():
        identity = {
            "segmentation": concepts.made_from["fingerprint"],
            "activations": made_from,
            "ranges": method.identity(),
            "search": strategy.identity(),
        }
        about = {
            "model": "resnet18",
            "pretrained": "places365",
            "layer": "layer4",
            "seed": 0,
            "units": 7,
            "num_clusters": 3,
            "subset": "ade20k",
            "dataset": str(dataset.directory),
            "segmentation": str(concepts.directory),
            "activations": str(cache.directory),
            "rebuild": REBUILD,
        }
        run = Run(data / "results" / name, identity)
        run.directory.mkdir(parents=True)
        explainer = Explainer(index, DataCounts(index), "layer4", 3, strategy)
        for unit in (*UNITS, DEAD):
            ranges = find_ranges(maps[unit], method)
            job = ExplainJob(explainer, activations, ranges, run, about)
            list(job.explain([unit], 1, {"command": "ccx explain"}, SilentProgress()))
