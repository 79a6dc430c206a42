"""Files that are there whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from ccx_cli.errors import UsageError

if sys.platform != "win32":
    import fcntl

_ATTEMPTS = 10


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it replaces ``path`` once the block succeeds.

    The bytes are on disk before the name is. After an error, or a kill, ``path`` is as it was; what
    a killed process has left beside it goes with the next one's writing. Where ``path`` is a link,
    the file that it points to is replaced. UsageError if there is a device or a pipe at ``path``: a
    file would replace it for everybody.
    """
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    if is_stream(path):
        raise UsageError(f"{path} is a device or a pipe, not a file: name a file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(path)
    with _locked_beside(path) as beside:
        try:
            with naming(path):
                yield beside
                beside.chmod(0o666 & ~_umask())
                move_into_place(beside, path)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name ``path`` in the errors of writing it: the system says of a full disk no name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def is_stream(path: Path) -> bool:
    """Tell whether ``path`` is a device or a pipe: written to, never replaced."""
    return path.exists() and not (path.is_file() or path.is_dir())


def move_into_place(beside: Path, path: Path) -> None:
    """Rename ``beside`` to ``path`` once its bytes are on disk."""
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(path)
    _sync_directory(path.parent)


def move_directory_into_place(beside: Path, directory: Path) -> None:
    """Rename ``beside`` to ``directory`` once all its bytes are on disk; what was there is removed.

    A reader finds the old directory, for an instant none, then the new one. A link is replaced.
    """
    os.sync()  # Cheaper than an fsync of each file.
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        directory.rename(old)
    beside.rename(directory)
    _sync_directory(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def remove_files(directory: Path, files: Iterable[Path]) -> None:
    """Remove files under a directory, then what folders are empty; nothing that a link leads to."""
    inside = directory.resolve()
    for path in files:
        if path.resolve().is_relative_to(inside) and not path.is_dir():
            path.unlink(missing_ok=True)
    folders = [path for path in directory.rglob("*") if path.is_dir() and not path.is_symlink()]
    for folder in (*sorted(folders, reverse=True), directory):
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _locked_beside(path: Path) -> Iterator[Path]:
    """Make a file beside ``path``, locked as long as it may be written."""
    for left in reversed(range(_ATTEMPTS)):
        with NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as made:
            # Another process may take it for left over before it is locked. Some file systems
            # refuse every lock so.
            locked = try_lock(made)
            if left and (locked is False or (locked and not os.fstat(made.fileno()).st_nlink)):
                Path(made.name).unlink(missing_ok=True)
                continue
            yield Path(made.name)
            return


def _remove_left_over(path: Path) -> None:
    """Remove the files beside ``path`` whose writer is dead: the system has freed their locks."""
    if sys.platform == "win32":
        return
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError), left.open("rb") as opened:
            if try_lock(opened):
                left.unlink(missing_ok=True)


def try_lock(opened: IO[bytes], *, shared: bool = False) -> bool | None:
    """Lock an open file; return whether nobody else holds it, None where there are no locks.

    A ``shared`` lock keeps out only who writes.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(opened, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
