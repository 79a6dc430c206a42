"""``ccx tui`` before it draws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import PROGRAM, CommandLine, environment
else:
    from command_line import PROGRAM, CommandLine, environment


def test_without_a_terminal_it_says_so(unused: CommandLine) -> None:
    ended = unused("tui")
    assert (ended.code, ended.out) == (2, "")
    assert "needs a terminal" in ended.err
    assert ended.err.count("\n") == 1


def test_its_views_import_no_kernels_and_no_torch() -> None:
    code = (
        "import sys, ccx_cli.tui.app;"
        "print({'torch', 'numba', 'h5py', 'pyeda', 'scipy', 'matplotlib'} & sys.modules.keys())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


pty = pytest.importorskip("pty")


def _in_terminal(
    data: Path,
    *arguments: str,
    keys: bytes | signal.Signals,
    until: bytes,
    term: str = "xterm-256color",
    program: Sequence[str] = PROGRAM,
) -> bytes:
    """Run ``ccx tui`` in a terminal and return what it wrote.

    Once a text is there, keys are pressed or the process is sent a signal.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*program, "tui", *arguments],
        env=environment(data, TERM=term, COLUMNS="100", LINES="30"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written, pressed, end = b"", False, time.monotonic() + 60
    while time.monotonic() < end:
        try:
            written += os.read(ours, 1 << 16)
        except OSError:
            break
        if until in written and not pressed:
            if isinstance(keys, signal.Signals):
                process.send_signal(keys)
            else:
                os.write(ours, keys)
            pressed = True
    process.wait(timeout=30)
    os.close(ours)
    return written + b"\nexit %d" % process.returncode


def test_it_opens_in_a_terminal_and_quits(tmp_path: Path) -> None:
    written = _in_terminal(tmp_path, keys=b"q", until=b"ccx demo")
    assert written.endswith(b"exit 0")
    assert b"\x1b[?1049l" in written


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signals_give_the_terminal_back(tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    written = _in_terminal(tmp_path, keys=number, until=b"ccx demo")
    assert written.endswith(b"exit %d" % (128 + number))
    assert b"\x1b[?1049l" in written
    assert b"Traceback" not in written


def test_leaving_waits_for_no_reading(tmp_path: Path) -> None:
    (tmp_path / "results" / "slow").mkdir(parents=True)
    (tmp_path / "results" / "slow" / "header.json").write_text("{}")
    code = (
        "import threading, ccx_cli.tui.open_run as open_run\n"
        "open_run.OpenRun.__init__ = lambda *_: threading.Event().wait()\n"
        "from ccx_cli.cli.entry import run; run()"
    )
    program = [sys.executable, "-c", code]
    written = _in_terminal(tmp_path, "slow", keys=b"q", until=b"reading slow", program=program)
    assert written.endswith(b"exit 0")
    assert b"\x1b[?1049l" in written


def test_dumb_terminal_is_refused(tmp_path: Path) -> None:
    written = _in_terminal(tmp_path, keys=b"", until=b"never", term="dumb")
    assert b"TERM says" in written
    assert written.endswith(b"exit 2")


def test_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    written = _in_terminal(tmp_path, "nothing", keys=b"", until=b"never", term="xterm")
    assert b"There is no run nothing" in written
    assert written.endswith(b"exit 3")
