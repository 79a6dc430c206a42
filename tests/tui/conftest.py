from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.store.paths import Roots, resolve_roots
from ccx_cli.tui.open_run import OpenRun

if TYPE_CHECKING:
    from tests.tui.stored_golden import OPTIMAL, store_golden
else:
    from stored_golden import OPTIMAL, store_golden


@pytest.fixture(scope="session")
def golden_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two runs; not to be changed."""
    data = tmp_path_factory.mktemp("golden-store") / "data"
    store_golden(data)
    return data


@pytest.fixture
def roots(golden_store: Path) -> Roots:
    """Its roots."""
    return resolve_roots(golden_store)


@pytest.fixture
def own_roots(golden_store: Path, tmp_path: Path) -> Roots:
    """A copy that may be changed: results and caches; the images stay where they are."""
    shutil.copytree(golden_store / "results", tmp_path / "data" / "results")
    return resolve_roots(tmp_path / "data")


@pytest.fixture
def run(roots: Roots) -> OpenRun:
    """The optimal run, opened."""
    return OpenRun(roots.results / OPTIMAL, roots)


@pytest.fixture(autouse=True)
def _away_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exports go to the working directory; colours are asked for by no variable."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
