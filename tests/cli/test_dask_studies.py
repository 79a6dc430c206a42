"""Studies and annotation with ``--dask``: what is kept is what one machine keeps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ccx_cli.annotating.annotate import read_one
from ccx_cli.concepts.importing.settings import ImportSettings
from ccx_cli.concepts.importing.sources import SourceImage
from ccx_cli.runs.inputs_on_dask import NetworkCheck

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine, start
    from tests.cli.dask_machines import scheduler_and_worker
else:
    from command_line import CommandLine, start
    from dask_machines import scheduler_and_worker

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
STUDIES = {
    "metrics": ("metrics", "--null", "20", "--bootstrap", "10"),
    "masking": ("metrics", "--label-masking", "--masking-images", "2", "--batch-size", "2"),
    "importance": ("importance", "--batch-size", "4"),
    "importance per unit": ("importance", "--per", "unit", "--batch-size", "4"),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


def kept(ccx: CommandLine) -> dict[str, list[str]]:
    """The lines that studies keep beside the run, sorted, by file."""
    files = ccx.files("results/*/*-*.jsonl") + ccx.files("results/*/*importance*.json")
    return {path.name: sorted(path.read_text().splitlines()) for path in files}


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_until(running: subprocess.Popen[str], path: Path, lines: int) -> None:
    """Wait until a file has so many lines, or the command has ended."""
    while count_lines(path) < lines and running.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("study", STUDIES)
def test_what_is_kept_is_what_one_machine_keeps(ccx: CommandLine, cluster: Any, study: str) -> None:
    words = [*STUDIES[study], "--format", "jsonl"]
    shown = ccx(*words, "--dask", cluster.scheduler_address)
    assert shown.code == 0, shown.err
    there = kept(ccx)
    for path in ccx.files("results/*/*"):
        if path.name in there:
            path.unlink()
    alone = ccx(*words, "--workers", "1")
    assert alone.code == 0, alone.err
    assert there
    assert there == kept(ccx)
    assert shown.out == alone.out


def test_a_worker_and_a_command_that_are_killed_lose_nothing(
    ccx: CommandLine, cluster: Any
) -> None:
    ccx.explain("--units", "0-15", "-q")
    words = ["metrics", "--null", "100", "--format", "jsonl"]
    (run,) = {path.parent for path in ccx.files("results/*/header.json")}
    address = cluster.scheduler_address
    pid = next(worker.pid for worker in cluster.workers.values())
    running = start(ccx.data, *words, "--dask", address)
    while not ccx.files("results/*/null-*.jsonl") and running.poll() is None:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    lines = ccx.file("results/*/null-*.jsonl")
    wait_until(running, lines, count_lines(lines) + 2)
    running.kill()
    running.wait()
    before = lines.read_bytes()
    shown = ccx(*words, "--dask", address)
    assert shown.code == 0, shown.err
    assert lines.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    there = kept(ccx)
    for path in run.glob("*-*.jsonl"):
        path.unlink()
    alone = ccx(*words)
    assert there == kept(ccx)
    assert shown.out == alone.out


def test_photographs_that_were_annotated_stay_when_the_scheduler_is_gone(
    unused: CommandLine, tmp_path: Path
) -> None:
    words = draw(tmp_path / "mine")
    journal = unused.data / "datasets/photos/.broden1_64.partial/journal.jsonl"
    with scheduler_and_worker() as (address, scheduler):
        running = start(unused.data, *words, "--dask", address, "--dask-timeout", "5")
        wait_until(running, journal, 3)
        scheduler.kill()
        _, err = running.communicate(timeout=200)
    assert running.returncode == 1
    assert f"The Dask scheduler at {address} is gone" in err
    assert "Traceback" not in err
    written = count_lines(journal) - 1
    assert 0 < written < 12
    done = unused(*words)
    assert done.code == 0
    assert f"Annotated {12 - written} images" in done.err


@pytest.mark.parametrize("study", ["masking", "importance"])
def test_weights_that_differ_on_workers_are_named(
    ccx: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch, study: str
) -> None:
    other = staticmethod(lambda choice: NetworkCheck(choice, '{"weights": "other"}'))
    monkeypatch.setattr(NetworkCheck, "of", other)
    done = ccx(*STUDIES[study], "--dask", cluster.scheduler_address)
    assert done.code == 1
    assert "have another network of this name (weights)" in done.err


def test_a_unit_that_ends_workers_is_named_and_others_are_measured(ccx: CommandLine) -> None:
    (ccx.data / "sitecustomize.py").write_text(ENDS_AT_UNIT_2)
    path = os.pathsep.join([str(ccx.data), os.environ.get("PYTHONPATH", "")])
    words = ["metrics", "--dask", "local:2", "--dask-timeout", "200"]
    running = start(ccx.data, *words, PYTHONPATH=path)
    _, err = running.communicate(timeout=300)
    assert running.returncode == 1
    assert "Unit 2 ended the Dask workers" in err
    lines = ccx.file("results/*/metrics-*.jsonl").read_text().splitlines()
    assert {json.loads(line)["unit"] for line in lines} == {0, 1, 3}


ENDS_AT_UNIT_2 = """
import sys
if any("spawn_main" in word for word in sys.orig_argv):
    import os
    import ccx_cli.study.kept as kept
    measure = kept._measure_there
    def end(stored, make, settings, unit, records):
        if unit == 2:
            os._exit(9)
        return measure(stored, make, settings, unit, records)
    kept._measure_there = end
"""


def draw(folder: Path) -> list[str]:
    """Write photographs and an engine that counts; return the words of a command for them."""
    generator = np.random.default_rng(4)
    (folder / "photos").mkdir(parents=True)
    for number in range(12):
        pixels = np.kron(generator.integers(0, 256, (4, 4, 3)), np.ones((20, 16, 1)))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"photos/{number:02}.jpg")
    (folder / "rules.py").write_text(RULES)
    words = ["annotate", str(folder / "photos"), "--words", "red,green", "--colors"]
    return [*words, "--side", "64", "--batch-size", "2", "--engine", f"{folder / 'rules.py'}:make"]


RULES = """
import os, signal, time
from pathlib import Path
import numpy as np

here = Path(__file__).parent

def make():
    def scores(images, words):
        with (here / "batches").open("a") as file:
            file.write("batch\\n")
        if (here / "ends").exists() and images[0].mean() == float((here / "ends").read_text()):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        return np.moveaxis(images[..., :2] / np.float32(255), -1, 1)

    return scores
"""


def dataset(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def test_photographs_get_the_labels_of_one_machine_whatever_ends(
    unused: CommandLine, cluster: Any, tmp_path: Path
) -> None:
    words = draw(tmp_path / "mine")
    assert unused(*words).code == 0
    alone = dataset(unused.data / "datasets")
    shutil.rmtree(unused.data / "datasets")
    batches = tmp_path / "mine/batches"
    batches.unlink()
    words += ["--dask", cluster.scheduler_address]
    pid = next(worker.pid for worker in cluster.workers.values())

    # A worker is killed, then the command.
    running = start(unused.data, *words)
    journal = unused.data / "datasets/photos/.broden1_64.partial/journal.jsonl"
    wait_until(running, batches, 1)
    os.kill(pid, signal.SIGKILL)
    wait_until(running, journal, 3)
    running.kill()
    running.wait()
    written = count_lines(journal) - 1
    assert 0 < written < 12
    done = unused(*words)
    assert done.code == 0, done.err
    assert f"Annotated {12 - written} images" in done.err
    assert dataset(unused.data / "datasets") == alone


def test_an_engine_that_is_wrong_is_refused_as_on_one_machine(
    unused: CommandLine, cluster: Any, tmp_path: Path
) -> None:
    words = draw(tmp_path / "mine")
    (tmp_path / "mine/rules.py").write_text("def make(images, words):\n    return 2 * images\n")
    alone = unused(*words)
    done = unused(*words, "--dask", cluster.scheduler_address)
    assert (done.code, alone.code) == (2, 2)
    assert done.err.splitlines()[-1] == alone.err.splitlines()[-1]


def test_photographs_that_end_workers_are_named_and_others_go_on(
    unused: CommandLine, tmp_path: Path
) -> None:
    words = draw(tmp_path / "mine")
    settings = ImportSettings("photos", (64, 64))
    fourth = SourceImage("04", tmp_path / "mine/photos/04.jpg")
    mean = read_one(fourth, settings).pixels.mean()
    (tmp_path / "mine/ends").write_text(repr(float(mean)))
    running = start(unused.data, *words, "--dask", "local:2", "--dask-timeout", "200")
    _, err = running.communicate(timeout=300)
    assert running.returncode == 1
    assert f"{tmp_path / 'mine/photos/04.jpg'} and others ended the Dask workers" in err
    journal = unused.data / "datasets/photos/.broden1_64.partial/journal.jsonl"
    assert count_lines(journal) == 1 + 10
    (tmp_path / "mine/ends").unlink()
    again = unused(*words)
    assert again.code == 0
    assert "Annotated 2 images" in again.err
