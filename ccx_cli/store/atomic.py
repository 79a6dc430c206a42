"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes ``path``'s place once the block ends well.

    The bytes are on disk before the name is. After an error, or a kill, ``path`` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
    ) as made:
        beside = Path(made.name)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        move_into_place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def move_into_place(beside: Path, path: Path) -> None:
    """Rename ``beside`` to ``path`` once its bytes are on disk."""
    with beside.open("rb") as written:
        os.fsync(written.fileno())
    beside.replace(path)
    _sync_directory(path.parent)


def move_directory_into_place(beside: Path, directory: Path) -> None:
    """Rename ``beside`` to ``directory`` once all its bytes are on disk; what was there goes.

    Both must be in the same folder. A reader finds the old directory, for an instant none, then
    the new one.
    """
    os.sync()
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    beside.rename(directory)
    _sync_directory(directory.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


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
