"""One writer at a time for a directory, or for one file in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock, Timeout

from ccx_cli.errors import CcxError
from ccx_cli.progress import Progress
from ccx_cli.store.atomic import try_lock

# Where flock does not exist at all (ENOSYS), filelock uses files that mark the owner instead and
# warns; older versions raise NotImplementedError.
warnings.filterwarnings("ignore", "flock not supported")
_CANNOT_LOCK = "{} cannot be locked ({}): use a directory on another file system."


@contextmanager
def writing(
    directory: Path, progress: Progress, file: str = "", *, wait: bool = True
) -> Iterator[None]:
    """Hold the only right to write in ``directory``; waits for another process that has it.

    With ``file``, the right to write that one file there. The operating system frees the lock of
    a process that dies, so none is ever left behind. CcxError, without ``wait``, if another has it.
    """
    lock = FileLock(directory / (f".{file}.lock" if file else ".lock"))
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
    except (OSError, NotImplementedError):
        return False
