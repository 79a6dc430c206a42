"""``ccx explain --dask``: the lines are those of one machine, whatever ends meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from ccx_cli.errors import CcxError
from ccx_cli.progress import SilentProgress
from ccx_cli.runs import dask_worker, on_dask, units_on_dask
from ccx_cli.runs.dask_connection import dask_cluster
from ccx_cli.runs.workers import LostTaskError, side_by_side

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, start
    from tests.cli.dask_machines import scheduler_and_worker, when
else:
    from command_line import ON_TINY, CommandLine, start
    from dask_machines import scheduler_and_worker, when

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
pytestmark = pytest.mark.slow
UNITS = "0-11"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


def sorted_lines(ccx: CommandLine, results: str) -> list[str]:
    lines = ccx.file(f"{results}/*/explanations.jsonl").read_text().splitlines()
    return sorted(lines, key=lambda line: (json.loads(line)["unit"], json.loads(line)["cluster"]))


@pytest.fixture
def expected(fresh: CommandLine) -> list[str]:
    fresh.explain("--units", UNITS, "-q", "--root-results", str(fresh.data / "alone"))
    return sorted_lines(fresh, "alone")


def arguments(ccx: CommandLine, address: str, *more: str) -> list[str]:
    return ["--units", UNITS, "--dask", address, *more]


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--ranges", "0.1:1,1:inf"),
        ("--split", "train"),
        ("--objective", "pearson", "--ties"),
        ("--skip-zero-range", "--num-clusters", "2"),
    ],
)
def test_lines_are_those_of_one_machine(
    fresh: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    # Workers have begun in another directory than that of relative paths.
    monkeypatch.chdir(fresh.data.parent)
    fresh = CommandLine(Path(fresh.data.name), fresh.capsys)
    index = fresh.file("datasets/broden1_224/index.csv")
    index.write_text(index.read_text().replace(",val,", ",train,", 3))
    fresh.explain("--units", UNITS, "-q", "--root-results", str(fresh.data / "alone"), *more)
    done = fresh.explain(*arguments(fresh, cluster.scheduler_address, *more))
    assert done.code == 0, done.err
    assert sorted_lines(fresh, "results") == sorted_lines(fresh, "alone")


def test_a_worker_that_is_killed_is_done_without(
    fresh: CommandLine, cluster: Any, expected: list[str]
) -> None:
    pids = [worker.pid for worker in cluster.workers.values()]

    def kill() -> None:
        while not fresh.files("results/*/explanations.jsonl"):
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    done = fresh.explain(*arguments(fresh, cluster.scheduler_address))
    killer.join()
    assert done.code == 0, done.err
    assert sorted_lines(fresh, "results") == expected


def test_a_client_that_is_killed_is_resumed(
    fresh: CommandLine, cluster: Any, expected: list[str]
) -> None:
    words = ["explain", *ON_TINY, *arguments(fresh, cluster.scheduler_address)]
    killed = start(fresh.data, *words)
    while not fresh.files("results/*/explanations.jsonl") and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    # With the cluster or without it.
    done = fresh.explain("--units", UNITS)
    assert done.code == 0, done.err
    assert sorted_lines(fresh, "results") == expected


def test_ctrl_c_in_a_terminal_ends_workers_here_without_a_traceback(fresh: CommandLine) -> None:
    words = ["explain", *ON_TINY, *arguments(fresh, "local:2")]
    running = start(fresh.data, *words)
    while not fresh.files("results/*/explanations.jsonl") and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    until = time.monotonic() + 10
    while _has_processes(running.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _has_processes(running.pid)


def _has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_scheduler_that_is_gone_is_said(fresh: CommandLine, expected: list[str]) -> None:
    with scheduler_and_worker() as (address, scheduler):
        killer = when(lambda: fresh.files("results/*/explanations.jsonl"), scheduler.kill)
        done = fresh.explain(*arguments(fresh, address, "--dask-timeout", "5"))
        killer.join()
        assert done.code == 1
        assert f"The Dask scheduler at {address} is gone" in done.err
        assert "Traceback" not in done.err
    assert fresh.explain("--units", UNITS).code == 0
    assert sorted_lines(fresh, "results") == expected


def test_a_unit_that_ends_workers_is_named_and_others_go_on(
    fresh: CommandLine, expected: list[str]
) -> None:
    (fresh.data / "sitecustomize.py").write_text(ENDS_AT_UNIT_3)
    path = os.pathsep.join([str(fresh.data), os.environ.get("PYTHONPATH", "")])
    done = start(
        fresh.data,
        "explain",
        *ON_TINY,
        *arguments(fresh, "local:2", "--dask-timeout", "200"),
        PYTHONPATH=path,
    )
    _, err = done.communicate(timeout=300)
    assert done.returncode == 1
    assert "Unit 3 ended the Dask workers" in err
    assert sorted_lines(fresh, "results") == [
        line for line in expected if json.loads(line)["unit"] != 3
    ]


ENDS_AT_UNIT_3 = """
import sys
if any("spawn_main" in word for word in sys.orig_argv):
    import os
    import ccx_cli.runs.job as job
    explain = job.ExplainJob.explain_unit
    def end(self, unit):
        if unit == 3:
            os._exit(9)
        return explain(self, unit)
    job.ExplainJob.explain_unit = end
"""


def test_units_of_all_layers_are_one_queue(fresh: CommandLine) -> None:
    layers = ["--layer", "layer3", "--layer", "layer4", "--units", "0-5"]
    fresh.explain(*layers, "-q", "--root-results", str(fresh.data / "alone"))
    (fresh.data / "sitecustomize.py").write_text(SLOW_AT_UNIT_4)
    path = os.pathsep.join([str(fresh.data), os.environ.get("PYTHONPATH", "")])
    log = fresh.data / "log"
    words = ["explain", *ON_TINY, *layers, "--dask", "local:2", "--dask-timeout", "200"]
    done = start(fresh.data, *words, PYTHONPATH=path, EXPLAINED=str(log))
    _, err = done.communicate(timeout=300)
    assert done.returncode == 0, err
    events = log.read_text().split("\n")
    assert events.index("begin layer4 0") < events.index("end layer3 4")
    assert "Explanations of all layers: 12 of 12 units" in err
    assert "Explanations of layer4: 6 of 6 units" in err
    for layer in ("layer3", "layer4"):
        (here,) = fresh.files(f"results/*{layer}*/explanations.jsonl")
        (alone,) = fresh.files(f"alone/*{layer}*/explanations.jsonl")
        assert sorted(here.read_text().splitlines()) == sorted(alone.read_text().splitlines())
        header = json.loads((here.parent / "header.json").read_text())
        assert header["sessions"][-1]["units"] == 6


SLOW_AT_UNIT_4 = """
import sys
if any("spawn_main" in word for word in sys.orig_argv):
    import os
    import time
    import ccx_cli.runs.job as job
    explain = job.ExplainJob.explain_unit
    def tell(*words):
        with open(os.environ["EXPLAINED"], "a") as log:
            log.write(" ".join(map(str, words)) + "\\n")
    def slow(self, unit):
        tell("begin", self.explainer.layer, unit)
        found = explain(self, unit)
        if self.explainer.layer == "layer3" and unit == 4:
            time.sleep(5)
        tell("end", self.explainer.layer, unit)
        return found
    job.ExplainJob.explain_unit = slow
"""


def test_workers_that_do_not_fit_are_named(
    fresh: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_worker, "__version__", "9.9")
    done = fresh.explain(*arguments(fresh, cluster.scheduler_address))
    assert done.code == 1
    assert "where 9.9 is here: install the same" in done.err
    monkeypatch.undo()
    absent = nullcontext(fresh.data / "absent.proof")
    monkeypatch.setattr(units_on_dask, "proof_in", lambda _: absent)
    done = fresh.explain(*arguments(fresh, cluster.scheduler_address))
    assert done.code == 1
    assert "do not see" in done.err
    monkeypatch.undo()
    monkeypatch.setattr(dask_worker, "file_digest", lambda path: "0")
    done = fresh.explain(*arguments(fresh, cluster.scheduler_address))
    assert done.code == 1
    assert ".proof: mount the same directories there" in done.err


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        ("local:0", 2, "must be local:N"),
        ("local:x", 2, "must be local:N"),
        ("absent.json", 3, "no such scheduler file"),
        ("tls://127.0.0.1:1", 1, "tls:// needs the certificates"),
        ("tcp://127.0.0.1:1", 1, "No Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_a_cluster_that_is_none_is_refused(
    ccx: CommandLine, where: str, code: int, said: str
) -> None:
    done = ccx.explain("--units", "0-5", "--dask", where, "--dask-timeout", "1")
    assert (done.code, said in done.err) == (code, True), done.err


def test_without_workers_it_waits_and_says_so(fresh: CommandLine) -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        address = empty.scheduler_address
        done = fresh.explain(*arguments(fresh, address, "--dask-timeout", "1"))
    assert done.code == 1
    assert f"Waiting for workers of {address}" in done.err
    assert f"No Dask worker came to {address} within 1 s" in done.err


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"address": 5}', b"tcp://a:1", b"\xff"])
def test_a_file_of_no_scheduler_is_refused(
    ccx: CommandLine, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    done = ccx.explain("--units", "0-5", "--dask", str(tmp_path / "file"))
    assert done.code == 4
    assert f"--dask {tmp_path / 'file'} is no scheduler file" in done.err


def test_a_worker_without_a_package_is_told() -> None:
    worker = dask_worker.describe((), None)
    with pytest.raises(CcxError, match=r"has not all packages .*no_such_package"):
        dask_worker.work("command", worker, None, import_module, ("no_such_package",))


def test_a_result_that_never_comes_holds_no_process_up() -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        with dask_cluster(empty.scheduler_address, 10, SilentProgress()) as cluster:
            assert cluster is not None
            tasks = on_dask.DaskTasks(cluster, dask_worker.describe((), None))
            begun = on_dask._Begun(Future[int](), abs, (1,))
            tasks.running.append(begun.done)
            task = cluster.client.submit(abs, 1)
            taking = threading.Thread(target=tasks._take, args=(task, begun), daemon=True)
            taking.start()
        taking.join(30)
        assert not taking.is_alive()


@pytest.fixture
def one_worker() -> Iterator[on_dask.DaskTasks]:
    """Tasks for a local worker that are given up once it ended, not four times."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        dask_cluster("local:1", 60, SilentProgress()) as cluster,
    ):
        assert cluster is not None
        with cluster.tasks() as tasks:
            yield tasks


def end() -> None:
    time.sleep(0.5)
    os._exit(9)


def test_a_task_that_waited_behind_one_that_ends_workers_is_done(
    one_worker: on_dask.DaskTasks,
) -> None:
    begun = [one_worker.begin(end), *(one_worker.begin(abs, -number) for number in range(3))]
    while not all(each.done() for each in begun):
        one_worker.wait([each for each in begun if not each.done()])
    assert [each.result() for each in begun[1:]] == [0, 1, 2]
    with pytest.raises(LostTaskError, match="again and again"):
        begun[0].result()


def test_where_every_task_ends_workers_not_all_are_tried(one_worker: on_dask.DaskTasks) -> None:
    assert one_worker.begin(abs, -3).result(timeout=20) == 3
    work = side_by_side(range(1000), lambda _: one_worker.begin(end), one_worker, str)
    with pytest.raises(CcxError, match="Each of 3 tasks ended the Dask workers"):
        list(work)


def test_a_task_is_not_alone_while_another_was_begun_since(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: on_dask.DaskTasks, task: Any) -> None:
        raise distributed.scheduler.KilledWorker("task", None, 0)

    monkeypatch.setattr(on_dask.DaskTasks, "_result", killed)
    client: Any = MagicMock(status="running")
    cluster = on_dask.DaskCluster(client, "tcp://a:1", 1, SilentProgress())
    tasks = on_dask.DaskTasks(cluster, dask_worker.describe((), None))
    begun = on_dask._Begun(Future[None](), end, ())
    tasks.alone = begun
    tasks.running.append(begun.done)
    tasks.begin(abs, -3)
    tasks._take(None, begun)
    assert (tasks.suspected, begun.done.done()) == ([begun], False)
    tasks.alone = begun
    tasks.running.append(begun.done)
    tasks._take(None, begun)
    with pytest.raises(LostTaskError):
        begun.done.result(timeout=0)


def test_a_worker_that_keeps_much_memory_takes_tasks() -> None:
    with (
        dask.config.set({"distributed.worker.memory.pause": 0.0001}),
        dask_cluster("local:1", 60, SilentProgress()) as cluster,
    ):
        assert cluster is not None
        with cluster.tasks() as tasks:
            assert tasks.begin(abs, -3).result(timeout=20) == 3


def test_results_that_are_fetched_slowly_at_once_all_arrive(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask_cluster(cluster.scheduler_address, 10, SilentProgress()) as connected:
        assert connected is not None
        fetch = connected.client._gather_remote

        async def slow(*where: Any) -> Any:
            await asyncio.sleep(1.5)
            return await fetch(*where)

        monkeypatch.setattr(connected.client, "_gather_remote", slow)
        with connected.tasks() as tasks:
            begun = [tasks.begin(abs, -number) for number in range(4)]
            assert [future.result(timeout=20) for future in begun] == [0, 1, 2, 3]


def test_workers_do_not_ask_the_system_for_the_same_memory_again_and_again(cluster: Any) -> None:
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(100):
            np.ones(1 << 20, dtype=np.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with dask_cluster(cluster.scheduler_address, 10, SilentProgress()) as connected:
        assert connected is not None
        with connected.tasks() as tasks:
            assert tasks.begin(faults).result(timeout=20) < 100 * 256 / 4


def test_a_worker_takes_half_of_what_it_may(cluster: Any) -> None:
    assert dask_worker.memory_of_worker() is None
    with dask_cluster(cluster.scheduler_address, 10, SilentProgress()) as connected:
        assert connected is not None
        with connected.tasks() as tasks:
            half = tasks.begin(dask_worker.memory_of_worker).result(timeout=20)
        (limit,) = {worker.memory_manager.memory_limit for worker in cluster.workers.values()}
    assert half == limit // 2


def test_without_dask_the_extra_is_named(ccx: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = ccx.explain("--units", "0-5", "--dask", "local:1")
    assert done.code == 3
    assert "pip install 'ccx-cli[cluster]'" in done.err
