"""Zip archives of others, unpacked where nothing can go wrong."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress, Task
from ccx_cli.store.atomic import write_text

LISTING = ".ccx-files.tsv"
"""Names every unpacked file with its SHA-256 and size, in the unpacked directory."""

_CHUNK = 1 << 20
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|\\|[\0-\x1f]|(^|/)\.\.?(/|$)")


class ArchiveError(Exception):
    """An archive that is damaged, or not one to unpack; the text is what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an honest archive stays under.

    Attributes
    ----------
    total
        Bytes unpacked.
    ratio
        Bytes unpacked for a byte of the archive, once there are over ``small`` of them.
    files
        Number of entries.
    """

    total: int = 100_000_000_000
    ratio: int = 50
    small: int = 50_000_000
    files: int = 3_000_000


@dataclass(frozen=True, slots=True)
class Unpacked:
    """How much came out."""

    files: int
    size: int


def unpack(
    archive: Path,
    directory: Path,
    required: Sequence[str],
    progress: Progress,
    limits: Limits | None = None,
) -> Unpacked:
    """Unpack ``archive``, which holds one directory called as ``directory`` is, into its place.

    It unpacks beside, into a directory that takes ``directory``'s place once everything is there;
    what a killed run left beside is removed first.

    Parameters
    ----------
    archive
        A zip file.
    directory
        Where its content belongs; what is there is replaced whole.
    required
        Files that must be in it.
    progress
        Told about bytes.
    limits
        What it must stay under.

    Raises
    ------
    ArchiveError
        If it is damaged, leaves its directory, holds anything but files and directories, swells
        beyond the limits, or is another archive. Nothing is left of it then.
    CcxError
        If there is no room for it.
    """
    limits = limits or Limits()
    beside = directory.with_name(f".{directory.name}.unpacking")
    _remove(beside)
    try:
        with _opened(archive) as zipped:
            members = _checked(zipped, archive, directory.name, required, limits)
            size = sum(member.file_size for member in members)
            room = shutil.disk_usage(_existing(directory)).free
            if size > room:
                raise CcxError(
                    f"{directory} needs {size:,} bytes and {room:,} are free: make room, or "
                    "choose another place with --root-datasets."
                )
            lines = []
            with progress.task(f"Unpacking {directory.name}", size, unit="bytes") as task:
                for member in members:
                    digest = _extract(zipped, member, beside, task)
                    name = member.filename.partition("/")[2]
                    lines.append(f"{digest}\t{member.file_size}\t{name}\n")
        write_text(beside / directory.name / LISTING, "".join(lines))
        if hasattr(os, "sync"):
            os.sync()  # cheaper than an fsync for each of 200,000 files
        _swap(beside / directory.name, directory)
        return Unpacked(len(members), size)
    finally:
        _remove(beside)


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        zipped = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ArchiveError("is no whole zip archive") from error
    with zipped:
        yield zipped


def _checked(
    zipped: zipfile.ZipFile, archive: Path, name: str, required: Sequence[str], limits: Limits
) -> list[zipfile.ZipInfo]:
    """Return the files to unpack, all of them under ``name/``."""
    members = zipped.infolist()
    if len(members) > limits.files:
        raise ArchiveError(f"holds {len(members):,} entries, more than {limits.files:,}")
    total, packed = sum(member.file_size for member in members), archive.stat().st_size
    if total > limits.total or total > max(limits.small, limits.ratio * packed):
        raise ArchiveError(f"would swell from {packed:,} to {total:,} bytes")
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if _OUTSIDE.search(member.orig_filename) or not member.filename:
            raise ArchiveError(f"holds a path outside itself, {member.orig_filename!r}")
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise ArchiveError(f"holds a link or a device, {member.filename!r}")
        if member.flag_bits & 1:
            raise ArchiveError(f"holds an encrypted file, {member.filename!r}")
    files = [m for m in members if not m.is_dir() and m.filename.startswith(f"{name}/")]
    there = {member.filename for member in files}
    if len(there) < len(files):
        raise ArchiveError("holds two files of one name")
    lacking = [file for file in required if f"{name}/{file}" not in there]
    if lacking:
        raise ArchiveError(f"is another archive: {name}/{lacking[0]} is not in it")
    return files


def _extract(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, task: Task) -> str:
    """Write one file and return its SHA-256."""
    path = into / member.filename
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipped.open(member) as packed, path.open("xb") as file:
            while chunk := _read(packed, member.filename):
                file.write(chunk)
                digest.update(chunk)
                task.advance(len(chunk))
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ArchiveError(f"is damaged at {member.filename!r}") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(f"holds {member.filename!r} as a file and a directory") from error
    return digest.hexdigest()


def _read(packed: IO[bytes], name: str) -> bytes:
    # Anything may come out of damaged compressed data, at reading only.
    try:
        return packed.read(_CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise ArchiveError(f"is damaged at {name!r}") from error


def _swap(made: Path, directory: Path) -> None:
    """Put ``made`` in ``directory``'s place; what was there goes once it has another name."""
    old = directory.with_name(f".{directory.name}.replaced")
    _remove(old)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        directory.rename(old)
    made.rename(directory)
    _remove(old)


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _existing(path: Path) -> Path:
    return next(parent for parent in path.absolute().parents if parent.exists())
