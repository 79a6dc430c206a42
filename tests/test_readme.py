from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer

from ccx_cli.cli.main import app
from ccx_cli.errors import ExitCode

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_table() -> None:
    command = typer.main.get_command(app)
    documented = set(re.findall(r"^\| `ccx ([\w-]+)", README, re.MULTILINE))
    assert documented == set(command.commands)  # type: ignore[attr-defined]


def test_the_python_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
    assert ran.stderr == ""
    assert ran.stdout == "0 cat 1.0\n1 dog 1.0\n"


def test_the_exit_codes_are_listed() -> None:
    for code in ExitCode:
        assert re.search(rf"\b{code.value} \w", README), code
