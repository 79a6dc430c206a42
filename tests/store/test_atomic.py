from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ccx_cli.errors import UsageError
from ccx_cli.store.atomic import replacing, write_text


def test_a_file_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on" / "the way.txt"
    with replacing(path) as beside:
        beside.write_text("new")
        assert not path.exists()
        assert beside.parent == path.parent
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def write_half(path: Path) -> None:
    with replacing(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError


@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_leaves_everything_as_it_was(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError):
        write_half(path)
    assert sorted(tmp_path.iterdir()) == before
    assert old is None or path.read_text() == old


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import os, sys; from pathlib import Path; from ccx_cli.store.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as beside:\n"
        "    beside.write_text('half'); os._exit(9)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == 9
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    write_text(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_at_work_keeps_its_file(tmp_path: Path) -> None:
    path = tmp_path / "fi[l]e"
    with replacing(path) as slow:
        slow.write_text("slow")
        write_text(path, "fast")
        assert path.read_text() == "fast"
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "Bäume\n")
    assert (tmp_path / "file").read_bytes() == b"B\xc3\xa4ume\n"


@pytest.mark.skipif(os.name == "nt", reason="no modes there")
def test_files_have_the_mode_that_any_new_file_has(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_text(tmp_path / "written", "text")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {stat.S_IMODE(plain.stat().st_mode)}


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="pipe is a device or a pipe, not a file: name a file"):
        write_text(path, "new")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]
