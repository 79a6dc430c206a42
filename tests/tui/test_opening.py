"""How long a layer of 512 units with five ranges each takes to open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

UNITS, RANGES = 512, 5
# Of computing, which other processes do not change much; 1.5 where nothing else runs, and the
# import of torch alone takes more than the rest.
SECONDS = 2.5
_PROGRAM = "from ccx_cli.cli.entry import run; run()"


def _write_run(directory: Path) -> None:
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
            "proven": True,
        }
        for unit in range(UNITS)
        for cluster in range(RANGES)
    ]
    (directory / "explanations.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))


@pytest.mark.slow
def test_a_layer_of_512_units_opens_at_once(tmp_path: Path) -> None:
    _write_run(tmp_path / "results" / "large")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "tui", "large", "--data-dir", str(tmp_path)],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written, end = b"", time.monotonic() + 60
    while f"{UNITS} of {UNITS} units".encode() not in written and time.monotonic() < end:
        written += os.read(ours, 1 << 16)
    stat = Path(f"/proc/{process.pid}/stat")
    ticks = stat.read_text().rpartition(")")[2].split()[11:13] if stat.exists() else []
    process.kill()
    process.wait()
    os.close(ours)
    assert f"{UNITS} of {UNITS} units".encode() in written
    assert sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") < SECONDS
