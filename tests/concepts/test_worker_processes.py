"""Work in processes: what comes back, what an error ends, and whom a kill leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ccx_cli.concepts.processes import in_processes
from ccx_cli.errors import CcxError

BLOCKING = """
import os, threading
from ccx_cli.concepts.processes import in_processes

def block(number):
    os.write(os.open({fifo!r}, os.O_WRONLY), b"%d\\n" % os.getpid())
    threading.Event().wait()

if __name__ == "__main__":
    list(in_processes(block, [1, 2], 2))
"""


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


def end(number: int) -> int:
    os._exit(number)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_item_comes_back_with_its_own_result(workers: int) -> None:
    found = dict(in_processes(square, list(range(7)), workers))
    assert found == {number: number * number for number in range(7)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_through(workers: int) -> None:
    with pytest.raises(ValueError, match="no "):
        list(in_processes(refuse, [1, 2, 3], workers))


def test_a_killed_process_is_told_with_a_mend() -> None:
    with pytest.raises(CcxError, match="`workers` 1"):
        list(in_processes(end, [9, 9], 2))


def test_processes_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script, fifo = tmp_path / "blocking.py", tmp_path / "pids"
    os.mkfifo(fifo)
    script.write_text(BLOCKING.format(fifo=str(fifo)))
    parent = subprocess.Popen([sys.executable, str(script)])
    with fifo.open() as pids:
        first = int(pids.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        end = time.monotonic() + 20
        while _lives(first):
            assert time.monotonic() < end, "the process is still there"
            os.sched_yield()


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


UNGUARDED = """
print("begun")
from ccx_cli.concepts.processes import in_processes

print(sorted(in_processes(abs, [-1, -2, -3], 2)))
"""


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ran.stderr == ""
    assert ran.stdout == "begun\n[(-3, 3), (-2, 2), (-1, 1)]\n"
