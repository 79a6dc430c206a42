"""Names that a terminal would obey: nothing of them reaches one, and programs get them whole."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.cli.main import main

if TYPE_CHECKING:
    from tests.cli.command_line import ON_TINY, CommandLine, Ended
else:
    from command_line import ON_TINY, CommandLine, Ended

# Clears the screen, sets the window's title, turns the direction of writing, and once more in C1.
HOSTILE = "\x1b[2Jred\x1b]0;owned\x07\u202e\x9b31m-c"
SHOWN = "�[2Jred�]0;owned���31m-c"


@pytest.fixture(scope="module")
def hostile_data(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set with such a concept, and four units explained."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    shutil.copytree(tiny_data / "datasets", data / "datasets")
    for name in ("label.csv", "c_color.csv"):
        path = data / "datasets" / "broden1_224" / name
        path.write_text(path.read_text().replace("red-c", HOSTILE))
    given = ["--units", "0-3", "-q", "-o", str(data / "table.txt"), "--data-dir", str(data)]
    assert main(["explain", *ON_TINY, *given]) == 0
    return data


@pytest.fixture
def hostile(hostile_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    shutil.copytree(hostile_data, tmp_path / "data")
    return CommandLine(tmp_path / "data", capsys)


def obeyed(ended: Ended) -> set[str]:
    """What a terminal would obey of all that was written, line breaks left out."""
    return {
        letter
        for letter in ended.out + ended.err
        if letter != "\n" and unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    }


@pytest.mark.parametrize(
    "command",
    [
        ["explain", *ON_TINY, "--units", "0-3"],
        ["explain", *ON_TINY, "--units", "0-3", "-f", "json"],
        ["explain", *ON_TINY, "--units", "0-3", "-f", "jsonl"],
        ["summary"],
        ["metrics", "--no-label-masking"],
        ["stability", "--resamples", "2"],
        ["info"],
        ["concepts", "--subset", "tiny"],
        ["score", "#1 AND (ball OR #1)", *ON_TINY, "--unit", "1"],
        ["score", f'"{HOSTILE}', *ON_TINY, "--unit", "1"],
        ["explain", *ON_TINY, "--concepts", HOSTILE + "x"],
        ["explain", *ON_TINY, "--layer", HOSTILE],
        ["explain", "--model", f"{HOSTILE}.py:make", "--layer", "x"],
        ["explain", "--model", "demo", "--subset", HOSTILE],
        ["metrics", HOSTILE],
        ["render", "--units", "0", "--html", HOSTILE + ".csv"],
        ["explain", "--config", HOSTILE],
        ["explain", f"--{HOSTILE}"],
        [HOSTILE],
    ],
    ids=lambda command: ascii(" ".join(command))[:60],
)
def test_a_terminal_gets_nothing_to_obey(command: list[str], hostile: CommandLine) -> None:
    ended = hostile(*command)
    assert obeyed(ended) == set()
    assert (ended.out + ended.err).strip()


def test_tables_show_the_name_and_programs_get_it(hostile: CommandLine) -> None:
    shown = hostile.explain("--units", "0-3", "--all", "-q")
    assert SHOWN.removesuffix("-c") in shown.out
    formulas = [line["formula"] for line in hostile.explain("--units", "0-3", "-f", "jsonl").lines]
    assert any(HOSTILE in formula for formula in formulas)
    assert HOSTILE in hostile.explain("--units", "0-3", "-q", "-f", "csv").out


def test_a_stored_line_with_such_a_name_and_one_that_is_damaged(hostile: CommandLine) -> None:
    path = hostile.file("results/*/explanations.jsonl")
    assert "\x1b" not in path.read_text()
    # Another program may have written them as they are, which JSON allows for some.
    lines = path.read_text(encoding="utf-8").splitlines()
    raw = {**json.loads(lines[0]), "layer": "\u202e\x7f\x9b2J"}
    path.write_text("\n".join([json.dumps(raw, ensure_ascii=False), *lines[1:]]) + "\n")
    for command in (["summary"], ["metrics", "--no-label-masking"], ["info"]):
        assert obeyed(hostile(*command)) == set()
    path.write_text("\x1b[2J\n" + "\n".join(lines))
    ended = hostile("summary")
    assert (ended.code, obeyed(ended)) == (4, set())
