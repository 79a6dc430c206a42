from __future__ import annotations

from pathlib import Path

import pytest

from ccx_cli.config import read_file, user_file
from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_file(tmp_path / "ccx.toml") is None


def test_keys_are_written_with_dashes(tmp_path: Path) -> None:
    path = tmp_path / "ccx.toml"
    path.write_text("num_clusters = 3\n[cache.build]\nbatch_size = 2\nroot-models = 'a_b'\n")
    read = read_file(path)
    assert read is not None
    assert read.path == path
    assert read.content == {
        "num-clusters": 3,
        "cache": {"build": {"batch-size": 2, "root-models": "a_b"}},
    }


def test_the_users_file_is_where_xdg_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert user_file() == Path("/somewhere/ccx/config.toml")


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        (b"mirrors = [", UsageError, "cannot be read as TOML ("),
        (b"a = 1\na = 2", UsageError, "cannot be read as TOML ("),
        (b"\xff", DamagedDataError, "is not text in UTF-8: mend or remove it."),
        (
            b"num-clusters = 1\nnum_clusters = 2",
            UsageError,
            "has the key num-clusters twice, once as num_clusters: keep one of them.",
        ),
    ],
)
def test_what_is_no_file_of_settings_is_told(
    content: bytes, kind: type[CcxError], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "ccx.toml"
    path.write_bytes(content)
    with pytest.raises(kind) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path} {sentence}")


def test_what_cannot_be_read_or_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory: name a TOML file"):
        read_file(tmp_path)
    with pytest.raises(MissingInputError, match=r"`config` .* is not there: check the path\."):
        read_file(tmp_path / "none.toml", required=True)
