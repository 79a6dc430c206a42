"""SHA-256 of many files, remembered so that each is read again only once it has changed.

What is remembered of a directory is one file among the user's caches, ``known-files/DIGEST.bin``:
the SHA-256 of the rest, then, in MessagePack, the name of every file with its stamp and its
SHA-256. A damaged one, or one that another process replaced meanwhile, only means that files are
read again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.progress import Progress, SilentProgress, Task
from ccx_cli.store.atomic import replacing
from ccx_cli.store.digests import file_digest
from ccx_cli.threads import map_in_order

_VERSION = b"ccx-known-files 1"
_BATCH = 64
_FEW = 1000
_THREADS = 8
_SAVE_EVERY = 60.0
# A file that is written again within the clock's tick keeps its times, on FAT for two seconds.
_SETTLED_NS = 2_000_000_000
# Size in bytes, when contents and anything else last changed, inode. No program can set the third.
_STAMP = struct.Struct("<QqqQ")
_PACKED = msgspec.msgpack.Decoder(dict[str, bytes])


def look_at(directory: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return a stamp of each file, which changes with its contents; no file is read.

    Every directory is listed once. FileNotFoundError, with the path, for what is not a file.
    """
    folders: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, set()).add(file)

    def look(of: tuple[str, set[str]]) -> dict[str, bytes]:
        folder, files = of
        stamps: dict[str, bytes] = {}
        before = f"{folder}/" if folder else ""
        # What cannot be listed or followed is looked for by name below.
        with suppress(OSError), os.scandir(directory / folder) as entries:
            for entry in entries:
                if entry.name in files and entry.is_file():
                    stamps[before + entry.name] = _stamp(entry.stat())
        # A file system may know a file under a name that its listing spells otherwise.
        for name in (before + file for file in files if before + file not in stamps):
            stamps[name] = stamp_of(directory / name)
        return stamps

    # Side by side: a disk takes its time for each file that it does not have in memory.
    found = map_in_order(look, list(folders.items()), _THREADS)
    return {name: stamp for stamps in found for name, stamp in stamps.items()}


def size_of(stamp: bytes) -> int:
    """Return the bytes of a file when its stamp was taken."""
    size: int = _STAMP.unpack(stamp)[0]
    return size


def digest_files(
    directory: Path,
    names: Sequence[str],
    memory: Path,
    progress: Progress,
    *,
    remember: bool = True,
) -> list[bytes]:
    """Return the SHA-256 of each file; one whose stamp is known already is not opened.

    Parameters
    ----------
    memory : Path
        The directory in which digests are remembered where the user's caches cannot be written.
    remember : bool
        Whether new digests are stored.

    Raises
    ------
    FileNotFoundError
        If one is not there, or is no file.
    DamagedDataError, CcxError
        If one cannot be read, or changes meanwhile.
    """
    began = time.time_ns()
    stamps = look_at(directory, names)
    places = _places(directory, memory)
    found = _known(places, stamps)
    missing = sorted(stamps.keys() - found.keys())
    if not missing:
        return [found[name] for name in names]
    new: dict[str, bytes] = {}
    batches = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
    saved = time.monotonic()

    def read(batch: list[str]) -> list[bytes]:
        return [_digest(directory / name) for name in batch]

    # Of few files nobody needs to hear.
    heard = progress if len(missing) > _FEW else SilentProgress()
    try:
        with heard.task(f"Reading {directory.name}", len(missing), unit="files") as task:
            for batch, digests in zip(batches, map_in_order(read, batches, _THREADS), strict=True):
                for name, digest in zip(batch, digests, strict=True):
                    found[name], stamp = digest, stamps[name]
                    if _is_settled(stamp, began):
                        new[name] = stamp + digest
                task.advance(len(batch))
                if remember and time.monotonic() - saved > _SAVE_EVERY:
                    _add(places, new)
                    saved = time.monotonic()
    finally:
        if remember and new:
            _add(places, new)
    return [found[name] for name in names]


def digest_file(
    path: Path, memory: Path, progress: Progress, *, remember: bool = True
) -> tuple[str, bytes]:
    """Return a file's SHA-256, in hexadecimal, and its stamp, as ``digest_files`` does of many."""
    began, name, stamp = time.time_ns(), path.name, stamp_of(path)
    places = _places(path.parent, memory)
    digest = _known(places, {name: stamp}).get(name)
    if digest is None:
        with progress.task(f"Checking {name}", size_of(stamp), unit="bytes") as task:
            digest = _digest(path, task)
        if remember and _is_settled(stamp, began):
            _add(places, {name: stamp + digest})
    return digest.hex(), stamp


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256; a file that nobody touches is read once a process."""
    stamp = stamp_of(path)
    settled = _is_settled(stamp, time.time_ns())
    return (_read_once(path, stamp) if settled else _digest(path)).hex()


@lru_cache(maxsize=64)
def _read_once(path: Path, _stamp: bytes) -> bytes:
    return _digest(path)


def _is_settled(stamp: bytes, now: int) -> bool:
    """Tell whether a stamp would be another if the file were written again."""
    touched: int = max(_STAMP.unpack(stamp)[1:3])
    return now - touched > _SETTLED_NS


def changed_meanwhile(path: Path) -> CcxError:
    """Return the error about a file that somebody writes to while it is read."""
    return CcxError(f"{path} changed while it was read: run the command again once it is written.")


def _places(directory: Path, memory: Path) -> list[Path]:
    file = f"{hashlib.sha256(os.fsencode(directory.absolute())).hexdigest()[:16]}.bin"
    return [above / "known-files" / file for above in (user_cache_path("ccx"), memory)]


def _known(places: Sequence[Path], stamps: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the digests that are remembered of files with these stamps."""
    found: dict[str, bytes] = {}
    for known in map(_read, reversed(places)):
        for name, entry in known.items():
            stamp = stamps.get(name)
            if stamp is not None and entry.startswith(stamp):
                found[name] = entry[len(stamp) :]
    return found


def _stamp(status: os.stat_result) -> bytes:
    inode = status.st_ino & 0xFFFF_FFFF_FFFF_FFFF
    return _STAMP.pack(status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode)


def stamp_of(path: Path) -> bytes:
    """Return a file's stamp; FileNotFoundError, with the path, for what is not a file."""
    with suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return _stamp(status)
    raise FileNotFoundError(str(path))


def _digest(path: Path, task: Task | None = None) -> bytes:
    try:
        before = _stamp(path.stat())
        digest = file_digest(path, task)
        changed = _stamp(path.stat()) != before
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    if changed:
        raise changed_meanwhile(path)
    return bytes.fromhex(digest)


def _read(path: Path) -> dict[str, bytes]:
    """Return stamps and digests by name; nothing where the file is not as it was written."""
    with suppress(OSError, msgspec.MsgspecError):
        content = path.read_bytes()
        packed = memoryview(content)[32:]
        if hashlib.sha256(_VERSION + packed).digest() == content[:32]:
            return _PACKED.decode(packed)
    return {}


def _add(places: Sequence[Path], new: dict[str, bytes]) -> None:
    """Store what is new beside what is known, in the first place that can be written to."""
    for path in places:
        with suppress(OSError):
            packed = msgspec.msgpack.encode(_read(path) | new)
            with replacing(path) as beside:
                beside.write_bytes(hashlib.sha256(_VERSION + packed).digest() + packed)
            return
