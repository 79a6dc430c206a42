"""What units took before, for plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ccx_cli.runs.costs import seconds_of_unit
from ccx_cli.runs.lookup import stored_runs

ALIKE = {"segmentation": "a", "ranges": {"num_clusters": 5}, "search": {"name": "optimal"}}


def keep(results: Path, name: str, *sessions: dict[str, Any], **other: Any) -> None:
    header = {
        "format": "ccx-results",
        "version": 1,
        "identity": {**ALIKE, "activations": {"layer": name}, **other},
        "about": {"map_size": [len(name), 7]},
        "sessions": list(sessions),
    }
    (results / name).mkdir()
    (results / name / "header.json").write_text(json.dumps(header))


def session(units: int, seconds: float, workers: int, command: str = "ccx explain") -> Any:
    return {"units": units, "seconds": seconds, "workers": workers, "command": command}


def test_the_session_of_most_units_on_this_machine(tmp_path: Path) -> None:
    keep(tmp_path, "small", session(1, 60.0, 4))
    keep(tmp_path, "large", session(100, 50.0, 4), {"units": 0, "seconds": 1.0, "workers": 4})
    keep(tmp_path, "cluster", session(1000, 1.0, 4, "ccx explain --dask local:9"))
    keep(tmp_path, "longer", session(1000, 1.0, 4), search={"name": "beam"})
    keep(tmp_path, "other-labels", session(1000, 1.0, 4), segmentation="b")
    keep(tmp_path, "split", session(1000, 1.0, 4), split="val")
    keep(tmp_path, "cut-off", {"started": "then"})
    found = seconds_of_unit(stored_runs(tmp_path), ALIKE, None)
    assert found is not None
    assert found[0] == pytest.approx(2.0)
    assert found[1].name == "large"


def test_maps_of_one_size_are_preferred(tmp_path: Path) -> None:
    keep(tmp_path, "small", session(10, 60.0, 1))
    keep(tmp_path, "smaller", session(20, 60.0, 1))
    found = [
        seconds_of_unit(stored_runs(tmp_path), ALIKE, size)
        for size in ((5, 7), (7, 7), (7, 5), None)
    ]
    assert [each and each[0] for each in found] == [6.0, 3.0, 3.0, 3.0]


def test_fewer_units_than_workers_take_all_the_time(tmp_path: Path) -> None:
    keep(tmp_path, "one", session(1, 3.0, 8))
    found = seconds_of_unit(stored_runs(tmp_path), ALIKE, None)
    assert found is not None
    assert found[0] == pytest.approx(3.0)
    assert seconds_of_unit(stored_runs(tmp_path), {**ALIKE, "search": {}}, None) is None
