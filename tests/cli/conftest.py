from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

# The same modules: pytest imports them beside this file, mypy as part of the tests.
if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine
    from tests.cli.tiny_set import draw_pictures, write_set
else:
    from command_line import ON_TINY, CommandLine
    from tiny_set import draw_pictures, write_set


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings out, and what a test forgets to place out of the user's home."""
    for name in [name for name in os.environ if name.startswith("CCX_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with six pictures, explained for units 0 to 3; not to be changed."""
    data = tmp_path_factory.mktemp("tiny")
    write_set(data / "datasets", draw_pictures(6))
    command = ["explain", *ON_TINY, "--units", "0-3", "-q", "--data-dir", str(data)]
    assert main([*command, "--output", str(data / "table.txt")]) == 0
    return data


@pytest.fixture
def unused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line over a data directory where nothing is."""
    return CommandLine(tmp_path / "data", capsys)


@pytest.fixture
def ccx(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line over a data directory of its own: the six pictures and what is kept."""
    shutil.copytree(tiny_data, tmp_path / "data")
    return CommandLine(tmp_path / "data", capsys)


@pytest.fixture
def fresh(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The same with the pictures only."""
    shutil.copytree(tiny_data / "datasets", tmp_path / "data" / "datasets")
    return CommandLine(tmp_path / "data", capsys)
