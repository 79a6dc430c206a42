"""Distributes work over processes, which leave Ctrl-C to the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeVar

from ccx_cli.errors import CcxError

T = TypeVar("T")
R = TypeVar("R")


def in_processes(
    function: Callable[[T], R], items: Sequence[T], workers: int
) -> Iterator[tuple[T, R]]:
    """Yield every item with what ``function`` makes of it, as soon as it is made.

    They go to the ``workers`` processes by pickle, the function once to each, as it may hold much;
    with one or fewer, or a single item, all is done in this one and in order.
    """
    if workers <= 1 or len(items) <= 1:
        for item in items:
            yield item, function(item)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(items)), mp_context=context, initializer=_begin, initargs=(function,)
    )
    try:
        futures: dict[Future[R], T] = {}
        with _ignoring_interrupts(), _without_main(function):
            for item in items:
                futures[pool.submit(_make, item)] = item
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result()
    except BrokenProcessPool as error:
        raise CcxError(
            "A worker process was killed, most likely for lack of memory: run it again with "
            "`workers` 1."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _without_main(function: Callable[..., object]) -> Iterator[None]:
    """Keep processes started inside from running the user's script again, unless it is needed.

    They would import it, and one without ``if __name__ == "__main__"`` would wait in each of them
    for a lock that this process holds.
    """
    main = sys.modules["__main__"]
    if getattr(function, "__module__", None) == "__main__":
        yield
        return
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_function: Callable[[Any], Any]
"""What a worker process makes of items."""


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    _end_with_parent()


def _make(item: Any) -> Any:
    return _function(item)


def _end_with_parent() -> None:
    """End this process with the one that started it, even if that is killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Let processes started inside leave Ctrl-C to this one, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
