"""SHA-256 of large files, remembered for as long as the files are not touched."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ccx_cli.errors import CcxError, DamagedDataError
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import write_text
from ccx_cli.store.digests import file_digest

NAME = "given-files.json"
_FORMAT = "ccx-given-files"
_VERSION = 1
# A file that is written again within the clock's tick keeps its times.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """What of a file changes whenever its content does.

    ``modified_ns`` and ``changed_ns`` are when its content, and anything about it, was last
    changed; no program can set the latter.
    """

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


def stamp_of(path: Path) -> Stamp:
    """Look at a file without reading it."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256; a file that nobody touches is read once a process."""
    stamp = stamp_of(path)
    return _settled_sha256(path, stamp) if _is_settled(stamp) else file_digest(path)


@lru_cache(maxsize=64)
def _settled_sha256(path: Path, _stamp: Stamp) -> str:
    return file_digest(path)


def _is_settled(stamp: Stamp) -> bool:
    return time.time_ns() - max(stamp.modified_ns, stamp.changed_ns) > _SETTLED_NS


def known_digest(
    path: Path, memory: Path, progress: Progress, *, remember: bool = True
) -> tuple[str, Stamp]:
    """Return a file's SHA-256 and its stamp, read again only if its stamp changed.

    ``memory`` is the directory of ``given-files.json``, where digests are remembered; one that is
    new is stored there if ``remember``.

    Raises
    ------
    DamagedDataError
        If the file cannot be read.
    CcxError
        If it changes meanwhile.
    """
    try:
        stamp = stamp_of(path)
        key, known = str(path.absolute()), _remembered(memory)
        entry = known.get(key)
        if isinstance(entry, dict):
            digest = entry.pop("sha256", None)
            if isinstance(digest, str) and entry == asdict(stamp):
                return digest, stamp
        with progress.task(f"Checking {path.name}", stamp.size, unit="bytes") as task:
            digest = file_digest(path, task)
        if stamp_of(path) != stamp:
            raise changed_meanwhile(path)
    except OSError as error:
        raise DamagedDataError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    if remember and _is_settled(stamp):
        known[key] = {**asdict(stamp), "sha256": digest}
        content = {"format": _FORMAT, "version": _VERSION, "files": known}
        # Without permission to write, the next command reads the file again.
        with suppress(OSError):
            write_text(memory / NAME, json.dumps(content, indent=1) + "\n")
    return digest, stamp


def changed_meanwhile(path: Path) -> CcxError:
    """Return the error about a file that somebody writes to while it is read."""
    return CcxError(f"{path} changed while it was read: run the command again once it is written.")


def _remembered(memory: Path) -> dict[str, Any]:
    """Read what is remembered; what cannot be read is forgotten."""
    try:
        content = json.loads((memory / NAME).read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (_FORMAT, _VERSION):
            return {}
        return dict(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
