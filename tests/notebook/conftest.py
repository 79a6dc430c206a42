from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import ccx_cli
from ccx_cli.cli.main import main
from ccx_cli.notebook.stored_run import StoredRun
from tests.cli.command_line import ON_TINY, CommandLine
from tests.cli.tiny_set import draw_pictures, write_set


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings out."""
    for name in [name for name in os.environ if name.startswith("CCX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with eight pictures, explained for units 0 to 3; not to be changed."""
    data = tmp_path_factory.mktemp("notebook")
    write_set(data / "datasets", draw_pictures(8))
    command = ["explain", *ON_TINY, "--units", "0-3", "-q", "--data-dir", str(data)]
    assert main([*command, "--output", str(data / "table.txt")]) == 0
    return data


@pytest.fixture
def ccx(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """A command line over a data directory of its own, which knows of no other."""
    shutil.copytree(tiny_data, tmp_path / "data")
    (header,) = (tmp_path / "data" / "results").glob("*/header.json")
    header.write_text(header.read_text().replace(str(tiny_data), str(tmp_path / "data")))
    return CommandLine(tmp_path / "data", capsys)


@pytest.fixture
def run(ccx: CommandLine) -> StoredRun:
    """The run of it."""
    return ccx_cli.load_run(data_dir=ccx.data)
