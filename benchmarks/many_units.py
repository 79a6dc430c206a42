"""A stored run of 65,536 units: ``python -m benchmarks.many_units make|measure DATA``.

``make`` explains a few units of made-up activations on the demo images, and writes as many lines as
all other units would have, with other concepts and scores; a few units are left, and the last line
is torn. ``measure`` prints processor time and peak memory of the commands that read such a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine

UNITS, LEFT, REAL, DEAD = 65_536, 64, 24, 0.02
RANGES = (3, 5)
_PROGRAM = "from ccx_cli.cli.entry import run; run()"


def ccx(data: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """Run the program on the data directory."""
    command = [sys.executable, "-c", _PROGRAM, *arguments, "--data-dir", str(data)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **more)


def explain(data: Path, ranges: int, *more: str) -> list[str]:
    """Return the arguments that explain the made-up activations."""
    given = ["--activations", str(data / "many.npy"), "--subset", "demo"]
    return ["explain", *given, "--num-clusters", str(ranges), *more]


def make(data: Path) -> None:
    """Write the activations and the runs."""
    ccx(data, "demo")
    images = 288
    rng = np.random.default_rng(0)
    with (data / "many.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (images, UNITS, 2, 2)}
        )
        for _ in range(images):
            file.write(np.maximum(rng.standard_normal((UNITS, 2, 2), dtype="f4"), 0).tobytes())
    for ranges in RANGES:
        ccx(data, *explain(data, ranges, "--units", f"0-{REAL - 1}", "--name", f"many-{ranges}"))
        multiply(next(data.glob(f"results/given-many-*-k{ranges}-*")))


def multiply(run: Path) -> None:
    """Write lines for all units but a few, as if the run had been killed."""
    header = json.loads((run / "header.json").read_text())
    header["sessions"][-1]["asked"] = f"0-{UNITS - 1}"
    header["sessions"][-1].pop("finished", None)
    (run / "header.json").write_text(json.dumps(header, indent=1) + "\n")
    path = run / "explanations.jsonl"
    units: dict[int, list[str]] = {}
    for line in path.read_text().splitlines():
        units.setdefault(json.loads(line)["unit"], []).append(line)
    with path.open("a") as file:
        for unit in range(REAL, UNITS - LEFT):
            file.writelines(f"{line}\n" for line in _lines_of(unit, units[unit % REAL]))
        file.write('{"unit": 65535, "layer": "ma')


def _lines_of(unit: int, lines: list[str]) -> Iterator[str]:
    """Yield a unit's lines: another's, with other concepts and scores."""
    chance = random.Random(unit)
    if chance.random() < DEAD:
        record = json.loads(lines[0])
        for key in ("score", "proven", "bound", "gap", "rounds", "nodes", "ties"):
            record.pop(key, None)
        nothing = dict.fromkeys(
            ("cluster", "range", "formula", "labels", "baseline", "lift", "mcc")
        )
        zeros = dict.fromkeys(("num_ranges", "hits", "iou", "length", "visited"), 0)
        yield json.dumps({**record, **nothing, **zeros, "unit": unit, "by_length": []})
        return
    names: dict[str, int] = {}
    for line in lines:
        for level in json.loads(line)["by_length"]:
            numbers = re.findall(r"\d+", json.dumps(level["labels"]))
            words = [w for w in re.findall(r"[^\s()]+", level["formula"]) if w not in _OPERATORS]
            names |= dict(zip(words, map(int, numbers), strict=True))
    new = dict(zip(names, chance.sample(sorted(names), len(names)), strict=True))
    numbers_of = {str(number): str(names[new[name]]) for name, number in names.items()}
    factor = 0.3 + 0.7 * chance.random()
    for line in lines:
        record = json.loads(line)
        for level in (record, *record["by_length"]):
            if level["formula"] is None:
                continue
            level["formula"] = re.sub(
                r"[^\s()]+", lambda found: new.get(found[0], found[0]), level["formula"]
            )
            tree = re.sub(r"\d+", lambda found: numbers_of[found[0]], json.dumps(level["labels"]))
            level["labels"] = json.loads(tree)
            for key in ("iou", "mcc", "lift", "score", "bound", "adds"):
                if isinstance(level.get(key), float):
                    level[key] *= factor
        yield json.dumps({**record, "unit": unit})


_OPERATORS = ("AND", "OR", "NOT")


def measure(data: Path) -> None:
    """Print what each command takes; resuming, done last, finishes the runs."""
    print(machine())
    for ranges in RANGES:
        name = f"many-{ranges}"
        for arguments in (["info", name], ["summary", name], explain(data, ranges)):
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *arguments, "--data-dir", str(data)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
            said = f"exit {status}" if status else f"{seconds:.1f} s, {megabytes:,.0f} MB"
            print(f"{arguments[0]}, {ranges} ranges: {said}")


if __name__ == "__main__":
    {"make": make, "measure": measure}[sys.argv[1]](Path(sys.argv[2]))
