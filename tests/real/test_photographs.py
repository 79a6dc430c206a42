"""Real photographs and a real network: what the authors' program found there is found again.

The material lies beside the repository and is no part of it; without it these tests are skipped.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ccx_cli.cli.main import main
from ccx_cli.concepts.broden import read_broden
from ccx_cli.concepts.index import ConceptIndex, index_cache, load_index
from ccx_cli.probe.activations import Activations, activations_cache, open_activations
from ccx_cli.probe.hits import count_hits
from ccx_cli.probe.networks.catalog import choose_network
from ccx_cli.probe.networks.description import NetworkRequest
from ccx_cli.probe.ranges import Range, RangeMethod, active_values, top_threshold
from ccx_cli.probe.sparse_maps import dense_maps
from ccx_cli.search.beam import BeamSettings, beam_search
from ccx_cli.search.counts import DataCounts, RangeCounts
from ccx_cli.search.optimum import OptimumSettings, find_optimum

REAL = Path(__file__).parents[2] / "../shared/real"
WEIGHTS = REAL / "squeezenet1_0-imagenet.pth"
LAYER = "features.12"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REAL.exists(), reason="the photographs are not here"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="session")
def recorded() -> dict[str, Any]:
    """What the authors' program returned."""
    content: dict[str, Any] = json.loads((REAL / "golden.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the caches are made, once."""
    directory = tmp_path_factory.mktemp("photographs")
    assert ccx(directory, "cache", "build") == 0
    return directory


def ccx(data_dir: Path, *command: str) -> int:
    """Run a command on the photographs."""
    inputs = ["--subset", "all", "--model", "squeezenet1_0", "--pretrained", "imagenet"]
    inputs += ["--weights", str(WEIGHTS), "--layer", LAYER, "--data-dir", str(data_dir)]
    return main([*command, *inputs, "--root-datasets", str(REAL / "dataset"), "--quiet"])


def explained(data_dir: Path, *options: str) -> list[dict[str, Any]]:
    """The lines that ``ccx explain`` writes."""
    output = data_dir / "explained.jsonl"
    more = ["--format", "jsonl", "--output", str(output), "--force", *options]
    assert ccx(data_dir, "explain", *more) == 0
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def index(data_dir: Path) -> ConceptIndex:
    dataset = read_broden(REAL / "dataset", "all")
    return load_index(dataset, index_cache(dataset, data_dir / "segmentations", "ccx cache build"))


@pytest.fixture(scope="session")
def counts(index: ConceptIndex) -> DataCounts:
    return DataCounts(index)


@pytest.fixture(scope="session")
def activations(data_dir: Path) -> Activations:
    dataset = read_broden(REAL / "dataset", "all")
    choice = choose_network(
        data_dir / "models", NetworkRequest("squeezenet1_0", "imagenet", LAYER, weights=WEIGHTS)
    )
    cache = activations_cache(dataset, choice, data_dir / "activations", "ccx cache build")
    return open_activations(dataset, cache)


def same_activations(recorded: dict[str, Any], activations: Activations) -> bool:
    """Whether the network gives the recorded values to the last bit: clusters end on values."""
    return all(
        np.isin(np.array(recorded["ranges"][f"{unit}/5"]), dense_maps(activations.unit(unit))).all()
        for unit in recorded["units"]
    )


def test_recorded_ranges_give_the_recorded_hits_and_ious(
    recorded: dict[str, Any], index: ConceptIndex, counts: DataCounts, activations: Activations
) -> None:
    same = same_activations(recorded, activations)
    within, iou_off = [], []
    for entry in recorded["explanations"]:
        ranges = recorded["ranges"][f"{entry['unit']}/{entry['num_clusters']}"]
        maps = activations.unit(entry["unit"])
        found_range = Range.from_json(ranges[entry["cluster"]])
        # Where convolutions add in another order than there, a pixel near an end changes sides.
        apart = 0.0 if same else 1e-5 * float(dense_maps(maps).max())
        narrow = Range(found_range.lower + apart, found_range.upper - apart)
        wide = Range(found_range.lower - apart, found_range.upper + apart)
        least, hits, most = (
            count_hits(maps, [each], index) for each in (narrow, found_range, wide)
        )
        found = beam_search(
            RangeCounts(counts, hits.per_set[0]), BeamSettings(entry["length"], 5)
        ).best
        within.append(least.totals[0] <= entry["hits"] <= most.totals[0])
        iou_off.append(abs((found.iou if found else 0.0) - entry["iou"]))
    assert len(within) == 96
    assert all(within)
    assert max(iou_off) <= 1e-5


def test_the_optimum_is_better_than_the_recorded_beam_in_21_of_48_ranges(
    recorded: dict[str, Any], index: ConceptIndex, counts: DataCounts, activations: Activations
) -> None:
    better = []
    for entry in recorded["explanations"]:
        if entry["length"] != 3:
            continue
        ranges = recorded["ranges"][f"{entry['unit']}/{entry['num_clusters']}"]
        maps = activations.unit(entry["unit"])
        hits = count_hits(maps, [Range.from_json(ranges[entry["cluster"]])], index)
        found = find_optimum(RangeCounts(counts, hits.per_set[0]), OptimumSettings())
        assert found.proven
        assert found.best is not None
        # The program computed its IoU in float32.
        assert found.best.iou >= entry["iou"] - 1e-5
        better.append(found.best.iou > entry["iou"] + 1e-5)
    assert len(better) == 48
    assert sum(better) >= 21


def test_thresholds_leave_the_recorded_share_of_values_above(
    recorded: dict[str, Any], activations: Activations
) -> None:
    for unit in recorded["units"]:
        maps = dense_maps(activations.unit(unit))
        ((lower, upper),) = recorded["ranges"][f"{unit}/1"]
        assert upper is None
        values = maps.astype(np.float64)
        share = (values > top_threshold(maps, RangeMethod(1).quantile)).mean()
        assert share == pytest.approx((values > lower).mean(), abs=1e-4)


def boundaries(values: NDArray[np.float64], ranges: list[list[float | None]]) -> list[float]:
    """Share of the values below each cluster, and up to its end."""
    shares: list[float] = []
    for lower, upper in (Range.from_json(ends).to_json() for ends in ranges):
        assert lower is not None
        assert upper is not None
        shares += [float((values < lower).mean()), float((values <= upper).mean())]
    return shares


@pytest.mark.parametrize("length", [1, 3])
def test_the_command_finds_the_published_clusters_and_ious(
    recorded: dict[str, Any], data_dir: Path, activations: Activations, length: int
) -> None:
    units = ",".join(map(str, recorded["units"]))
    options = ["--kmeans", "sklearn", "--n-init", "1", "--num-clusters", "5", "--units", units]
    lines = explained(data_dir, *options, "--search", "beam", "--length", str(length))
    by_range = {(line["unit"], line["cluster"]): line for line in lines}
    for unit in recorded["units"]:
        values = active_values(activations.unit(unit)).astype(np.float64)
        found = [by_range[unit, cluster]["range"] for cluster in range(5)]
        expected = boundaries(values, recorded["ranges"][f"{unit}/5"])
        # A value at the boundary changes sides with the last digits of the activations, which
        # differ between processors.
        tolerance = max(1e-4, 1.5 / len(values))
        assert boundaries(values, found) == pytest.approx(expected, rel=0, abs=tolerance)
    entries = [
        entry
        for entry in recorded["explanations"]
        if entry["num_clusters"] == 5 and entry["length"] == length
    ]
    assert len(entries) == 40
    for entry in entries:
        line = by_range[entry["unit"], entry["cluster"]]
        assert line["iou"] == pytest.approx(entry["iou"], abs=2e-3)


def test_the_command_explains_the_face_unit(recorded: dict[str, Any], data_dir: Path) -> None:
    (line,) = explained(
        data_dir, "--units", "197", "--num-clusters", "1", "--search", "beam", "--length", "1"
    )
    assert line["formula"] == "face"
    assert line["iou"] == pytest.approx(0.31, abs=0.01)


def test_damaged_caches_are_mended_by_the_command_they_name(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segmentations = tmp_path / "segmentations"
    shutil.copytree(data_dir / "segmentations", segmentations)
    shard = next(segmentations.glob("*/images-00001.*.h5"))
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    options = ("--root-segmentations", str(segmentations), "--units", "197")
    assert ccx(data_dir, "explain", *options) == 4
    said = capsys.readouterr().err
    assert f"{shard} is damaged" in said.replace("\n", " ")
    assert ccx(data_dir, "cache", "build", *options[:2]) == 0
    assert shard.read_bytes() == content
    assert ccx(data_dir, "explain", *options) == 0
