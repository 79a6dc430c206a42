"""What a run's header says of the process that works on it."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ccx_cli.cli.called import command_line
from ccx_cli.records.header import PACKAGES
from ccx_cli.runs.preparing import Inputs


def session_of(inputs: Inputs) -> dict[str, Any]:
    """Return the command line, the versions, and what changes the last digits of activations."""
    torch = sys.modules.get("torch")  # Not loaded where all caches are there.
    return {
        "command": command_line(),
        "batch_size": inputs.batch_size,
        "threads": None if torch is None else torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
