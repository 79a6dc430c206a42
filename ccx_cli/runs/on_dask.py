"""Units are explained by the workers of a Dask cluster, which read the caches from a shared disk.

A worker opens the run by its header, as ``ccx rerun`` does, and keeps what it read for the next
unit. It writes nothing: the process that began the run stores ranges and lines.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError, UsageError, few
from ccx_cli.progress import Progress
from ccx_cli.runs.job import ExplainJob, stored_job
from ccx_cli.runs.run import HEADER, Run
from ccx_cli.runs.workers import Explained, LostUnitError
from ccx_cli.store.digests import file_digest
from ccx_cli.store.paths import Roots
from ccx_cli.version import __version__

LOCAL = "local:"
_NAMED = 3
_SECONDS = 1.0
"""Between looks at a cluster that has done nothing since."""


@contextmanager
def dask_cluster(where: str, timeout: float, progress: Progress) -> Iterator[DaskCluster]:
    """Connect to a cluster, or start one on this machine.

    Parameters
    ----------
    where
        ``local:N``, the address of a scheduler, or its scheduler file.
    timeout
        Seconds to wait for a scheduler, and for workers whenever there is none.

    Raises
    ------
    UsageError, MissingInputError, CcxError
        If ``where`` is none of these, Dask is not installed, or nobody answers in time.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingInputError(
            "--dask needs dask.distributed: install it with `pip install 'ccx-cli[cluster]'`."
        ) from error
    for noisy in ("distributed", "distributed.client", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    make: Any = Client
    with ExitStack() as opened:
        address: Any = where
        if Path(where).is_file():
            address = _address_in(Path(where))
        elif ":" not in where:
            raise MissingInputError(
                f"--dask {where}: there is no such scheduler file, and it is no address "
                "such as tcp://host:8786."
            )
        try:
            if where.startswith(LOCAL):
                address = opened.enter_context(_local(where))
            client = opened.enter_context(make(address, timeout=timeout))
        except (OSError, TimeoutError, ValueError) as error:
            raise CcxError(
                f"No Dask scheduler answers at {where} within {timeout:g} s: check the address or "
                "the file, or give more time by --dask-timeout."
            ) from error
        yield DaskCluster(client, where, timeout, progress)


class _SchedulerFile(msgspec.Struct):
    """What is read of the file that a scheduler writes."""

    address: str


def _address_in(path: Path) -> str:
    """Return the address of the scheduler that wrote a file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_SchedulerFile).address
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedDataError(
            f"--dask {path} is no scheduler file: give what `dask scheduler --scheduler-file "
            "FILE` writes, or an address such as tcp://host:8786."
        ) from error


def _local(where: str) -> Any:
    """Start workers on this machine: ``local:N``."""
    from distributed import LocalCluster

    count = where.removeprefix(LOCAL)
    if not count.isdecimal() or not int(count):
        raise UsageError(f"--dask {where} must be local:N, with N workers from 1.")
    make: Any = LocalCluster
    with _no_interrupts():
        return make(
            n_workers=int(count),
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        )


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Have threads and processes that are begun here not see Ctrl-C: this process ends them."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # Begun later, it would unblock them.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@dataclass(frozen=True)
class DaskCluster:
    """A cluster that answers."""

    client: Any
    where: str
    timeout: float
    progress: Progress

    @contextmanager
    def workers(self, run: Run, roots: Roots, device: str) -> Iterator[DaskWorkers]:
        """Return workers that explain the units of a run, whose header is written.

        Raises
        ------
        CcxError
            If there are none in time, or one has another version of ccx or another disk.
        """
        self._wait_for_workers()
        header = run.directory.absolute() / HEADER
        expected = (__version__, file_digest(header))
        told = self.client.run(_describe, str(header), on_error="return")
        wrong = {address: _fault(one, expected, run) for address, one in told.items()}
        for fault in filter(None, wrong.values()):
            named = few([address for address in wrong if wrong[address] == fault], _NAMED)
            raise CcxError(f"Of the Dask workers, {named} {fault}.")
        yield DaskWorkers(self, _Job(str(run.directory.absolute()), roots, device, expected[1]))

    def _wait_for_workers(self) -> None:
        if not self.client.scheduler_info()["workers"]:
            self.progress.note(f"Waiting for workers of {self.where}.")
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
class _Job:
    """What a worker opens a run by; ``digest`` is that of its header."""

    directory: str
    roots: Roots
    device: str
    digest: str


@dataclass(frozen=True, slots=True)
class DaskWorkers:
    """Explains units of one run on a cluster."""

    cluster: DaskCluster
    job: _Job

    @property
    def count(self) -> int:
        """Units that are explained at once."""
        with self.cluster.answering():
            return max(1, sum(map(int, self.cluster.client.nthreads().values())))

    def begin(self, unit: int) -> Future[Explained]:
        """Begin a unit; its future raises ``LostUnitError`` where its workers end."""
        done: Future[Explained] = Future()
        with self.cluster.answering():
            task: Any = self.cluster.client.submit(_explain, self.job, unit, pure=False)
        task.add_done_callback(lambda task: self._take(unit, task, done))
        return done

    def _take(self, unit: int, task: Any, done: Future[Explained]) -> None:
        from distributed.scheduler import KilledWorker

        try:
            done.set_result(self._result(task))
        except KilledWorker:
            done.set_exception(
                LostUnitError(
                    f"Unit {unit} ended the Dask workers that explained it, again and again"
                )
            )
        except CancelledError:
            done.set_exception(self.cluster.gone())
        except Exception as error:
            done.set_exception(error)

    def _result(self, task: Any) -> Explained:
        """Return what a task found; ``CancelledError`` once the client is closed.

        A worker can be lost before its result is fetched, and Dask waits for another without end.
        """
        while True:
            try:
                found: Explained = task.result(timeout=_SECONDS)
            except TimeoutError:
                if task.status == "error":
                    raise
                if self.cluster.client.status in ("closing", "closed"):
                    raise CancelledError from None
            else:
                return found

    def wait(self, begun: Collection[Future[Explained]]) -> None:
        """Wait until one of the units is done."""
        while not wait(begun, timeout=_SECONDS, return_when=FIRST_COMPLETED).done:
            self.cluster.look()


def _describe(header: str) -> tuple[str, str | None]:
    """Return, on a worker, its version of ccx and the digest of a file as it sees it."""
    path = Path(header)
    return __version__, file_digest(path) if path.is_file() else None


def _fault(told: Any, expected: tuple[str, str], run: Run) -> str | None:
    """Say what is wrong with a worker that told this of itself."""
    if isinstance(told, Exception):
        return f"cannot run ccx ({type(told).__name__}): install ccx-cli there"
    version, digest = told
    if version != expected[0]:
        return f"run ccx {version} where {expected[0]} is here: install the same"
    if digest is None:
        return f"do not see {run.directory}: mount the same directories there"
    if digest != expected[1]:
        return f"see another {run.directory / HEADER}: mount the same directories there"
    return None


_opened: dict[_Job, ExplainJob] = {}
_lock = Lock()


def _explain(job: _Job, unit: int) -> Explained:
    """Explain a unit on a worker."""
    with _lock:
        if job not in _opened:
            told = _describe(str(Path(job.directory) / HEADER))
            fault = _fault(told, (__version__, job.digest), Run(Path(job.directory)))
            if fault is not None:
                raise CcxError(f"A Dask worker that came later would {fault}.")
            _opened.clear()
            _opened[job] = stored_job(Run(Path(job.directory)), job.roots, job.device)
    return _opened[job].explain_unit(unit)
