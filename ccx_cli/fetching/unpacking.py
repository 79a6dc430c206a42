"""Unpacks zip archives of unknown origin safely."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress, Task
from ccx_cli.store.atomic import move_directory_into_place, write_text

LISTING = ".ccx-files.tsv"
"""Names every unpacked file with its SHA-256 and size, in the unpacked directory."""

_CHUNK = 1 << 20
# What an honest archive stays under: entries, unpacked bytes, and beyond some of these how many
# there are for each byte of the archive.
_MOST_FILES = 3_000_000
_MOST_BYTES = 100_000_000_000
_SMALL = 50_000_000
_MOST_RATIO = 50
OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|\\|[\0-\x1f]|(^|/)\.\.?(/|$)")


class ArchiveError(Exception):
    """An archive that is damaged, or not one to unpack; the text is what is wrong with it."""


class ListedFile(NamedTuple):
    """A file of an unpacked directory; ``name`` is its path there."""

    sha256: str
    size: int
    name: str


def read_listing(directory: Path) -> list[ListedFile]:
    """Read what ``write_listing`` wrote; ValueError if it is something else."""
    files = []
    for line in (directory / LISTING).read_text(encoding="utf-8").splitlines():
        sha256, size, name = line.split("\t", 2)
        files.append(ListedFile(sha256, int(size), name))
    return files


def write_listing(directory: Path, files: Iterable[ListedFile]) -> None:
    """List the files of a directory in it."""
    write_text(directory / LISTING, "".join("\t".join(map(str, file)) + "\n" for file in files))


def unpack(
    archive: Path, directory: Path, required: Sequence[str], progress: Progress
) -> tuple[int, int]:
    """Unpack ``archive``, which holds one directory called as ``directory`` is, into its place.

    It unpacks into a directory beside, which replaces ``directory`` once everything is there; what
    a killed run left is removed first. Returns how many files came out, and their bytes.
    ArchiveError, and nothing is left of it, if it is damaged, unsafe, or lacks a ``required`` file.
    """
    beside = directory.with_name(f".{directory.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with open_zip(archive) as zipped:
            members = _checked(zipped, archive, directory.name, required)
            size = sum(member.file_size for member in members)
            there = next(above for above in directory.absolute().parents if above.exists())
            free = shutil.disk_usage(there).free
            if size > free:
                raise CcxError(
                    f"{directory} needs {size:,} bytes and {free:,} are free: make room, or "
                    "choose another directory with `root_datasets`."
                )
            files = []
            with progress.task(f"Unpacking {directory.name}", size, unit="bytes") as task:
                for member in members:
                    digest = _extract(zipped, member, beside, task)
                    name = member.filename.partition("/")[2]
                    files.append(ListedFile(digest, member.file_size, name))
        write_listing(beside / directory.name, files)
        move_directory_into_place(beside / directory.name, directory)
        return len(members), size
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def open_zip(archive: Path) -> zipfile.ZipFile:
    """Open a zip; ArchiveError if it is none."""
    try:
        return zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise ArchiveError("is not a complete zip archive") from error


def _checked(
    zipped: zipfile.ZipFile, archive: Path, name: str, required: Sequence[str]
) -> list[zipfile.ZipInfo]:
    """Return the files to unpack, all of them under ``name/``."""
    members = check_members(zipped, archive)
    files = [m for m in members if not m.is_dir() and m.filename.startswith(f"{name}/")]
    there = {member.filename for member in files}
    if len(there) < len(files):
        raise ArchiveError("holds two files of one name")
    lacking = [file for file in required if f"{name}/{file}" not in there]
    if lacking:
        raise ArchiveError(f"is another archive: {name}/{lacking[0]} is not in it")
    return files


def check_members(zipped: zipfile.ZipFile, archive: Path) -> list[zipfile.ZipInfo]:
    """Return what an archive holds; ArchiveError if it is not safe to unpack."""
    members = zipped.infolist()
    if len(members) > _MOST_FILES:
        raise ArchiveError(f"holds {len(members):,} entries, more than {_MOST_FILES:,}")
    check_growth(sum(member.file_size for member in members), archive.stat().st_size)
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if OUTSIDE.search(member.orig_filename) or not member.filename:
            raise ArchiveError(f"holds a path outside itself, {member.orig_filename!r}")
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise ArchiveError(f"holds a link or a device, {member.filename!r}")
        if member.flag_bits & 1:
            raise ArchiveError(f"holds an encrypted file, {member.filename!r}")
    return members


def check_growth(total: int, packed: int) -> None:
    """Refuse an archive of so many bytes that unpacks to more than an honest one does."""
    if total > _MOST_BYTES or total > max(_SMALL, _MOST_RATIO * packed):
        raise ArchiveError(f"would grow from {packed:,} to {total:,} bytes")


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
    # Damaged compressed data raises any of these, when it is read.
    try:
        return packed.read(_CHUNK)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        raise ArchiveError(f"is damaged at {name!r}") from error
