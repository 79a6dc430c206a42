"""Unpacks the files of an archive whose paths fit patterns: zips, and tars packed or not."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import translate
from pathlib import Path
from typing import IO

from ccx_cli.errors import CcxError
from ccx_cli.fetching.unpacking import OUTSIDE, ArchiveError, check_growth, check_members, open_zip
from ccx_cli.progress import Progress

_CHUNK = 1 << 20
_UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, NotImplementedError),
    *(zlib.error, EOFError, ValueError, OSError),
)


def unpack_members(
    archive: Path,
    folder: Path,
    patterns: Sequence[str],
    progress: Progress,
    *,
    is_wanted: Callable[[str], bool] = lambda _: True,
) -> None:
    """Unpack the files whose paths fit one of the patterns, at their paths in ``folder``.

    ``is_wanted`` is asked about each path that fits. What was there is overwritten. ArchiveError if
    the archive is damaged or unsafe, or has no file for a pattern.
    """
    fitting = {pattern: re.compile(translate(pattern)).match for pattern in patterns}
    found: set[str] = set()
    written: set[str] = set()

    def wanted(name: str) -> bool:
        fits = [pattern for pattern, match in fitting.items() if match(name)]
        # What a Mac keeps beside a file begins so.
        if not fits or name.rpartition("/")[2].startswith("._") or not is_wanted(name):
            return False
        found.update(fits)
        return True

    size = archive.stat().st_size
    chosen = _chosen_of_zip if archive.suffix == ".zip" else _chosen_of_tar
    total = done = 0
    with progress.task(f"Unpacking {archive.name}", size, unit="bytes") as task:
        for name, file, position in chosen(archive, wanted):
            if name in written:
                raise ArchiveError(f"holds two files called {name!r}")
            written.add(name)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as out:
                while piece := _read(file, name):
                    total += len(piece)
                    check_growth(total, size)
                    out.write(piece)
            task.advance(position - done)
            done = position
        for pattern in patterns:
            if pattern not in found:
                raise ArchiveError(f"lacks {pattern}")
        task.advance(size - done)


_Chosen = Iterator[tuple[str, IO[bytes], int]]
"""Path, content, and how many bytes of the archive are done with it, about."""


def _chosen_of_zip(archive: Path, wanted: Callable[[str], bool]) -> _Chosen:
    with open_zip(archive) as zipped:
        members = check_members(zipped, archive)
        chosen = [each for each in members if not each.is_dir() and wanted(each.filename)]
        total = sum(each.compress_size for each in chosen)
        _check_room(archive, sum(each.file_size for each in chosen))
        done = 0
        for each in chosen:
            done += each.compress_size
            with _reading(each.filename):
                file = zipped.open(each)
            with file:
                yield each.filename, file, archive.stat().st_size * done // max(total, 1)


def _chosen_of_tar(archive: Path, wanted: Callable[[str], bool]) -> _Chosen:
    _check_room(archive, archive.stat().st_size)
    with archive.open("rb") as packed:
        with _reading(archive.name):
            tar = tarfile.open(fileobj=packed)  # noqa: SIM115
        with tar:
            while (member := _next(tar, archive)) is not None:
                name = member.name.removeprefix("./")
                if not member.isdir() and wanted(name):
                    if OUTSIDE.search(name):
                        raise ArchiveError(f"holds a path outside itself, {member.name!r}")
                    with _reading(name):
                        file = tar.extractfile(member) if member.isreg() else None
                    if file is None:
                        raise ArchiveError(f"holds a link or a device, {name!r}")
                    yield name, file, packed.tell()


def _next(tar: tarfile.TarFile, archive: Path) -> tarfile.TarInfo | None:
    with _reading(archive.name):
        return tar.next()


def _read(file: IO[bytes], name: str) -> bytes:
    with _reading(name):
        return file.read(_CHUNK)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise ArchiveError(f"is damaged at {name!r}") from error


def _check_room(archive: Path, size: int) -> None:
    free = shutil.disk_usage(archive.parent).free
    if size > free:
        raise CcxError(
            f"Unpacking {archive} needs {size:,} bytes and {free:,} are free: make room, or choose "
            "another directory with `root_datasets`."
        )
