"""Tasks for the workers of a Dask cluster, which share a disk with the process that begins them.

Lines and manifests are written by that process, alone.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from ccx_cli.errors import CcxError, UsageError, few
from ccx_cli.progress import Progress
from ccx_cli.runs.dask_worker import Check, Worker, describe, fault_of, work, work_ahead
from ccx_cli.runs.workers import LostTaskError

T = TypeVar("T")
LOCAL = "local:"
_NAMED = 3
_TRIED = 3
"""Tasks of a function that end workers, alone, until no more are tried if none is done."""
_SAID_EACH = 60.0
"""Seconds between words that there are no workers."""
_SECONDS = 1.0
"""Between looks at a cluster that has done nothing since."""


def local_workers(where: str) -> int | None:
    """Return N of ``local:N``; ``None`` for a cluster that is there already."""
    if not where.startswith(LOCAL):
        return None
    count = where.removeprefix(LOCAL)
    if not count.isdecimal() or not int(count):
        raise UsageError(f"--dask {where} must be local:N, with N workers from 1.")
    return int(count)


@dataclass
class DaskCluster:
    """A cluster that answers."""

    client: Any
    where: str
    timeout: float
    progress: Progress
    command: str = field(default_factory=lambda: secrets.token_hex(8))
    """Tells workers that stay which command a task is of."""
    said: float = -math.inf
    """When it was said that there are no workers, which may come and end in turns."""

    @contextmanager
    def tasks(self, *proofs: Path, check: Check | None = None) -> Iterator[DaskTasks]:
        """Return what begins tasks on workers that all see the files ``proofs`` as this process.

        Files that are written meanwhile prove nothing: a worker that comes later sees others.
        ``check`` is done by each worker, and says by a ``CcxError`` why it cannot do the work.

        Raises
        ------
        CcxError
            If there are no workers in time, or one has another version of ccx or another disk, or
            fails the check.
        """
        here = tuple(path.absolute() for path in proofs)
        expected = describe(here, None)
        with self.answering():
            self._wait_for_workers()
            told = self.client.run(describe, here, check, on_error="return")
        wrong = {address: fault_of(one, expected) for address, one in told.items()}
        for fault in filter(None, wrong.values()):
            named = few([address for address in wrong if wrong[address] == fault], _NAMED)
            raise CcxError(f"Of the Dask workers, {named} {fault}.")
        yield DaskTasks(self, expected, check)

    def ahead(self, function: Callable[..., object], *arguments: Any) -> None:
        """Have each worker make what it keeps for later tasks; nobody waits, or hears of faults."""
        import distributed

        forgotten: Any = distributed.fire_and_forget
        with self.answering():
            for _ in range(local_workers(self.where) or len(self.client.nthreads())):
                forgotten(self.client.submit(work_ahead, function, arguments, pure=False))

    def count(self) -> int:
        """Return how many tasks are done at once."""
        with self.answering():
            return max(1, sum(map(int, self.client.nthreads().values())))

    def _wait_for_workers(self) -> None:
        is_new = time.monotonic() - self.said > _SAID_EACH
        if is_new and not self.client.scheduler_info()["workers"]:
            self.progress.note(f"Waiting for workers of {self.where}.")
            self.said = time.monotonic()
        try:
            self.client.wait_for_workers(1, timeout=self.timeout)
        except TimeoutError as error:
            raise CcxError(
                f"No Dask worker came to {self.where} within {self.timeout:g} s: start some, or "
                "give more time by --dask-timeout. What is stored stays."
            ) from error

    def look(self) -> None:
        """Wait for workers if all are gone; CcxError if none comes or the scheduler is gone."""
        with self.answering():
            if not self.client.nthreads():
                self._wait_for_workers()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raise a ``CcxError`` that says so where the scheduler is gone."""
        try:
            yield
            is_gone = self.client.status != "running"
        except (OSError, CancelledError):
            is_gone = True
        if is_gone:
            raise self.gone()

    def gone(self) -> CcxError:
        """Return the error that says that the scheduler is gone."""
        return CcxError(
            f"The Dask scheduler at {self.where} is gone. What is stored stays: the same command "
            "goes on from there, with a cluster or without."
        )


@dataclass(frozen=True, slots=True)
class _Begun:
    """A task whose result is awaited."""

    done: Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(slots=True)
class DaskTasks:
    """Begins tasks on the workers of a cluster, which are ``expected`` to be as this process.

    Dask gives a task up once several workers ended that had it, also where it only waited behind
    the one that ended them, or they were preempted. Such a task is suspected: it is begun again
    alone, once all others are done.
    """

    cluster: DaskCluster
    expected: Worker
    check: Check | None = None
    running: list[Future[Any]] = field(default_factory=list)
    suspected: list[_Begun] = field(default_factory=list)
    alone: _Begun | None = None
    """The suspected task that was begun again, unless others were since."""
    lock: Lock = field(default_factory=Lock)
    lost: Counter[Callable[..., Any]] = field(default_factory=Counter)
    done: set[Callable[..., Any]] = field(default_factory=set)
    """The functions of which a task is done."""

    @property
    def count(self) -> int:
        """Tasks that are done at once."""
        return self.cluster.count()

    def begin(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begin a function of a module; its future raises ``LostTaskError`` where workers end.

        It raises another ``CcxError`` if all tasks of this function that were tried end workers.
        """
        done: Future[T] = Future()
        with self.lock:
            self.alone = None
            self._submit(_Begun(done, function, arguments))
        return done

    def _submit(self, begun: _Begun) -> None:
        self.running.append(begun.done)
        with self.cluster.answering():
            task: Any = self.cluster.client.submit(
                work,
                self.cluster.command,
                self.expected,
                self.check,
                begun.function,
                begun.arguments,
                pure=False,
            )
        task.add_done_callback(lambda task: self._take(task, begun))

    def _take(self, task: Any, begun: _Begun) -> None:
        from distributed.scheduler import KilledWorker

        try:
            found = self._result(task)
            self.done.add(begun.function)
            begun.done.set_result(found)
        except KilledWorker:
            if begun is self.alone:
                begun.done.set_exception(self._lost(begun.function))
            else:
                self.suspected.append(begun)
        except CancelledError:
            begun.done.set_exception(self.cluster.gone())
        except Exception as error:
            begun.done.set_exception(error)
        self.running.remove(begun.done)

    def _lost(self, function: Callable[..., Any]) -> CcxError:
        """Return the error of a task that ended workers alone."""
        self.lost[function] += 1
        lost = self.lost[function]
        if lost < _TRIED or function in self.done:
            return LostTaskError("A task ended the Dask workers that took it, again and again.")
        return CcxError(
            f"Each of {lost} tasks ended the Dask workers that took it, again and again, "
            "and none is done: see their logs, and whether they have the memory."
        )

    def _result(self, task: Any) -> Any:
        """Return what a task found; ``CancelledError`` once the client is closed.

        A worker can be lost before its result is fetched, and Dask waits for another without end.
        Dask fetches several results at once: the wait for one that times out must not end them.
        """
        client = self.cluster.client
        fetched = asyncio.run_coroutine_threadsafe(
            client.gather(task, asynchronous=True), client.loop.asyncio_loop
        )
        while not fetched.done() and client.status not in ("closing", "closed"):
            wait([fetched], timeout=_SECONDS)
        fetched.cancel()
        return fetched.result()

    def wait(self, begun: Collection[Future[Any]]) -> None:
        """Wait until one of the tasks is done."""
        while not wait(begun, timeout=_SECONDS, return_when=FIRST_COMPLETED).done:
            self.cluster.look()
            with self.lock:
                if self.suspected and not self.running:
                    self.alone = self.suspected.pop(0)
                    self._submit(self.alone)
