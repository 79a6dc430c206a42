"""What a figure was measured on, in words."""

from __future__ import annotations

import os
from pathlib import Path


def machine() -> str:
    """Return the processor, the cores this process may use, and the load of the last minute."""
    cores = len(os.sched_getaffinity(0))
    return f"{_processor()}, {cores} cores, load {os.getloadavg()[0]:.2f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return "unknown processor"
