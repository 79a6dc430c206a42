from __future__ import annotations

from pathlib import Path

import pytest

from ccx_cli.cli.fetching import mirrors_of
from ccx_cli.config import read_config
from ccx_cli.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings, in an empty directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("CCX_MIRRORS", raising=False)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "config" / "ccx"


def test_without_files_nothing_is_set() -> None:
    assert read_config().mirrors == ()
    assert mirrors_of(()) == []


def test_options_over_environment_over_project_over_user(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(parents=True)
    (home / "config.toml").write_text('mirrors = ["https://user.example"]')
    assert mirrors_of(()) == ["https://user.example"]
    Path("ccx.toml").write_text('mirrors = ["https://a.example", "https://b.example"]')
    assert mirrors_of(()) == ["https://a.example", "https://b.example"]
    monkeypatch.setenv("CCX_MIRRORS", "https://env.example")
    assert mirrors_of(()) == ["https://env.example"]
    assert mirrors_of(["https://given.example"]) == ["https://given.example"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"mirrors = [", "ccx.toml cannot be read as TOML ("),
        (b"\xff", "ccx.toml cannot be read as TOML ("),
        (b'mirror = "x"', "ccx.toml has the key mirror, which is not known, did you mean mirrors?"),
        (b"zzz = 1", "ccx.toml has the key zzz, which is not known: it may have mirrors."),
        (b"mirrors = 3", "ccx.toml: mirrors has to be a list such as"),
        (b'mirrors = ["ftp://x"]', "ftp://x is no address such as https://host/folder"),
    ],
)
def test_what_cannot_be_meant_is_told(content: bytes, sentence: str) -> None:
    Path("ccx.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        mirrors_of(())
    assert sentence in str(caught.value)
