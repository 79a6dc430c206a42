"""Connects to a Dask cluster, or starts one on this machine."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import msgspec

from ccx_cli.errors import CcxError, DamagedDataError, MissingInputError
from ccx_cli.progress import Progress
from ccx_cli.runs.on_dask import DaskCluster, local_workers

_LOCAL_SETTINGS = {
    # Without what Dask measures for its dashboard, which takes 3% of two cores.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "10s",
    "distributed.admin.system-monitor.interval": "10s",
    # Dask gives a worker up for good if it is not there 15 s after it ended, though it may have
    # come and ended again meanwhile, by a task that ends workers.
    "distributed.deploy.lost-worker-timeout": "100 days",
}
"""Dask's settings for workers on this machine."""


@contextmanager
def dask_cluster(
    where: str | None, timeout: float, progress: Progress
) -> Iterator[DaskCluster | None]:
    """Connect to a cluster, or start one on this machine; None if ``where`` is.

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
    if where is None:
        yield None
        return
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
            workers = local_workers(where)
            if workers is not None:
                cluster = _local(workers)
                opened.callback(cluster.close)
                address = cluster.scheduler_address
            client = opened.enter_context(make(address, timeout=timeout))
        except (OSError, TimeoutError, ValueError) as error:
            raise CcxError(
                f"No Dask scheduler answers at {where} within {timeout:g} s: check the address or "
                "the file, or give more time by --dask-timeout."
            ) from error
        except TypeError as error:  # Of a protocol that has no settings or no library.
            raise CcxError(
                f"Dask is not set up to connect to {where}: tls:// needs the certificates that "
                "Dask's setting distributed.comm.tls names; most addresses begin with tcp://."
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


def _local(workers: int) -> Any:
    """Begin to start workers on this machine, ``local:N``, and load what most tasks need."""
    import dask
    from distributed import LocalCluster

    make: Any = LocalCluster
    dask.config.set(_LOCAL_SETTINGS)
    with _no_interrupts():
        cluster = make(
            n_workers=0,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
            preload=["ccx_cli.runs.job"],
        )
        cluster.scale(workers)
    return cluster


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
