"""Threads that work side by side, and that nobody waits for after Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads; at its end all that was begun is finished, what was not is dropped.

    After Ctrl-C what was begun goes on unheard: a thread that compiles or searches cannot be
    stopped, and may take a minute. Work given to these threads therefore writes nothing.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    except BaseException as error:
        ended = isinstance(error, KeyboardInterrupt | GeneratorExit)
        pool.shutdown(wait=not ended, cancel_futures=True)
        raise
    pool.shutdown()


def map_in_order(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[R]:
    """Yield ``work(item)`` in order; at most twice as many results as threads wait to be taken."""
    with threads(workers) as pool:
        for start in range(0, len(items), 2 * workers):
            yield from pool.map(work, items[start : start + 2 * workers])
