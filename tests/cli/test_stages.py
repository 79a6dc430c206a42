"""How long is left: of a bar, and of all stages."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ccx_cli.cli import diagnostics
from ccx_cli.cli.diagnostics import BarProgress, PlainProgress
from ccx_cli.cli.remaining import Pace, Stages
from ccx_cli.probe import activation_shards

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
    from tests.clock import Clock
else:
    from clock import Clock
    from command_line import CommandLine


@given(
    workers=st.integers(1, 64),
    seconds=st.floats(0.01, 1e4),
    once=st.floats(0, 1e4),
    rounds=st.integers(2, 9),
    before=st.integers(0, 99),
)
def test_workers_that_each_take_the_same_time(
    workers: int, seconds: float, once: float, rounds: int, before: int
) -> None:
    """What the first piece of each takes beside, as compiling, says nothing of the others."""
    clock = Clock()
    pace = Pace(before + 20 * workers, before, clock)
    assert pace.left is None
    for number in range(1, rounds + 1):
        clock.now = once + number * seconds
        for _ in range(workers):
            pace.advance(1)
            if number == 1:
                assert pace.left is None
    if clock.now > 2 * (once + seconds):
        assert pace.left == pytest.approx((20 - rounds) * seconds)


def test_what_is_done_takes_no_time() -> None:
    pace = Pace(5, 5, Clock())
    assert pace.left == 0
    unknown = Pace(0, 0, Clock())
    unknown.advance(7)
    assert unknown.left is None


def advance(clock: Clock, pace: Pace, *times: float) -> None:
    for now in times:
        clock.now = now
        pace.advance(1)


def left(stages: Stages) -> float | None:
    return stages.left


def test_bars_that_share_the_work_and_what_comes_after() -> None:
    clock, units = Clock(), list[float]()
    stages = Stages(clock)
    expected: dict[str, Callable[[], float | None]] = {
        "Index": lambda: None,
        "Activations of": lambda: None,
        "Units": lambda: sum(units) if units else None,
    }
    with ExitStack() as bars, stages.expecting(expected):
        index = bars.enter_context(stages.begun("Index", 5, 0))
        advance(clock, index, 1, 2)
        assert index.left == 3
        assert left(stages) is None
        passes = bars.enter_context(stages.begun("Activations of demo, 4 layers", 9, 0))
        assert left(stages) is None
        advance(clock, passes, 3, 5)
        assert passes.left == 14
        assert left(stages) is None
        units.append(100)
        assert left(stages) == 114
        with stages.begun("Something else", 9, 0):
            assert left(stages) is None
        bars.close()
        assert left(stages) is None
        with stages.begun("Units of all layers", 9, 0) as last:
            advance(clock, last, 6, 8)
            assert (last.left, left(stages)) == (14, None)


def test_the_whole_takes_no_less_than_its_parts() -> None:
    """The units of a first layer took a second each, those of a second one take ten."""
    clock = Clock()
    stages = Stages(clock)
    with stages.begun("All", 20, 0, whole=True) as whole:
        for seconds, done in ((1.0, 10), (10.0, 3)):
            with stages.begun("Part", 10, 0) as part:
                for _ in range(done):
                    clock.now += seconds
                    part.advance(1)
                    whole.advance(1)
                if seconds > 1:
                    assert part.left == pytest.approx(70)
                    assert whole.left == pytest.approx(70)
        assert whole.left is not None
        assert whole.left < 70


def test_nothing_is_expected_afterwards() -> None:
    clock = Clock()
    stages = Stages(clock)
    with stages.begun("Images", 4, 0) as images:
        advance(clock, images, 1, 2)
        with stages.expecting({"Units": lambda: 7.0}):
            assert stages.left == 9
        assert stages.left is None


def test_lines() -> None:
    console = Console(file=io.StringIO(), width=200)
    clock = Clock()
    progress = PlainProgress(console, clock)
    with progress.expecting({"Images": lambda: None, "Units": lambda: 3600.0}):
        with progress.task("Images", 100) as task:
            for now in (5, 10, 11, 20):
                clock.now = now
                task.advance()
        with progress.task("Units", 10, unit="units") as task:
            for now in (25, 30, 31):
                clock.now = now
                task.advance()
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "Images: 2 of 100 images, about 8 min left, of all stages about 68 min",
        "Images: 4 of 100 images, about 8 min left, of all stages about 68 min",
        "Images: 4 of 100 images, 20 s",
        "Units: 2 of 10 units, about 40 s left",
        "Units: 3 of 10 units, 11 s",
    ]


def test_a_line_every_ten_seconds_whatever_is_open() -> None:
    console = Console(file=io.StringIO(), width=200)
    clock = Clock()
    progress = PlainProgress(console, clock)
    with progress.task("Layer", 999) as layer, progress.task("All layers", 999) as layers:
        for now in range(1, 101):
            clock.now = now
            layer.advance()
            layers.advance()
        assert isinstance(console.file, io.StringIO)
        assert len(console.file.getvalue().splitlines()) == 10


@pytest.mark.parametrize("width", [80, 120])
def test_bars(width: int) -> None:
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, height=40, color_system=None
    )
    clock = Clock()
    progress = BarProgress(console, clock)
    assert isinstance(console.file, io.StringIO)

    def shown() -> list[tuple[str, str]]:
        bars = progress._moving
        assert bars is not None
        assert isinstance(console.file, io.StringIO)
        console.file.truncate(0)
        bars.refresh()
        return re.findall(r"(Images|Units|All stages) .*?(\S+ ETA \S+)", console.file.getvalue())

    with progress.expecting({"Images": lambda: None, "Units": lambda: 3600.0}):
        clock.now = 5
        with progress.task("Images", 100) as task:
            clock.now = 10
            task.advance()
            assert shown() == [("Images", "0:00:05 ETA -:--:--")]
            clock.now = 70
            task.advance()
            assert shown() == [
                ("Images", "0:01:05 ETA 1:38:00"),
                ("All stages", "0:01:10 ETA 2:38:00"),
            ]
        with progress.task("Units", 10, unit="units") as task:
            assert shown() == [("Units", "0:00:00 ETA -:--:--")]


LAYERS = ["--layer", "layer2", "--layer", "layer4", "--batch-size", "1", "-f", "jsonl"]
OTHER = [*LAYERS, "--seed", "1", "--workers", "2"]


@pytest.fixture
def _timed(ccx: CommandLine) -> None:
    """A unit of layer2 has taken one worker 620 s, and one of layer4 1000 s."""
    assert ccx.explain(*LAYERS, "--units", "0-3").code == 0
    for layer, seconds in (("layer2", 620), ("layer4", 1000)):
        path = ccx.file(f"results/*{layer}*/header.json")
        header = json.loads(path.read_text())
        header["sessions"] = [{"units": 4, "seconds": 4 * seconds, "workers": 1}]
        path.write_text(json.dumps(header))


@pytest.fixture
def _many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each image, each of which is a shard."""
    monkeypatch.setattr(activation_shards, "_MOST_IMAGES", 1)
    monkeypatch.setattr(diagnostics, "_PLAIN_SECONDS", 0.0)
    clock: Any = count().__next__
    monkeypatch.setattr(diagnostics, "PlainProgress", partial(PlainProgress, clock=clock))


@pytest.mark.usefixtures("_timed", "_many_lines")
@pytest.mark.parametrize(
    ("units", "said"),
    [(["--units", "0-7"], "about 108 min"), (["--units", "2"], "about 14 min"), ([], "about 9 h")],
)
def test_explain_says_when_all_is_done(ccx: CommandLine, units: list[str], said: str) -> None:
    """Of a network that is like the one before, by two workers; of 32 and 48 units without any."""
    ended = ccx.explain(*OTHER, *units)
    assert ended.code == 0
    assert ended.err.count("has units take what they took in demo-none-layer2-tiny") == 1
    told = [line for line in ended.err.splitlines() if "of all stages about" in line]
    assert told
    for line in told:
        assert line.startswith("Activations of demo (none), 2 layers: ")
        assert line.endswith(f" left, of all stages {said}")


@pytest.mark.usefixtures("_many_lines")
def test_units_that_are_stored_take_no_time(ccx: CommandLine) -> None:
    shutil.rmtree(ccx.data / "activations")
    ended = ccx.explain("--units", "0-3", "--batch-size", "1", "-f", "jsonl")
    assert ended.code == 0
    (line, *_) = (line for line in ended.err.splitlines() if "of all stages" in line)
    left, stages = re.findall(r"about ([\d.]+) s", line)
    assert left == stages


@pytest.mark.slow
@pytest.mark.usefixtures("_timed", "_many_lines")
def test_workers_of_a_cluster_are_counted(ccx: CommandLine) -> None:
    pytest.importorskip("distributed")
    shutil.rmtree(ccx.data / "segmentations")
    ended = ccx.explain(*OTHER, "--units", "0-7", "--dask", "local:2", "--dask-timeout", "200")
    assert ended.code == 0
    assert "Concept index: 6 of 6 images" in ended.err
    assert " left, of all stages about 108 min" in ended.err


@pytest.mark.usefixtures("_timed", "_many_lines")
@pytest.mark.parametrize(
    "other",
    [
        ["--length", "2"],
        ["--layer", "layer1"],
        ["--units", "top:2"],
        ["--categories", "color"],
        ["--num-clusters", "2"],
    ],
)
def test_explain_says_nothing_of_what_it_cannot_know(ccx: CommandLine, other: list[str]) -> None:
    ended = ccx.explain(*OTHER, "--units", "0-1", *other)
    assert ended.code == 0
    assert "layers: 4 of 6 images, about" in ended.err
    assert "all stages" not in ended.err
