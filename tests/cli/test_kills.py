"""``kill -9`` and Ctrl-C at random moments: in the end comes out what would have come out."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY
    from tests.cli.killing import Killer, killer
else:
    from command_line import ON_TINY
    from killing import Killer, killer

INTERRUPTED = "Interrupted. Finished work is kept: run the same command to continue.\n"
UNITS = ("--units", "0-11")
MEASURE = ("metrics", "--bootstrap", "20", "--masking-images", "1")
COMMANDS = (
    ("cache", "build", *ON_TINY),
    ("cluster", *ON_TINY, *UNITS),
    ("explain", *ON_TINY, *UNITS),
    MEASURE,
    ("render", "--units", "0-1", "--top-k", "2", "--force", "--dir-images", "{pictures}"),
)
KILLS = 100
# Kills of each command before it may finish, so that all of them are met.
AT_ONCE = 8


def _given(command: tuple[str, ...], data: Path) -> list[str]:
    words = [word.format(pictures=data / "pictures") for word in command]
    return [*words, "--data-dir", str(data), "--workers", "2"]


def _outcome(data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, dict[str, bytes]]:
    """What the finished directory answers: explanations, metrics, pictures."""
    answers = []
    for command in (("explain", *ON_TINY, *UNITS), MEASURE):
        capsys.readouterr()
        assert main([*command, "-q", "-f", "jsonl", "--data-dir", str(data)]) == 0
        answers.append(capsys.readouterr().out)
    pictures = {path.name: path.read_bytes() for path in (data / "pictures").iterdir()}
    return answers[0], answers[1], pictures


@pytest.fixture(scope="module")
def kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    with killer(tmp_path_factory.mktemp("killer")) as started:
        yield started


def _new(tiny_data: Path, where: Path) -> Path:
    shutil.copytree(tiny_data / "datasets", where / "datasets")
    return where


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hundred_kills_change_nothing(
    tiny_data: Path, tmp_path: Path, kill: Killer, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed = _new(tiny_data, tmp_path / "undisturbed")
    seconds = []
    for command in COMMANDS:
        code, took, err = kill.run(*_given(command, undisturbed))
        assert code == 0, err
        seconds.append(took)
    expected = _outcome(undisturbed, capsys)
    draw = random.Random(8)
    killed = dict.fromkeys(COMMANDS, 0)
    episode = 0
    while sum(killed.values()) < KILLS:
        episode += 1
        data = _new(tiny_data, tmp_path / f"episode {episode}")
        for command, whole in zip(COMMANDS, seconds, strict=True):
            code, kills = -signal.SIGKILL, 0
            while code:
                # The last time it may finish.
                seconds_left = draw.uniform(0, 0.6 * whole) if kills < AT_ONCE else None
                code, _, err = kill.run(*_given(command, data), seconds=seconds_left)
                assert code in (0, -signal.SIGKILL), err
                kills += code != 0
            killed[command] += kills
        assert _outcome(data, capsys) == expected
        assert main(["cache", "verify", "-q", "--data-dir", str(data)]) == 0
        shutil.rmtree(data)
    assert min(killed.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_ctrl_c_at_each_stage_is_one_sentence(
    command: tuple[str, ...],
    tiny_data: Path,
    tmp_path: Path,
    kill: Killer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = _new(tiny_data, tmp_path / "data")
    if command[0] in {"metrics", "render"}:
        assert main(["explain", *ON_TINY, *UNITS, "-q", "--data-dir", str(data)]) == 0
    kept = tmp_path / "kept"
    shutil.copytree(data, kept)
    code, whole, err = kill.run(*_given(command, data))
    assert code == 0, err
    for part in (0.1, 0.4, 0.8):
        while True:
            shutil.rmtree(data)
            shutil.copytree(kept, data)
            code, took, err = kill.run(
                *_given(command, data), seconds=part * whole, with_signal=signal.SIGINT
            )
            if code:
                break
            # It was done before: the machine has become faster since it was timed.
            whole = min(took, 0.9 * whole)
        assert code == 130, err
        assert "Traceback" not in err
        # Before the command line is read, nothing can have been finished.
        assert err.endswith(INTERRUPTED) or err == "Interrupted.\n"
        code, _, err = kill.run(*_given(command, data))
        assert code == 0, err
