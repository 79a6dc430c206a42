"""Faults of disks, files and networks: one sentence, nothing wrong stored, nothing lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, UNTRAINED, CommandLine, finish, start
else:
    from command_line import ON_TINY, UNTRAINED, CommandLine, finish, start

FOUR = ("--units", "0-3", "-f", "jsonl", "-q")
LINES = "results/*/explanations.jsonl"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")


@pytest.fixture
def undisturbed(ccx: CommandLine) -> str:
    return ccx.explain(*FOUR).out


@pytest.mark.slow
def test_lines_torn_at_every_byte(ccx: CommandLine, undisturbed: str) -> None:
    path = ccx.file(LINES)
    whole = path.read_bytes()
    last = whole.rfind(b"\n", 0, whole.rfind(b"\n", 0, -1)) + 1
    for place in [*range(last, len(whole), 41), len(whole) - 1]:
        path.write_bytes(whole[:place])
        assert ccx.explain(*FOUR).out == undisturbed
        assert ccx.explain(*FOUR).out == undisturbed
        assert path.read_bytes().startswith(whole[: whole.rfind(b"\n", 0, place) + 1])


def test_a_damaged_line_is_deleted_as_told(ccx: CommandLine, undisturbed: str) -> None:
    path = ccx.file(LINES)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:6], lines[6].replace(b'"unit":', b'"unit"\0'), *lines[7:]]))
    for command in (["explain", *ON_TINY, *FOUR], ["summary"], ["metrics"]):
        ended = ccx(*command)
        assert ended.code == 4
        assert f"{path}, line 7 is damaged (" in ended.err
        assert ": delete that line" in ended.err
    path.write_bytes(b"".join([*lines[:6], *lines[7:]]))
    assert ccx.explain(*FOUR).out == undisturbed


@pytest.mark.parametrize("content", [None, b"", b'{"format": "ccx-res', b"\xff"])
def test_a_header_that_is_lost_costs_no_line(
    content: bytes | None, ccx: CommandLine, undisturbed: str
) -> None:
    header, lines = ccx.file("results/*/header.json"), ccx.file(LINES).read_bytes()
    if content is None:
        header.unlink()
    else:
        header.write_bytes(content)
        ended = ccx("metrics")
        assert ended.code == 4
        assert f"{header} is damaged: run the `ccx explain` that made it again" in ended.err
    assert ccx.explain(*FOUR).out == undisturbed
    assert ccx.file(LINES).read_bytes() == lines
    assert json.loads(header.read_text())["sessions"][-1]["units"] == 0
    assert ccx("summary", "-q").code == 0


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)])
    if done.returncode:
        pytest.skip("mount is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@as_root
@pytest.mark.parametrize("size", ["64k", "950k"])
def test_a_disk_that_fills(size: str, fresh: CommandLine, tmp_path: Path) -> None:
    datasets = ("--root-datasets", str(fresh.data / "datasets"))
    with mounted(tmp_path / "small", size) as small:
        ccx = CommandLine(small, fresh.capsys)
        ended = ccx.explain(*FOUR, *datasets)
        assert ended.code == 1
        assert re.fullmatch(
            rf"Error: {small}/\S+: No space left on device: check the path, its permissions and "
            r"the space left\.\n",
            ended.err,
        )
        assert not list(small.rglob("*.part"))
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert ccx.explain(*FOUR, *datasets).out == fresh.explain(*FOUR).out


@as_root
def test_a_disk_without_a_byte_left_for_results(
    ccx: CommandLine, undisturbed: str, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "8m") as small:
        subprocess.run(["cp", "-r", *map(str, ccx.data.iterdir()), str(small)], check=True)
        on_small = CommandLine(small, ccx.capsys)
        with (small / "fill").open("wb", buffering=0) as fill, suppress(OSError):
            while True:
                fill.write(bytes(4096))
        plot, photos = str(small / "plot.png"), str(ccx.file("datasets/*/images"))
        for command in (
            ["metrics", "--no-label-masking"],
            ["explain", *ON_TINY, "--units", "4"],
            ["explain", *ON_TINY, *FOUR, "-o", str(small / "lines.jsonl")],
            ["cluster", *ON_TINY, "--num-clusters", "2"],
            ["cache", "build", *ON_TINY, "--seed", "1"],
            ["render", "--units", "0", "--dir-images", str(small / "p")],
            ["render", "--units", "0", "--html", str(small / "page.html")],
            ["render", "--units", "0", "--html", str(small / "page")],
            ["render", "--format", "latex", "-o", str(small / "t.tex")],
            ["compare", "thresholds", *ON_TINY, "--units", "0", "--plot", plot],
            ["summary", "-o", str(small / "summary.txt")],
            ["import", "imagefolder", photos, "--root-datasets", str(small / "new")],
            ["demo"],
        ):
            ended = on_small(*command, "-q")
            assert ended.code == 1, command
            assert ended.err.count("\n") == 1
            assert re.match(rf"Error: {small}/\S+:? .*No space left on device", ended.err), command
            assert not [path for path in small.rglob("*.part") if path.is_file()], command
        (small / "fill").unlink()
        assert on_small.explain(*FOUR).out == undisturbed
        assert on_small("metrics", "--no-label-masking", "-q").code == 0


@as_root
def test_a_read_only_directory(ccx: CommandLine, undisturbed: str, tmp_path: Path) -> None:
    metrics = ["metrics", "--no-label-masking", "-f", "jsonl", "-q"]
    measured = ccx(*metrics).out
    with mounted(tmp_path / "frozen", "8m") as frozen:
        subprocess.run(["cp", "-r", *map(str, ccx.data.iterdir()), str(frozen)], check=True)
        subprocess.run(["mount", "-o", "remount,ro", str(frozen)], check=True)
        on_frozen = CommandLine(frozen, ccx.capsys)
        assert on_frozen.explain(*FOUR).out == undisturbed
        assert on_frozen(*metrics).out == measured
        for command in (
            ["summary"],
            ["info"],
            ["cache", "verify"],
            ["score", "ball", *ON_TINY, "--unit", "1"],
            ["render", "--units", "0", "--dir-images", str(tmp_path / "pictures")],
            ["score", "ball", *ON_TINY, "--unit", "40"],
        ):
            assert on_frozen(*command, "-q").code == 0, command
        assert "New ranges are not kept: " in on_frozen("cluster", *ON_TINY, "--units", "41").err
        for command in (["explain", *ON_TINY, "--units", "5"], ["cache", "clear", "--yes"]):
            ended = on_frozen(*command, "-q")
            assert ended.code == 1
            assert "Read-only file system: check the path" in ended.err


NETWORKS = '''
from pathlib import Path

import torch
from torch import nn

print("imported")

class Net(nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 7, 32)
        self.fault = fault

    def forward(self, images):
        print("forward")
        if images.abs().sum() != 0:
            if self.fault == "raises":
                raise IndexError("no such pixel")
            images = images * float(self.fault)
        return self.conv(images)

def make(fault="1"):
    print("made")
    return Net(fault)

class Classifier(Net):
    """Its fault begins once there is a file that names it."""

    def __init__(self):
        super().__init__("1")
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        begun = Path(__file__).with_name("fault")
        self.fault = begun.read_text() if begun.exists() else "1"
        return self.head(super().forward(images).mean((2, 3)))

def constant():
    net = nn.Sequential(nn.Conv2d(3, 4, 7, 32))
    nn.init.zeros_(net[0].weight)
    return net
'''


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(NETWORKS)
    return path


@pytest.mark.parametrize("fault", ["nan", "inf", "raises"])
def test_a_network_that_fails_on_images(fault: str, networks: Path, fresh: CommandLine) -> None:
    own = ["--model", f"{networks}:make", "--model-arg", f"fault={fault}", "--subset", "tiny"]
    ended = fresh("explain", *own, "--layer", "conv", "-f", "jsonl", "-q")
    assert (ended.code, ended.out) == (1, "")
    if fault == "raises":
        assert "its forward pass raises IndexError: no such pixel" in ended.err
        assert "fault of ccx" not in ended.err
    else:
        assert "Layer conv of " in ended.err
        assert "gives values that are NaN or infinite for 6 of 6 images" in ended.err
    assert fresh.files("activations/*/*.h5") == fresh.files("results/*") == []


def test_a_network_that_fails_once_it_is_explained(networks: Path, fresh: CommandLine) -> None:
    own = ["--model", f"{networks}:Classifier", "--pretrained", "none", "--subset", "tiny"]
    assert fresh("explain", *own, "--layer", "conv", "-q").code == 0
    studies = [
        ["metrics", "--label-masking", "-f", "jsonl"],
        ["importance"],
        ["importance", "--per", "unit"],
        ["ablate"],
        ["roles"],
    ]
    for fault, said in (("nan", "NaN"), ("raises", "raises IndexError: no such pixel")):
        networks.with_name("fault").write_text(fault)
        for study in studies:
            ended = fresh(*study, "-q")
            assert (ended.code, ended.out) == (1, ""), study
            # The network prints there as well.
            assert ended.err.splitlines()[-1].startswith("Error: ")
            assert said in ended.err.splitlines()[-1]
            assert "fault of ccx" not in ended.err
    networks.with_name("fault").unlink()
    for study in studies:
        assert fresh(*study, "-q", "-f", "jsonl").code == 0


def test_what_a_network_prints_is_no_data(networks: Path, fresh: CommandLine) -> None:
    own = ["--model", f"{networks}:make", "--subset", "tiny", "--layer", "conv"]
    ended = fresh("cache", "build", *own, "-f", "jsonl")
    assert ended.err.count("forward") > 0 or ended.code == 1
    assert "forward" not in ended.out
    assert "made" not in ended.out


def test_constant_activations_have_no_range(networks: Path, fresh: CommandLine) -> None:
    own = ["--model", f"{networks}:constant", "--subset", "tiny", "--layer", "0"]
    ended = fresh("explain", *own, "-f", "jsonl", "-q")
    assert ended.code == 0
    assert {record["formula"] for record in ended.lines} == {None}


def test_images_that_went_or_changed(ccx: CommandLine, undisturbed: str) -> None:
    picture = ccx.file("datasets/*/images/tiny/000.png")
    content = picture.read_bytes()
    picture.unlink()
    for command in (["explain", *ON_TINY, *FOUR], ["metrics", "--no-label-masking"]):
        ended = ccx(*command)
        assert ended.code == 3
        assert "tiny/000.png" in ended.err
    picture.write_bytes(ccx.file("datasets/*/images/tiny/001.png").read_bytes())
    for command in (["metrics", "--no-label-masking"], ["importance"]):
        ended = ccx(*command)
        assert ended.code == 4
        assert "The images changed since demo-none-layer4-tiny" in ended.err
    picture.write_bytes(content)
    assert ccx.explain(*FOUR).out == undisturbed
    mask = ccx.file("datasets/*/images/tiny/000_color.png")
    mask.write_bytes(mask.read_bytes() + b"\0")
    assert "The labels changed since " in ccx("metrics", "--no-label-masking").err
    assert ccx.explain(*FOUR).out == undisturbed
    assert len(ccx.files("segmentations/*")) == 2


def test_a_clock_that_goes_back(ccx: CommandLine, undisturbed: str) -> None:
    for seconds in (0, 5_000_000_000):
        for path in (
            p for root in ("activations", "results") for p in (ccx.data / root).rglob("*")
        ):
            os.utime(path, (seconds, seconds))
            seconds = max(seconds - 3600, 0)
        assert ccx.explain(*FOUR).out == undisturbed
        for command in (["summary"], ["info"], ["explain", *ON_TINY, "--dry-run"]):
            assert ccx(*command, "-q").code == 0


PAST_THE_END = [
    ["explain", *ON_TINY],
    ["cluster", *ON_TINY],
    ["metrics", "--no-label-masking"],
    ["importance"],
    ["ablate"],
    ["roles"],
    ["stability"],
    ["summary"],
    ["render"],
    ["score", "ball", *ON_TINY],
]


@pytest.mark.parametrize("command", PAST_THE_END, ids=lambda command: command[0])
def test_a_unit_past_the_end(command: list[str], ccx: CommandLine) -> None:
    ended = ccx(*command, "--units", "0,48")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith("Error: --units 0,48")


@pytest.mark.parametrize(
    "command",
    [
        ["explain", *ON_TINY],
        ["cluster", *ON_TINY],
        ["cache", "build", *ON_TINY],
        ["layers", *UNTRAINED],
        ["score", "ball", *ON_TINY],
        ["metrics", "--label-masking"],
        ["importance"],
        ["ablate"],
        ["roles"],
        ["compare", "heuristics", *ON_TINY],
        ["compare", "thresholds", *ON_TINY],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_gpu_that_is_not_there(command: list[str], ccx: CommandLine) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    ended = ccx(*command, "--device", "cuda")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "Error: --device cuda: there is no CUDA GPU here, take --device cpu.\n"


@pytest.mark.slow
def test_eight_at_once_on_one_directory(
    fresh: CommandLine, tiny_data: Path, tmp_path: Path
) -> None:
    alone = CommandLine(tiny_data, fresh.capsys)
    undisturbed = alone.explain(*FOUR, "--root-results", str(tmp_path / "alone")).out
    eight = [start(fresh.data, "explain", *ON_TINY, *FOUR) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for ended in pool.map(finish, eight):
            assert ended.code == 0, ended.err
            assert ended.out == undisturbed
    assert fresh("cache", "verify", "-q").code == 0
    assert len(fresh.file(LINES).read_text().splitlines()) == len(undisturbed.splitlines())


@pytest.mark.slow
def test_all_kinds_of_commands_at_once_on_one_directory(
    fresh: CommandLine, tiny_data: Path, tmp_path: Path
) -> None:
    units = ("--units", "0-15", "-f", "jsonl", "-q")
    alone = CommandLine(tiny_data, fresh.capsys)
    undisturbed = alone.explain(*units, "--root-results", str(tmp_path / "alone")).out
    assert fresh.explain(*FOUR).code == 0
    measure = ["metrics", "--masking-images", "1", *FOUR]
    measured = fresh(*measure).out
    explaining = [start(fresh.data, "explain", *ON_TINY, *units) for _ in range(2)]
    measuring = [start(fresh.data, *measure) for _ in range(2)]
    looking = [
        start(fresh.data, *command, "-q")
        for command in (
            ["render", "--units", "0", "--dir-images", str(tmp_path / "pictures")],
            ["render", "--units", "0-1", "--html", str(tmp_path / "page.html")],
            ["summary"],
            ["cache", "verify"],
        )
    ]
    # Read side by side: one that waits for another's pipe to be emptied would never end.
    processes = [*explaining, *measuring, *looking]
    with ThreadPoolExecutor(len(processes)) as pool:
        explained, again, *others = pool.map(finish, processes)
    assert explained.out == again.out == undisturbed
    assert {ended.out for ended in others[: len(measuring)]} == {measured}
    for ended in others[len(measuring) :]:
        assert (ended.code, ended.err) == (0, ""), ended.err
    assert fresh.explain(*units).out == undisturbed
    assert len(fresh.file(LINES).read_text().splitlines()) == len(undisturbed.splitlines())
