"""``--dask`` makes the concept index and the activations as one machine does."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from ccx_cli.concepts import index
from ccx_cli.probe import activation_pieces, activation_shards

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, start
    from tests.cli.dask_machines import scheduler_and_worker, when
else:
    from command_line import ON_TINY, CommandLine, start
    from dask_machines import scheduler_and_worker, when

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
LAYERS = ("--layer", "layer1", "--layer", "layer3", "--layer", "layer4")
SMALL = """
import sys
words = " ".join(sys.orig_argv)
if "spawn_main" in words or "entry" in words:
    import ccx_cli.concepts.index as index
    index.BLOCK = 4
if "entry" in words:
    import ccx_cli.probe.activation_pieces as activation_pieces
    import ccx_cli.probe.activation_shards as activation_shards
    activation_shards._SHARD_BYTES = 1_000_000
    activation_shards._MOST_IMAGES = 3
    activation_pieces._PIECE_IMAGES = 3
"""


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Blocks of few images, in this process and in those that it starts."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "sitecustomize.py").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", path)
        patch.setattr(index, "BLOCK", 4)
        patch.setattr(activation_shards, "_SHARD_BYTES", 1_000_000)
        patch.setattr(activation_shards, "_MOST_IMAGES", 3)
        patch.setattr(activation_pieces, "_PIECE_IMAGES", 3)
        yield


@pytest.fixture(scope="module")
def cluster(_small: None) -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as started:
        yield started


def build(ccx: CommandLine, *more: str) -> Any:
    return ccx("cache", "build", *ON_TINY, "--batch-size", "4", *LAYERS, *more)


def caches(data: Path) -> dict[str, bytes]:
    """All files of caches but locks; manifests name every shard with its digest."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for root in ("segmentations", "activations")
        for path in sorted((data / root).rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def taken(data: Path) -> dict[str, bytes]:
    """The same, which are removed."""
    found = caches(data)
    for root in ("segmentations", "activations"):
        shutil.rmtree(data / root, ignore_errors=True)
    return found


@pytest.fixture
def expected(fresh: CommandLine) -> dict[str, bytes]:
    assert build(fresh).code == 0
    return taken(fresh.data)


def test_caches_are_those_of_one_machine(
    fresh: CommandLine, cluster: Any, expected: dict[str, bytes]
) -> None:
    done = build(fresh, "--dask", cluster.scheduler_address)
    assert done.code == 0, done.err
    assert "Concept index: " in done.err
    assert len(expected) > 12
    assert caches(fresh.data) == expected


def test_latents_are_gathered_in_the_order_of_one_machine(
    fresh: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Workers have begun in another directory than that of relative paths.
    monkeypatch.chdir(fresh.data.parent)
    fresh = CommandLine(Path(fresh.data.name), fresh.capsys)
    random = torch.Generator().manual_seed(0)
    tensors = {"W_enc": torch.randn(48, 60, generator=random), "b_enc": torch.zeros(60)}
    save_file(tensors, fresh.data / "sae.safetensors")
    maps = [word for one in ("activation=topk", "k=3", "subtract_b_dec=no")
            for word in ("--sae-map", one)]  # fmt: skip
    words = ["cache", "build", *ON_TINY, "--batch-size", "4", "--layer", "layer4",
             "--sae", str(fresh.data / "sae.safetensors"), *maps]  # fmt: skip
    assert fresh(*words).code == 0
    here = taken(fresh.data)
    done = fresh(*words, "--dask", cluster.scheduler_address)
    assert done.code == 0, done.err
    assert "encodes 48 units as 60 latents" in done.err
    assert caches(fresh.data) == here


def test_a_worker_that_is_killed_is_done_without(
    fresh: CommandLine, cluster: Any, expected: dict[str, bytes]
) -> None:
    pids = [worker.pid for worker in cluster.workers.values()]
    killer = when(
        lambda: fresh.files("activations/*layer1*/*.h5"), lambda: os.kill(pids[0], signal.SIGKILL)
    )
    done = build(fresh, "--dask", cluster.scheduler_address)
    killer.join()
    assert done.code == 0, done.err
    assert caches(fresh.data) == expected


def test_a_client_that_is_killed_is_resumed(
    fresh: CommandLine, cluster: Any, expected: dict[str, bytes]
) -> None:
    words = ["cache", "build", *ON_TINY, "--batch-size", "4", *LAYERS]
    killed = start(fresh.data, *words, "--dask", cluster.scheduler_address)
    killer = when(
        lambda: fresh.files("activations/*layer1*/manifest.json") or killed.poll() is not None,
        killed.kill,
    )
    killer.join()
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_ino for path in fresh.files("activations/*layer1*/images*.h5")}
    done = build(fresh, "--dask", cluster.scheduler_address)
    assert done.code == 0, done.err
    assert caches(fresh.data) == expected
    assert any(path.stat().st_ino == was for path, was in kept.items())


def test_a_scheduler_that_is_gone_is_said(fresh: CommandLine, expected: dict[str, bytes]) -> None:
    with scheduler_and_worker() as (address, scheduler):
        killer = when(lambda: fresh.files("activations/*layer1*/*.h5"), scheduler.kill)
        done = build(fresh, "--dask", address, "--dask-timeout", "5")
        killer.join()
    assert done.code == 1
    assert f"The Dask scheduler at {address} is gone" in done.err
    assert "Traceback" not in done.err
    assert build(fresh).code == 0
    assert caches(fresh.data) == expected


def test_a_block_that_ends_workers_is_named_and_the_rest_is_made(
    fresh: CommandLine, expected: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SMALL + ENDS_AT_IMAGE_4)
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    words = ["cache", "build", *ON_TINY, "--batch-size", "4", *LAYERS]
    done = start(fresh.data, *words, "--dask", "local:2", "--dask-timeout", "200", PYTHONPATH=path)
    _, err = done.communicate(timeout=280)
    assert done.returncode == 1
    assert "The concept index from image 4 ended the Dask workers" in err
    made = caches(fresh.data)
    assert {name for name in expected if name.startswith("activations")} <= made.keys()
    assert any("images-00000" in name for name in made)


ENDS_AT_IMAGE_4 = """
if "spawn_main" in words:
    import os
    make = index.make_block
    def end(dataset, cache, start):
        if start == 4:
            os._exit(9)
        return make(dataset, cache, start)
    index.make_block = end
"""


def test_a_factory_that_workers_cannot_import_is_named_before_work_starts(
    fresh: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "only_here.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Conv2d(3, 4, 8, 16))\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    try:
        done = fresh("cache", "build", "--subset", "tiny", "--model", "only_here:make",
                     "--layer", "0", "--dask", cluster.scheduler_address)  # fmt: skip
    finally:
        sys.modules.pop("only_here", None)
    assert done.code == 1, done.err
    assert "cannot make the network: --model only_here:make: there is no module" in done.err
    assert not fresh.files("activations/*/*.h5") + fresh.files("segmentations/*/*.h5")


def test_weights_that_differ_on_workers_are_named(
    fresh: CommandLine, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ccx_cli.runs.inputs_on_dask import NetworkCheck

    of = NetworkCheck.of.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        NetworkCheck,
        "of",
        classmethod(lambda cls, choice: cls(choice, of(cls, choice).identity.replace(":0", ":1"))),
    )
    done = build(fresh, "--dask", cluster.scheduler_address)
    assert done.code == 1
    assert "have another network of this name (weights)" in done.err


def test_a_damaged_image_ends_the_build_and_names_the_file(
    fresh: CommandLine, cluster: Any
) -> None:
    rows = fresh.file("datasets/*/index.csv").read_text().splitlines()
    image = fresh.file(f"datasets/*/images/{rows[-1].split(',')[0]}")
    image.write_bytes(image.read_bytes()[:100])
    done = build(fresh, "--dask", cluster.scheduler_address)
    assert done.code == 4
    assert str(image) in done.err


def test_workers_that_stay_see_labels_that_changed_since(fresh: CommandLine, cluster: Any) -> None:
    on_cluster = ["--dask", cluster.scheduler_address]
    assert build(fresh, *on_cluster).code == 0
    taken(fresh.data)
    labels = fresh.file("datasets/broden1_224/index.csv")
    labels.write_text("\n".join(labels.read_text().splitlines()[:-1]) + "\n")
    assert build(fresh, *on_cluster).code == 0
    there = taken(fresh.data)
    assert build(fresh).code == 0
    assert there == caches(fresh.data)


def test_ranges_are_those_of_one_machine(fresh: CommandLine, cluster: Any) -> None:
    words = ["cluster", *ON_TINY, "--units", "0-5", "--format", "jsonl"]
    here = fresh(*words)
    kept = taken(fresh.data)
    done = fresh(*words, "--dask", cluster.scheduler_address)
    assert done.code == 0, done.err
    assert done.out == here.out
    assert caches(fresh.data) == kept
