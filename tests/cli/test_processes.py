"""``ccx`` as a process: signals, pipes, terminals, and two at once."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from ccx_cli.cli import cache, running
from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import (
        ON_TINY,
        PROGRAM,
        CommandLine,
        Ended,
        environment,
        finish,
        start,
    )
else:
    from command_line import ON_TINY, PROGRAM, CommandLine, Ended, environment, finish, start

ALL_UNITS = ["explain", *ON_TINY, "-f", "jsonl"]
INTERRUPTED = "Interrupted. Finished work is kept: run the same command to continue.\n"


def next_line(process: subprocess.Popen[str]) -> str:
    """Wait for a line of stdout; a process with more to say than a pipe holds now waits for us."""
    assert process.stdout is not None
    return process.stdout.readline()


def stored_lines(ccx: CommandLine) -> list[str]:
    return ccx.file("results/*/explanations.jsonl").read_text().splitlines()


@pytest.fixture(scope="module")
def all_units(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What an undisturbed run over all units prints."""
    path = tmp_path_factory.mktemp("undisturbed") / "lines.jsonl"
    data = ["--root-results", str(path.parent / "results"), "--data-dir", str(tiny_data)]
    assert main([*ALL_UNITS, "-q", "-o", str(path), *data]) == 0
    return path.read_text()


@pytest.fixture(scope="module")
def undisturbed_seconds(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    data = tmp_path_factory.mktemp("timed")
    began = time.monotonic()
    roots = ["--root-datasets", str(tiny_data / "datasets")]
    assert finish(start(data, *ALL_UNITS, *roots)).code == 0
    return time.monotonic() - began


class TestInterrupts:
    def test_one_sentence_and_130(self, ccx: CommandLine, all_units: str) -> None:
        process = start(ccx.data, *ALL_UNITS)
        lines = "".join(next_line(process) for _ in range(6 * 5))
        process.send_signal(signal.SIGINT)
        ended = finish(process)
        assert ended.code == 130
        assert ended.err.endswith(INTERRUPTED)
        assert "Traceback" not in ended.err
        assert all_units.startswith(lines + ended.out[: ended.out.rfind("\n") + 1])
        before = stored_lines(ccx)
        assert 6 * 5 <= len(before) < len(all_units.splitlines())

        assert ccx(*ALL_UNITS).out == all_units
        assert stored_lines(ccx)[: len(before)] == before
        assert len(stored_lines(ccx)) == len(all_units.splitlines())

    def test_ctrl_c_reaches_the_whole_group(self, ccx: CommandLine, all_units: str) -> None:
        process = start(ccx.data, *ALL_UNITS)
        next_line(process)
        os.killpg(process.pid, signal.SIGINT)
        ended = finish(process)
        assert ended.code == 130
        assert ended.err.endswith(INTERRUPTED)
        assert "Traceback" not in ended.err
        assert ccx(*ALL_UNITS).out == all_units

    @pytest.mark.slow
    @pytest.mark.parametrize("moment", [0.1, 0.3, 0.5, 0.7, 0.9])
    def test_killed_at_any_moment_nothing_is_lost_or_wrong(
        self, moment: float, fresh: CommandLine, all_units: str, undisturbed_seconds: float
    ) -> None:
        process = start(fresh.data, *ALL_UNITS, "-o", str(fresh.data / "out.jsonl"))
        try:
            process.wait(moment * undisturbed_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        finish(process)
        assert fresh(*ALL_UNITS).out == all_units
        assert fresh("cache", "verify", "-q").code == 0

    def test_killed_amid_explanations(self, ccx: CommandLine, all_units: str) -> None:
        process = start(ccx.data, *ALL_UNITS)
        for _ in range(60):
            next_line(process)
        process.kill()
        finish(process)
        assert ccx(*ALL_UNITS).out == all_units
        assert len(stored_lines(ccx)) >= len(all_units.splitlines())


class TestPipes:
    def test_a_reader_that_leaves(self, ccx: CommandLine, all_units: str) -> None:
        process = start(ccx.data, *ALL_UNITS)
        line = next_line(process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 0
        assert "Error" not in err
        assert "Traceback" not in err
        assert all_units.startswith(line)
        assert ccx("cache", "verify", "-q").code == 0
        assert ccx(*ALL_UNITS).out == all_units

    @pytest.mark.parametrize("form", ["table", "json", "csv"])
    def test_a_reader_that_was_never_there(self, form: str, ccx: CommandLine) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [*PROGRAM, "explain", *ON_TINY, "--units", "0-3", "-q", "-f", form],
            env=environment(ccx.data),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.close(writing)
        assert (ended.returncode, ended.stderr) == (0, "")

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
    def test_a_full_disk(self, ccx: CommandLine) -> None:
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [*PROGRAM, "explain", *ON_TINY, "--units", "0-3", "-q"],
                env=environment(ccx.data),
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert ended.returncode == 1
        assert ended.stderr == (
            "Error: No space left on device: check the path, its permissions and the space left.\n"
        )


@pytest.mark.slow
def test_two_at_once_do_not_harm_each_other(fresh: CommandLine, all_units: str) -> None:
    both = [start(fresh.data, *ALL_UNITS) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        for ended in pool.map(finish, both):
            assert ended.code == 0, ended.err
            assert ended.out == all_units
    assert len(stored_lines(fresh)) == len(all_units.splitlines())
    assert fresh("cache", "verify", "-q").code == 0
    header = json.loads(fresh.file("results/*/header.json").read_text())
    assert sum(session["units"] for session in header["sessions"]) == 48


HELD_NETWORK = """
from pathlib import Path
from torch import nn

class First(nn.Conv2d):
    def forward(self, images):
        if len(images) > 1 and Path({free!r}).exists():
            open({started!r}, "w").close()
            open({free!r}).read()
        return super().forward(images)

def make():
    return nn.Sequential(First(3, 4, 5, 4), nn.ReLU())
"""


@pytest.mark.slow
def test_caches_are_cleared_before_or_after_they_are_made(
    fresh: CommandLine, tmp_path: Path
) -> None:
    started, free = tmp_path / "started", tmp_path / "free"
    os.mkfifo(started)
    net = tmp_path / "nets.py"
    net.write_text(HELD_NETWORK.format(started=str(started), free=str(free)))
    words = ["--model", f"{net}:make", "--layer", "1", "--subset", "tiny"]
    explain = ["explain", *words, "--length", "1", "-f", "jsonl"]
    whole = fresh(*explain).out
    fresh.file("activations/*/images-*.h5").unlink()
    os.mkfifo(free)
    maker = start(fresh.data, "cache", "build", *words)
    started.read_text()
    cache = fresh.file("activations/*")
    refused = f"Error: {cache} is being written: wait for the ccx that does, or stop it.\n"
    assert fresh("cache", "clear", "--yes", "-q") == Ended(1, "", refused)
    fresh.file("results/*/explanations.jsonl").unlink()
    waiting = start(fresh.data, *explain)
    assert waiting.stderr is not None
    assert f"Waiting for another ccx that writes in {cache}.\n" in iter(waiting.stderr.readline, "")
    assert fresh("cache", "clear", "--yes", "-q") == Ended(1, "", refused)
    with free.open("w"):
        free.unlink()
    assert finish(maker).code == 0
    ended = finish(waiting)
    assert (ended.code, ended.out) == (0, whole)
    assert fresh("cache", "verify", "-q").code == 0
    assert len(fresh("cache", "clear", "--yes", "-f", "jsonl").lines) == 2

    # Of the activations there is nothing yet to be cleared, and the index is made after them.
    fresh("cache", "build", "--subset", "tiny", "--no-activations", "-q")
    os.mkfifo(free)
    maker = start(fresh.data, *explain[:-3], "2", "-f", "csv")
    started.read_text()
    assert fresh("cache", "clear", "--yes", "-q").code == 0
    with free.open("w"):
        free.unlink()
    ended = finish(maker)
    assert ended.code == 0, ended.err
    assert fresh("cache", "verify", "-q").code == 0


def on_terminal(
    data: Path, *arguments: str, columns: int = 100, stdout: int | None = None, **variables: str
) -> tuple[Ended, str]:
    """Run ``ccx`` with stderr, and stdout unless given, on a terminal; return what it showed."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(data, **variables),
        stdin=end,
        stdout=end if stdout is None else stdout,
        stderr=end,
        text=True,
    )
    os.close(end)
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        shown = _read_all(screen)
    out: IO[str] | None = process.stdout
    return Ended(process.wait(60), out.read() if out else "", ""), shown


def _read_all(screen: IO[bytes]) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = screen.read(65536)
        except OSError:  # Linux's way to say that the other end is closed.
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


COLOR = re.compile(r"\x1b\[[0-9;]*m")


def table_of(shown: str) -> list[str]:
    """Return the lines of the table in what is shown."""
    return [line for line in shown.splitlines() if line[:1] in set("┏┃┡│└")]


@pytest.mark.slow
class TestTerminals:
    def test_bars_with_counts_and_the_time_left(self, fresh: CommandLine) -> None:
        ended, shown = on_terminal(fresh.data, "explain", *ON_TINY, "--units", "0-3", columns=80)
        assert ended.code == 0
        plain = COLOR.sub("", shown)
        for bar in ("Activations of demo", "Concept index", "Explanations"):
            assert bar in plain
        assert re.search(r"━ 6/6 images \d:\d\d:\d\d ETA \d:\d\d:\d\d", plain)
        assert re.search(r"━ 4/4 units  ?\d:\d\d:\d\d ETA \d:\d\d:\d\d", plain)
        assert "…" not in plain
        assert COLOR.search(shown)
        # The bars have ended, and their line with them, where the headline begins.
        *_, answer = plain.split("\r\n\x1b[?25h")
        assert answer.startswith("4 units of layer4, 20 of 20 ranges explained")
        assert "ETA" not in answer
        assert max(len(line) for line in table_of(answer)) <= 80

    def test_stdout_gets_all_data_while_bars_move(self, ccx: CommandLine, tmp_path: Path) -> None:
        with (tmp_path / "lines").open("w") as file:
            given = ["--units", "0-9", "-f", "jsonl"]
            ended, shown = on_terminal(ccx.data, "explain", *ON_TINY, *given, stdout=file.fileno())
        assert ended.code == 0
        assert (tmp_path / "lines").read_text() == ccx.explain(*given).out
        assert "Explanations" in shown
        assert '"unit"' not in shown

    def test_lines_stream_above_the_bars(self, ccx: CommandLine) -> None:
        _, shown = on_terminal(ccx.data, *ALL_UNITS, "--units", "4-9", columns=2000)
        lines = [part for part in re.split(r"[\r\n]|\x1b\[2K", shown) if part.startswith('{"unit"')]
        assert [json.loads(COLOR.sub("", line))["unit"] for line in lines] == [
            unit for unit in range(4, 10) for _ in range(5)
        ]

    def test_a_narrow_terminal_goes_without_spare_columns(self, ccx: CommandLine) -> None:
        def header(columns: int) -> list[str]:
            given = ["explain", *ON_TINY, "--units", "0-3", "-q"]
            _, shown = on_terminal(ccx.data, *given, columns=columns)
            lines = table_of(COLOR.sub("", shown))
            assert len({len(line) for line in lines}) == 1
            assert len(lines[0]) <= columns
            return lines[1].strip("┃ ").replace(" ", "").split("┃")

        needed = ["unit", "range", "formula", "MCC", "lift", "IoU"]
        assert header(80) == needed
        assert {*needed, "hits"} < set(header(200))

    @pytest.mark.parametrize("setting", ["NO_COLOR", "--no-color"])
    def test_no_colours(self, setting: str, ccx: CommandLine) -> None:
        given = ["explain", *ON_TINY, "--units", "0-4"]
        if setting == "NO_COLOR":
            _, shown = on_terminal(ccx.data, *given, NO_COLOR="1")
        else:
            _, shown = on_terminal(ccx.data, *given, setting)
        assert "Explanations" in shown
        # Bold and dim are no colours.
        assert all(set(code) <= set("\x1b[012;m") for code in COLOR.findall(shown))

    def test_a_dumb_terminal_gets_lines(self, ccx: CommandLine) -> None:
        _, shown = on_terminal(ccx.data, "explain", *ON_TINY, "--units", "0-4", TERM="dumb")
        assert "\x1b" not in shown
        assert re.search(r"Explanations: 5 of 5 units, \d+\.\d s\r\n", shown)

    def test_quiet(self, ccx: CommandLine) -> None:
        reading, writing = os.pipe()
        ended, shown = on_terminal(
            ccx.data, "explain", *ON_TINY, "--units", "4", "-q", "-f", "csv", stdout=writing
        )
        os.close(writing)
        with os.fdopen(reading) as out:
            assert out.read().startswith("unit,layer,")
        assert (ended.code, shown) == (0, "")

    def test_errors_are_told_even_if_quiet(self, ccx: CommandLine) -> None:
        ended = ccx("explain", *ON_TINY, "--units", "99", "-q")
        assert ended.err.startswith("Error: --units 99 goes past the end")


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict"])
def test_names_that_are_no_text_come_out(encoding: str, ccx: CommandLine, tmp_path: Path) -> None:
    root = str(tmp_path) + "/p\udcff\N{LATIN SMALL LETTER E WITH ACUTE}ns"
    given = ["render", "--units", "0", "--kind", "distribution", "--dir-images", root]
    out = subprocess.run(
        [*PROGRAM, *given, "-q", "-f", "csv"],
        env=environment(ccx.data, PYTHONIOENCODING=encoding),
        capture_output=True,
    )
    assert (out.returncode, out.stderr) == (0, b"")
    shown = {"utf-8:strict": b"/p\xff\xc3\xa9ns/", "ascii:strict": b"/p\\udcff\\xe9ns/"}
    assert shown[encoding] in out.stdout


def test_an_interrupt_that_an_import_turned_into_an_error(
    unused: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressed = threading.Event()
    monkeypatch.setattr(running, "interrupted", pressed)

    def fail(_places: object) -> None:
        pressed.set()
        raise ImportError("initialization failed")

    monkeypatch.setattr(cache, "_caches", fail)
    ended = unused("cache", "list")
    assert (ended.code, ended.err) == (130, INTERRUPTED)


def test_a_fault_of_the_program_is_told_as_one(
    unused: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_places: object) -> None:
        raise ZeroDivisionError("so many caches")

    monkeypatch.setattr(cache, "_caches", fail)
    ended = unused("cache", "list")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "Error: ZeroDivisionError: so many caches (an internal error: --debug shows where).\n"
    )
    assert "Traceback" in unused("cache", "list", "--debug").err
