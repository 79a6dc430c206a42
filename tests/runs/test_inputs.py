from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ccx_cli.concepts.broden import BrodenDataset, read_broden
from ccx_cli.errors import DamagedDataError, MissingInputError
from ccx_cli.runs.inputs import RunInputs
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.store.paths import Roots, resolve_roots


@pytest.fixture
def two(golden: BrodenDataset, tmp_path: Path) -> tuple[Path, Path]:
    """The golden set, and one that is called the same and lacks its last image."""
    places = tmp_path / "data/datasets", tmp_path / "elsewhere"
    for place in places:
        place.mkdir(parents=True)
        shutil.copytree(golden.directory, place / golden.name)
    index = places[1] / golden.name / "index.csv"
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:-1]))
    return places


def _header(golden: BrodenDataset, made_in: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    side = int(golden.name.removeprefix("broden1_"))
    images = read_broden(made_in, golden.subset, side).images_fingerprint()
    about = {"dataset": str(made_in / golden.name), "subset": golden.subset}
    return about, {"activations": {"fingerprint": images}}


def _dataset(about: dict[str, Any], identity: dict[str, Any], roots: Roots) -> BrodenDataset:
    directory = roots.results / "run"
    directory.mkdir(parents=True, exist_ok=True)
    header = {"format": "ccx-results", "version": 1, "identity": identity, "about": about}
    (directory / HEADER).write_text(json.dumps({**header, "sessions": []}))
    return RunInputs(Run(directory), roots).dataset


def test_of_two_data_sets_it_is_the_one_the_run_was_made_from(
    golden: BrodenDataset, two: tuple[Path, Path], tmp_path: Path
) -> None:
    roots = resolve_roots(tmp_path / "data")
    for place in two:
        found = _dataset(*_header(golden, place), roots)
        assert found.directory == place / golden.name
    about, identity = _header(golden, two[1])
    about["dataset"] = str(two[0] / golden.name)
    assert _dataset(about, identity, roots).directory == two[0] / golden.name


def test_a_copy_that_changed_is_not_passed_over(
    golden: BrodenDataset, two: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(two[0] / golden.name, copy / golden.name)
    (two[0] / golden.name / "images" / golden.rows[0].image).unlink()
    found = _dataset(*_header(golden, copy), resolve_roots(tmp_path / "data"))
    assert found.directory == two[0] / golden.name


def test_a_data_set_that_moved_is_found_under_the_root_and_one_elsewhere_where_it_was(
    golden: BrodenDataset, two: tuple[Path, Path], tmp_path: Path
) -> None:
    header = _header(golden, two[1])
    shutil.rmtree(two[0] / golden.name)
    roots = resolve_roots(tmp_path / "data")
    assert _dataset(*header, roots).directory == two[1] / golden.name
    (two[1] / golden.name).rename(two[0] / golden.name)
    assert _dataset(*header, roots).directory == two[0] / golden.name
    shutil.rmtree(two[0] / golden.name)
    with pytest.raises(MissingInputError, match="There is no dataset in"):
        _dataset(*header, roots)


def test_a_header_that_names_no_data_set_is_a_fault_of_the_header(tmp_path: Path) -> None:
    with pytest.raises(DamagedDataError, match="does not have the dataset of the run"):
        _dataset({"dataset": "x", "subset": "y"}, {}, resolve_roots(tmp_path))
