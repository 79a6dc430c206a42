from __future__ import annotations

import errno
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.errors import CcxError
from ccx_cli.store import locks
from ccx_cli.store.atomic import write_text
from ccx_cli.store.locks import Held, is_being_written, look_at_lock, writing
from ccx_cli.store.shards import remove_cache

if TYPE_CHECKING:
    from tests.heard_progress import HeardProgress
else:
    from heard_progress import HeardProgress

HOLDER = """
import os, sys
from pathlib import Path
from ccx_cli.progress import SilentProgress
from ccx_cli.store.atomic import write_text
from ccx_cli.store import locks
from ccx_cli.store.locks import Held, is_being_written, look_at_lock, writing
with writing(Path(sys.argv[1]), SilentProgress()):
    print("held", flush=True)
    order = sys.stdin.read()
    if order == "die":
        os._exit(9)
    Path(sys.argv[1], "written").write_text("by the holder")
"""


@contextmanager
def holder(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def tell(process: subprocess.Popen[str], order: str) -> None:
    assert process.stdin is not None
    process.stdin.write(order)
    process.stdin.close()
    process.stdin = None


def test_a_free_directory_is_taken_at_once_and_made(tmp_path: Path) -> None:
    progress = HeardProgress()
    directory = tmp_path / "new" / "cache"
    for _ in range(2):
        with writing(directory, progress):
            (directory / "file").touch()
    assert progress.notes == []


@pytest.mark.parametrize("order", ["end", "die"])
def test_a_second_writer_waits_for_the_first_and_says_so(tmp_path: Path, order: str) -> None:
    with holder(tmp_path) as process:
        progress = HeardProgress(when_noted=lambda: tell(process, order))
        with writing(tmp_path, progress):
            assert (tmp_path / "written").exists() == (order == "end")
        assert progress.notes == [f"Waiting for another ccx that writes in {tmp_path}."]
        assert process.wait() == (0 if order == "end" else 9)


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    progress = HeardProgress()
    with pytest.raises(ZeroDivisionError), writing(tmp_path, progress):
        raise ZeroDivisionError
    with writing(tmp_path, progress):
        pass
    assert progress.notes == []


def test_who_does_not_wait_is_told_who_writes(tmp_path: Path) -> None:
    progress = HeardProgress()
    told = pytest.raises(CcxError, match="is being written: wait for the ccx that does")
    with holder(tmp_path), told, writing(tmp_path, progress, wait=False):
        pass
    assert progress.notes == []


def test_a_directory_is_removed_once_its_writer_has_ended(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    with holder(directory) as process:
        progress = HeardProgress(when_noted=lambda: tell(process, "end"))
        remove_cache(directory, progress)
    assert len(progress.notes) == 1
    assert [path.name for path in directory.iterdir()] == ["written"]


def test_a_directory_that_is_removed_while_it_is_waited_for_is_made_again(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    directory.mkdir()
    with holder(directory) as process:

        def remove() -> None:
            shutil.rmtree(directory)
            tell(process, "die")

        with writing(directory, HeardProgress(when_noted=remove)):
            assert (directory / ".lock").exists()


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(each, "No locks") for each in (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)),
        NotImplementedError("No locks"),
    ],
)
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise error

    monkeypatch.setattr("fcntl.flock", flock)
    told = re.escape(f"{tmp_path} cannot be locked (No locks): use a directory on another file")
    with pytest.raises(CcxError, match=told), writing(tmp_path, HeardProgress()):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EACCES, errno.EAGAIN, errno.EPERM])
def test_files_are_written_where_nothing_can_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(_file: object, _operation: int) -> None:
        raise OSError(number, "No locks")

    monkeypatch.setattr("fcntl.flock", flock)
    left = tmp_path / ".a.txt.old.part"
    left.touch()  # Of another writer, which may be alive.
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == [left.name, "a.txt"]
    if number == errno.ENOSYS:
        with writing(tmp_path, HeardProgress()):
            pass
    else:
        told = pytest.raises(CcxError, match="cannot be locked")
        with told, writing(tmp_path, HeardProgress()):
            pass


def test_who_looks_sees_the_holder_and_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look_at_lock(tmp_path) == Held(False)
    with holder(tmp_path) as process:
        assert look_at_lock(tmp_path) == Held(True, process.pid)
        # Of a process that this machine does not list, nothing more is known.
        monkeypatch.setattr(locks, "_LOCKS", tmp_path / "none")
        assert look_at_lock(tmp_path) == Held(True)
        assert is_being_written(tmp_path)
        process.kill()
        process.wait()
        assert look_at_lock(tmp_path) == Held(False)
        tmp_path.chmod(0o500)
        (tmp_path / ".lock").chmod(0o400)
        assert look_at_lock(tmp_path) == Held(False)
        tmp_path.chmod(0o700)
        monkeypatch.setattr("ccx_cli.store.locks.try_lock", lambda *_, **__: None)
        assert look_at_lock(tmp_path) == Held(None)
