"""How long the terminal application takes to show a layer: ``python -m benchmarks.tui_opening``.

From the start of the process to the list of 512 units with five ranges each, in a terminal of its
own, beside the start of a Python that imports Textual alone.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.machine import machine

UNITS, RANGES, TIMES = 512, 5, 7
_PROGRAM = "from ccx_cli.cli.entry import run; run()"


def write_run(directory: Path) -> None:
    """Make up a run."""
    directory.mkdir(parents=True)
    header = {
        "format": "ccx-results",
        "version": 1,
        "identity": {"search": {"name": "optimal"}},
        "about": {"model": "net", "layer": "last", "units": UNITS, "num_clusters": RANGES},
        "sessions": [{"finished": "2026-01-01T00:00:00+00:00"}],
    }
    (directory / "header.json").write_text(json.dumps(header))
    lines = [
        {
            "unit": unit,
            "layer": "last",
            "cluster": cluster,
            "num_clusters": RANGES,
            "num_ranges": RANGES,
            "range": [cluster, cluster + 1],
            "hits": 1000 + unit,
            "formula": "(sky OR sea) AND NOT sand",
            "labels": ["AND", ["OR", 1, 2], ["NOT", 3]],
            "iou": (unit * 7 + cluster) % 100 / 100,
            "length": 3,
            "search": "optimal",
            "visited": 100,
            "proven": True,
        }
        for unit in range(UNITS)
        for cluster in range(RANGES)
    ]
    (directory / "explanations.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))


def seconds_to_list(data: Path) -> float:
    """Start the application and wait for all its units."""
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "tui", "large", "--data-dir", str(data)],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while f"{UNITS} of {UNITS} units".encode() not in written:
        written += os.read(ours, 1 << 16)
    seconds = time.perf_counter() - began
    process.kill()
    process.wait()
    os.close(ours)
    return seconds


def seconds_to_import() -> float:
    """Start a Python that imports what every Textual application needs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual.app, textual.widgets"], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print the medians, the spread and the ratio."""
    print(machine())
    with TemporaryDirectory() as folder:
        write_run(Path(folder) / "results" / "large")
        opened, imported = [], []
        for _ in range(TIMES):
            opened.append(seconds_to_list(Path(folder)))
            imported.append(seconds_to_import())
    for what, found in (("list of 512 units", opened), ("import of Textual", imported)):
        print(f"{what}: {median(found):.2f} s ({min(found):.2f} to {max(found):.2f})")
    print(f"ratio of medians: {median(opened) / median(imported):.1f}; limit: 1.0 s")


if __name__ == "__main__":
    main()
