"""One writer at a time for a directory, or for one file in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ccx_cli.progress import Progress


@contextmanager
def writing(directory: Path, progress: Progress, file: str = "") -> Iterator[None]:
    """Hold the only right to write in ``directory``; waits for another process that has it.

    With ``file``, the right to write that one file there. The operating system frees the lock of
    a process that dies, so none is ever left behind.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / (f".{file}.lock" if file else ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"Waiting for another ccx that writes in {directory / file}.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_being_written(directory: Path) -> bool:
    """Tell whether another process holds the right to write in a directory."""
    lock = directory / ".lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def removing(directory: Path, progress: Progress) -> None:
    """Remove a whole directory once nobody writes in it."""
    with writing(directory, progress):
        shutil.rmtree(directory)
