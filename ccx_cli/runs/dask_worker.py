"""What a worker of a Dask cluster does around a task, and keeps for the next one."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import RLock, local
from typing import Any, Protocol, TypeVar, cast

import msgspec

from ccx_cli.errors import CcxError
from ccx_cli.store.digests import file_digest
from ccx_cli.version import __version__

T = TypeVar("T")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h."""


class Check(Protocol):
    """What a worker does once before it works; equal ones check the same."""

    def __call__(self) -> None:
        """Raise a ``CcxError`` where the worker cannot do the work: "cannot ..."."""

    def __hash__(self) -> int:
        """Return what equal ones return."""


class Worker(msgspec.Struct, frozen=True):
    """What a worker is: its version of ccx, the digests of files as it sees them, its fault."""

    version: str
    files: tuple[tuple[Path, str | None], ...]
    fault: str | None = None


def describe(
    files: tuple[Path, ...], check: Check | None, dask_worker: Any | None = None
) -> Worker:
    """Return, here or on a worker, what it is; Dask gives ``dask_worker`` there."""
    if dask_worker is not None:
        _take_tasks(dask_worker)
    found = [(path, file_digest(path) if path.is_file() else None) for path in files]
    fault = None
    try:
        if check is not None:
            check()
    except CcxError as error:
        fault = str(error).rstrip(".")
    return Worker(__version__, tuple(found), fault)


def fault_of(told: Worker | Exception, expected: Worker) -> str | None:
    """Say what is wrong with a worker that told this of itself, if it did not leave meanwhile."""
    if isinstance(told, OSError):
        return None
    if isinstance(told, Exception):
        return f"cannot run ccx ({type(told).__name__}): install this version there"
    if told.version != expected.version:
        return f"run ccx {told.version} where {expected.version} is here: install the same"
    for path, digest in told.files:
        if digest is None:
            return f"do not see {path}: mount the same directories there"
        if (path, digest) not in expected.files:
            return f"see another {path}: mount the same directories there"
    return told.fault


def memory_of_worker() -> int | None:
    """Return half of what a worker may take before Dask ends it, in bytes, if that is limited."""
    from distributed import get_worker

    with suppress(ValueError):  # This is none.
        limit: int | None = get_worker().memory_manager.memory_limit
        return None if limit is None else limit // 2
    return None


_fit: set[tuple[Worker, Check | None]] = set()
_kept: dict[type, tuple[Hashable, Any]] = {}
_lock = RLock()
_now = local()
"""Of each thread, the command whose task it does."""


def work(
    command: str,
    expected: Worker,
    check: Check | None,
    function: Callable[..., T],
    arguments: tuple[Any, ...],
) -> T:
    """Do a task on a worker, which may have come after the others were looked at."""
    _manage_memory()
    _now.command = command
    if (expected, check) not in _fit:
        told = describe(tuple(path for path, _ in expected.files), check)
        fault = fault_of(told, expected)
        if fault is not None:
            raise CcxError(f"A Dask worker that came later would {fault}.")
        _fit.add((expected, check))
    try:
        return function(*arguments)
    except ImportError as error:
        raise CcxError(
            f"A Dask worker has not all packages ({error}): install the same ones there."
        ) from error


def work_ahead(function: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Do on a worker what it keeps for later tasks."""
    _manage_memory()
    function(*arguments)


def _take_tasks(dask_worker: Any) -> None:
    """Have a worker begin tasks until Dask ends it, at 95% of the memory that it may take.

    Above 80%, Dask has it wait for memory to be freed: what is kept for later tasks never is, and
    the command waited without end.
    """
    dask_worker.memory_manager.memory_pause_fraction = math.inf


@cache
def _manage_memory() -> None:
    """Have the worker take tasks, and glibc keep what arrays of up to 32 MiB leave.

    It learns that by itself, but Dask's setting for workers, MALLOC_TRIM_THRESHOLD_, ends the
    learning: each array of 128 KiB or more would be asked of the system again, page by page.
    """
    with suppress(ImportError, ValueError):  # This is no worker.
        from distributed import get_worker

        _take_tasks(get_worker())
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, 32 << 20)
        mallopt(_TRIM_THRESHOLD, 64 << 20)


def forget(key: type) -> None:
    """Forget what a worker keeps by keys of a type."""
    with _lock:
        _kept.pop(key, None)


def kept(key: Hashable, make: Callable[[], T], *, by_contents: bool = False) -> T:
    """Return what ``make`` makes on a worker: kept until there is another ``key`` of its type.

    Another command makes it anew, as files may have changed, unless keys tell them ``by_contents``.
    """
    command = None if by_contents else getattr(_now, "command", None)
    with _lock:
        known = _kept.get(type(key))
        if known is None or known[0] != (command, key):
            _kept.pop(type(key), None)
            known = _kept[type(key)] = (command, key), make()
        return cast("T", known[1])
