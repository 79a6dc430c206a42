"""A Dask scheduler and a worker, each a process that a test can end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

distributed = pytest.importorskip("distributed")


@contextmanager
def scheduler_and_worker() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the address of a scheduler whose one worker has come, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", str(port),
             "--host", "127.0.0.1", "--no-dashboard"],
            stderr=subprocess.DEVNULL,
        ),
        subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"],
            stderr=subprocess.DEVNULL,
        ),
    ]  # fmt: skip
    try:
        with distributed.Client(address, timeout=120) as client:
            client.wait_for_workers(1, timeout=120)
        yield address, both[0]
    finally:
        for process in both:
            process.kill()
            process.wait()


def when(found: Callable[[], object], then: Callable[[], None]) -> threading.Thread:
    """Do something once something is found, or after two minutes, in a thread that is begun."""

    def wait() -> None:
        until = time.monotonic() + 120
        while not found() and time.monotonic() < until:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread
