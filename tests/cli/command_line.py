"""Runs ``ccx`` in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ccx_cli.cli.main import main

PROGRAM = [sys.executable, "-c", "from ccx_cli.cli.entry import run; run()"]
UNTRAINED = ["--model", "demo", "--pretrained", "none"]
ON_TINY = [*UNTRAINED, "--subset", "tiny"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class CommandLine:
    """A command line over one data directory."""

    data: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ended:
        self.capsys.readouterr()
        code = main([*arguments, "--data-dir", str(self.data)])
        captured = self.capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    def explain(self, *arguments: str) -> Ended:
        return self("explain", *ON_TINY, *arguments)

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.data.glob(pattern))

    def file(self, pattern: str) -> Path:
        """The only file that matches."""
        (found,) = self.files(pattern)
        return found


def cells(table: str) -> list[list[str]]:
    """Read the rows of the tables that were printed, without their titles."""
    rows = [line.split("│")[1:-1] for line in table.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def environment(data: Path, **variables: str) -> dict[str, str]:
    """This process's environment, with a data directory and no terminal settings."""
    kept = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "FORCE_COLOR"}}
    return {**kept, "CCX_DATA_DIR": str(data), "TERM": "xterm-256color", **variables}


def start(data: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start ``ccx`` in a process and a process group of its own."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(data, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process."""
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)
