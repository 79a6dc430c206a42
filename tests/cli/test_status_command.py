"""``ccx status``: runs and caches as another process sees them while they are made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from ccx_cli.cli.schema import schema_text
from ccx_cli.runs import status
from ccx_cli.store import locks
from ccx_cli.store.shards import read_manifest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

WRITER = """
import sys, time
from pathlib import Path
from ccx_cli.progress import SilentProgress
from ccx_cli.runs.run import Run
from ccx_cli.store.locks import writing
directory, line = Path(sys.argv[1]), sys.argv[2]
run = Run(directory)
with writing(directory, SilentProgress()):
    if line:
        run.begin_session(run.raw_header()["about"], {"asked": "0-9", "stored": 4})
        time.sleep(0.1)
        with open(directory / "explanations.jsonl", "a") as lines:
            lines.write(line + "\\n" + line[:20])
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def kept(ccx: CommandLine) -> Path:
    """The directory of the run that there is: units 0 to 3."""
    return ccx.file("results/*/header.json").parent


@contextmanager
def writer(directory: Path, line: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that writes in a directory: a line and a part of one, in a new session."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def silent_unit(run: Path, unit: int) -> str:
    """The one line of a unit that never fires."""
    line = json.loads((run / "explanations.jsonl").read_text().splitlines()[0])
    line |= {"unit": unit, "cluster": None, "num_ranges": 0, "range": None}
    line |= {"formula": None, "labels": None}
    return json.dumps(line)


def told(ccx: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    """What it says; nothing is written by that."""
    before = {path: path.stat().st_mtime_ns for path in ccx.data.rglob("*")}
    ended = ccx("status", *arguments, "-f", "jsonl", "-q")
    assert (ended.code, ended.err) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in ccx.data.rglob("*")} == before
    validator = Draft202012Validator(json.loads(schema_text("status")))
    for line in ended.lines:
        assert not list(validator.iter_errors(line))
    return ended.lines


def edit_last_session(run: Path, **keys: Any) -> None:
    header = json.loads((run / "header.json").read_text())
    header["sessions"][-1] |= keys
    (run / "header.json").write_text(json.dumps(header))


def test_a_finished_run(ccx: CommandLine, kept: Path) -> None:
    assert ccx("metrics", "--no-label-masking", "--units", "0-1", "-q").code == 0
    (run,) = told(ccx)
    assert (run["state"], run["working"], run["pid"]) == ("finished", "no", None)
    assert (run["finished"], run["asked"], run["of_layer"]) == (4, 4, 48)
    assert (run["images"], run["index_images"], run["activations_images"]) == (6, 6, 6)
    assert run["studies"] == {"metrics": 2}
    assert (run["seconds_each"], run["seconds_left"]) == (None, None)
    assert told(ccx, kept.name) == [run]
    table = ccx("status").out
    for word in ("finished", "4 of 4", "whole", "metrics 2 of 4"):
        assert word in table
    assert ccx("status", "-f", "csv").out.splitlines()[0].startswith("kind,run,")


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_run_that_another_process_writes(
    is_listed: bool, ccx: CommandLine, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system lists no locks: its process is then the one of the session."""
    if not is_listed:
        monkeypatch.setattr(locks, "_LOCKS", ccx.data / "not-there")
    with writer(kept, silent_unit(kept, 7)) as process:
        (run,) = told(ccx)
        assert (run["state"], run["working"], run["pid"]) == ("being written", "yes", process.pid)
        assert (run["finished"], run["asked"]) == (5, 10)
        assert run["seconds_each"] >= 0.09
        assert run["seconds_left"] == pytest.approx(5 * run["seconds_each"])
        assert f"{process.pid}" in ccx("status").out
        process.kill()
        process.wait()
        (run,) = told(ccx)
    assert (run["state"], run["working"], run["pid"]) == ("unfinished", "no", None)
    assert (run["seconds_each"], run["seconds_left"]) == (None, None)
    # What a killed writer left is finished by the next one.
    assert ccx.explain("--units", "0-9", "-q", "-f", "csv").code == 0
    (run,) = told(ccx)
    assert (run["state"], run["finished"]) == ("finished", 10)


def test_a_run_that_ends_while_it_is_looked_at(
    ccx: CommandLine, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = json.loads((kept / "header.json").read_text())
    del header["sessions"][-1]["finished"]
    (kept / "header.json").write_text(json.dumps(header))
    held = {kept.name: locks.Held(True, 7)}

    def look(directory: Path) -> locks.Held:
        return held.get(directory.name, locks.Held(False))

    monkeypatch.setattr(status, "look_at_lock", look)
    (run,) = told(ccx)
    assert (run["state"], run["working"], run["pid"]) == ("being written", "yes", 7)


def test_a_run_of_another_machine(ccx: CommandLine, kept: Path) -> None:
    edit_last_session(kept, host="elsewhere", pid=7, finished=None, asked="0-9", stored=0)
    (run,) = told(ccx)
    assert (run["working"], run["host"], run["pid"]) == ("unknown", "elsewhere", 7)
    assert run["state"] == "unfinished"
    ended = ccx("status")
    assert "elsewhere?" in ended.out
    assert "cannot be seen from here" in ended.err


def test_what_is_damaged_is_named_and_the_others_are_shown(ccx: CommandLine, kept: Path) -> None:
    copies = [kept.with_name(f"copy{number}") for number in range(4)]
    for copy in copies:
        shutil.copytree(kept, copy)
    (copies[0] / "header.json").write_text("{")
    (copies[1] / "header.json").unlink()
    with (copies[2] / "explanations.jsonl").open("a") as lines:
        lines.write("{}\n")
    (copies[3] / "explanations.jsonl").unlink()
    (copies[3] / "explanations.jsonl").mkdir()
    states = {run["run"]: (run["state"], run["finished"]) for run in told(ccx)}
    damaged = {copy.name: ("damaged", 4) for copy in copies[:3]}
    assert states == {kept.name: ("finished", 4), **damaged, "copy3": ("damaged", 0)}
    ended = ccx("status")
    assert ended.code == 0
    for said in ("copy0/header.json cannot be read", "There is no", "copy2/expl", "copy3/expl"):
        assert said in ended.err
    assert ccx("status", "another").code == 3


def test_caches_that_are_being_made(ccx: CommandLine) -> None:
    cache = ccx.file("segmentations/*/manifest.json").parent
    read_manifest(cache).drop(["sets"])
    run, made = told(ccx)
    assert (made["kind"], made["cache"], made["holds"]) == ("cache", cache.name, "concept index")
    assert (made["working"], made["done"], made["images"]) == ("no", 6, 6)
    new = ccx.data / "activations" / "new"
    with writer(cache) as process, writer(new):
        run, *caches = told(ccx)
        assert [(each["working"], each["done"]) for each in caches] == [("yes", 6), ("yes", 0)]
        assert caches[0]["pid"] == process.pid
        assert "new" in ccx("status").out
    assert run["index_images"] == 6


def test_runs_in_progress_come_first_then_the_newest(ccx: CommandLine, kept: Path) -> None:
    for name in ("b", "a"):
        time.sleep(1.1)
        shutil.copytree(kept, kept.with_name(name), copy_function=shutil.copy)
    with writer(kept):
        assert [run["run"] for run in told(ccx)] == [kept.name, "a", "b"]


def test_a_thousand_runs(ccx: CommandLine, kept: Path) -> None:
    for number in range(999):
        shutil.copytree(kept, kept.with_name(f"copy{number:03}"))
    began = time.process_time()
    ended = ccx("status", "-f", "jsonl")
    assert time.process_time() - began < 2
    assert len(ended.lines) == 1000
    ended = ccx("status")
    assert ended.out.count(" finished ") == 100
    assert "the first 100 of 1,000 runs" in ended.err


def test_where_nothing_is(unused: CommandLine) -> None:
    ended = unused("status", "-f", "csv")
    assert (ended.code, ended.out.count("\n")) == (0, 1)
    assert all(ended.out.strip().split(","))
    assert "There are no runs" in ended.err
