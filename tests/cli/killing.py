"""Starts ``ccx`` again and again and kills it: children of one process that has imported all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PARENT = """
import json, os, sys, time
import torchvision.models
import ccx_cli.cli.inputs.gathering, ccx_cli.probe.networks.loading
import ccx_cli.study.measuring, ccx_cli.study.unit_images
import ccx_cli.render.panel, matplotlib.backends.backend_agg, matplotlib.figure
from ccx_cli.cli.entry import run

for line in sys.stdin:
    order = json.loads(line)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        # What is killed is a group: it has to be there before the clock starts.
        os.close(reading)
        for stream, name in ((1, os.devnull), (2, order["err"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.argv[1:] = order["arguments"]
        try:
            os.close(writing)
            run()
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            import traceback
            traceback.print_exc()
            code = 99
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    began = time.monotonic()
    ended, status = 0, 0
    while not ended:
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended and time.monotonic() - began >= order["seconds"]:
            os.killpg(child, order["signal"])
            ended, status = os.waitpid(child, 0)
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"code": code, "seconds": time.monotonic() - began}), flush=True)
"""


@dataclass(frozen=True)
class Killer:
    """A process whose children are ``ccx``."""

    parent: subprocess.Popen[str]
    err: Path

    def run(
        self, *arguments: str, seconds: float | None = None, with_signal: int = 9
    ) -> tuple[int, float, str]:
        """Run a command line, sending a signal to its group after some seconds, or never.

        Returns
        -------
        Its exit code, negative if a signal ended it, how long it ran, and what it said on stderr.
        """
        order = {
            "arguments": arguments,
            "seconds": 1e9 if seconds is None else seconds,
            "signal": with_signal,
            "err": str(self.err),
        }
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        self.parent.stdin.write(json.dumps(order) + "\n")
        self.parent.stdin.flush()
        told = json.loads(self.parent.stdout.readline())
        return told["code"], told["seconds"], self.err.read_text()


@contextmanager
def killer(scratch: Path) -> Iterator[Killer]:
    """Start the parent; nothing of it has a thread, so that its children may be forked."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        try:
            yield Killer(parent, scratch / "stderr.txt")
        finally:
            assert parent.stdin is not None
            parent.stdin.close()
