"""Workers, schedulers and commands that are killed at random: what is stored ends the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, start
else:
    from command_line import ON_TINY, CommandLine, start

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
KILLS = 20
VICTIMS = ("worker", "worker", "scheduler", "command")


class Cluster:
    """A scheduler and two workers, in processes that can be killed."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.processes = directory, dict[str, subprocess.Popen[bytes]]()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.port}"

    def mend(self) -> None:
        """Start what is not running; workers of a scheduler that ended end with it."""
        if not self._runs("scheduler"):
            self.end()
            self._start("scheduler", "--port", self.port, "--no-dashboard")
        for name in ("worker", "other worker"):
            if not self._runs(name):
                self._start(name, self.address, "--no-nanny", "--nthreads", "1")

    def _runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def _start(self, name: str, *options: str) -> None:
        module = "dask_scheduler" if name == "scheduler" else "dask_worker"
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", "--host", "127.0.0.1", *options],
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self) -> None:
        for name in list(self.processes):
            self.kill(name)


def stored(ccx: CommandLine, results: str) -> list[str]:
    return sorted(ccx.file(f"{results}/*/explanations.jsonl").read_text().splitlines())


def test_twenty_random_kills_end_as_one_machine_does(fresh: CommandLine, tmp_path: Path) -> None:
    chance = random.Random(17)
    began = time.monotonic()
    assert fresh.explain("-q", "--root-results", str(fresh.data / "alone")).code == 0
    seconds = time.monotonic() - began
    expected = stored(fresh, "alone")
    cluster = Cluster(tmp_path)
    words = ["explain", *ON_TINY, "--dask", cluster.address, "--dask-timeout", "10"]
    killed = whole = 0
    try:
        while killed < KILLS:
            if whole:
                _clear(fresh.data)
            cluster.mend()
            command = start(fresh.data, *words)
            while killed < KILLS and command.poll() is None:
                time.sleep(chance.uniform(0.2, max(2.0, seconds)))
                victim = chance.choice(VICTIMS)
                if command.poll() is not None:
                    break
                killed += 1
                if victim == "command":
                    os.killpg(command.pid, signal.SIGKILL)
                else:
                    cluster.kill(victim)
                if victim == "worker":
                    cluster.mend()
            _, err = command.communicate(timeout=120)
            assert command.returncode in (0, 1, -signal.SIGKILL), err
            assert "Traceback" not in err
            if command.returncode == 1:
                assert "Dask" in err
            whole = command.returncode == 0
            if whole:
                assert stored(fresh, "results") == expected
        cluster.mend()
        done = fresh("explain", *ON_TINY, "--dask", cluster.address, "-q")
        assert done.code == 0, done.err
        assert stored(fresh, "results") == expected
    finally:
        cluster.end()


def _clear(data: Path) -> None:
    """Remove what was made, so that everything is made again."""
    for made in ("segmentations", "activations", "results"):
        with suppress(FileNotFoundError):
            shutil.rmtree(data / made)
