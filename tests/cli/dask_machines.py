"""A Dask scheduler and a worker, each a process that a test can end."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def scheduler_and_worker() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the address of a scheduler that has one worker, and its process."""
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
        yield address, both[0]
    finally:
        for process in both:
            process.kill()
            process.wait()
