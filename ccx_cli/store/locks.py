"""One writer at a time for a directory, or for one file in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock, Timeout

from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import try_lock

# Where flock does not exist at all (ENOSYS), filelock uses files that mark the owner instead and
# warns; older versions raise NotImplementedError.
warnings.filterwarnings("ignore", "flock not supported")
LOCK = ".lock"
_LOCKS = Path("/proc/locks")
_CANNOT_LOCK = "{} cannot be locked ({}): use a directory on another file system."


@contextmanager
def writing(
    directory: Path, progress: Progress, file: str = "", *, wait: bool = True
) -> Iterator[None]:
    """Hold the only right to write in ``directory``; waits for another process that has it.

    With ``file``, the right to write that one file there. The operating system frees the lock of
    a process that dies, so none is ever left behind. CcxError, without ``wait``, if another has it.
    """
    lock = FileLock(directory / (f".{file}.lock" if file else LOCK))
    try:
        _acquire(lock, directory, timeout=0)
    except Timeout:
        if not wait:
            raise CcxError(
                f"{directory / file} is being written: wait for the ccx that does, or stop it."
            ) from None
        with NamedTemporaryFile(dir=directory) as nobodys:
            if try_lock(nobodys) is False:
                raise CcxError(_CANNOT_LOCK.format(directory, "every lock is refused")) from None
        progress.note(f"Waiting for another ccx that writes in {directory / file}.")
        _acquire(lock, directory)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, directory: Path, timeout: float = -1) -> None:
    """Acquire a lock in a directory, which is made, again if it was removed meanwhile."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=timeout)
        except FileNotFoundError:
            continue
        except Timeout:
            raise
        except (OSError, NotImplementedError) as error:
            if getattr(error, "filename", None) is not None:
                raise  # It could not be opened.
            why = getattr(error, "strerror", None) or error
            raise CcxError(_CANNOT_LOCK.format(directory, why)) from error
        if Path(lock.lock_file).exists():
            return
        lock.release()


@dataclass(frozen=True, slots=True)
class Held:
    """Whether a process has the right to write in a directory, and which.

    ``is_held`` is ``None`` where that cannot be told, ``pid`` where the process is not one of this
    machine.
    """

    is_held: bool | None
    pid: int | None = None


def look_at_lock(directory: Path) -> Held:
    """Look who has the right to write in a directory, which may be read-only."""
    try:
        with (directory / LOCK).open("rb") as opened:
            is_free = try_lock(opened, shared=True)
            if is_free is not False:
                return Held(None if is_free is None else False)
            return Held(True, _holder_of(os.fstat(opened.fileno())))
    except FileNotFoundError:
        return Held(False)
    except OSError:
        return Held(None)


def is_being_written(directory: Path) -> bool:
    """Tell whether a process holds the right to write in a directory."""
    return bool(look_at_lock(directory).is_held)


def _holder_of(status: os.stat_result) -> int | None:
    """Return the process of this machine that holds the lock of a file, as Linux lists them."""
    major, minor = os.major(status.st_dev), os.minor(status.st_dev)
    file = f"{major:02x}:{minor:02x}:{status.st_ino}"
    try:
        listed = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return None
    of_file = [words for words in listed if words[1:4:2] == ["FLOCK", "WRITE"] and words[5] == file]
    return int(of_file[0][4]) if of_file else None
