from __future__ import annotations

from pathlib import Path

import pytest
from platformdirs import user_data_path

from ccx_cli.store.paths import ROOT_NAMES, resolve_roots


def test_roots_lie_under_the_data_directory() -> None:
    roots = resolve_roots(Path("data"))
    assert {name: getattr(roots, name) for name in ROOT_NAMES} == {
        "datasets": Path("data/datasets"),
        "models": Path("data/models"),
        "segmentations": Path("data/segmentations"),
        "activations": Path("data/activations"),
        "results": Path("data/results"),
    }


@pytest.mark.parametrize("name", ROOT_NAMES)
def test_a_root_of_its_own_wins(name: str) -> None:
    roots = resolve_roots(Path("data"), **{name: Path("elsewhere")})
    for each in ROOT_NAMES:
        expected = Path("elsewhere") if each == name else Path("data", each)
        assert getattr(roots, each) == expected


def test_the_data_directory_is_the_users_by_default() -> None:
    assert resolve_roots(None).results == user_data_path("ccx") / "results"
