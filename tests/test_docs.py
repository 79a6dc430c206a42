"""Every command line in the documentation is one that ccx understands."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ccx_cli.cli.main import main
from ccx_cli.cli.program import program
from ccx_cli.records.metrics import ALL_METRICS

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
QUICK = {"config", "completion", "schema"}


def _commands(code: str) -> Iterator[list[str]]:
    """Yield the words after ``ccx`` of every command in a line of shell."""
    for part in re.split(r"&&|(?<!\w)\|(?!\w)", code):
        words = part.split()[:1]
        if words == ["ccx"]:
            words = shlex.split(part, comments=True)
            shown = words[1 : words.index(">")] if ">" in words else words[1:]
            # The first of several alternatives stands for all.
            yield [re.sub(r"^(\w+)\|[\w|]+$", r"\1", word) for word in shown]


def _blocks(page: Path) -> list[list[str]]:
    """Return the commands of the indented blocks, which readers paste."""
    lines = page.read_text(encoding="utf-8").splitlines()
    if page.parent.name == "commands":  # Which have prose in blocks as well, and the usage.
        lines = [line for line in lines if line.startswith("    ccx") and "[OPTIONS]" not in line]
    blocks = [line.strip() for line in lines if line.startswith("    ")]
    return [words for line in blocks for words in _commands(line)]


def _inline(page: Path) -> list[list[str]]:
    """Return the commands in backticks, in which RUN or FILE stand for a value."""
    found = re.findall(r"`(ccx [^`]+)`", page.read_text(encoding="utf-8").replace("\n", " "))
    return [words for code in found for words in _commands(code) if words[:1] != ["COMMAND"]]


def _command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words call, and its own arguments."""
    command: Any = program()
    while hasattr(command, "commands") and words:
        assert words[0] in command.commands, f"there is no ccx {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _check(words: list[str], *, values: bool) -> None:
    command, arguments = _command_of(words)
    if "--help" in arguments or hasattr(command, "commands"):
        return
    if values:
        command.make_context(words[0], list(arguments))
        return
    context = command.context_class(command, info_name=words[0])
    # Prose may name an option without its value.
    command.make_parser(context).parse_args([*arguments, "VALUE"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_pages_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for words in _blocks(page):
        _check(words, values=True)
    for words in _inline(page):
        _check(words, values=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_are_what_a_shell_reads(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks = [line for line in lines if line.startswith("    ccx") and "[OPTIONS]" not in line]
    assert not [line for line in blocks if "\\[" in line]
    subprocess.run(["bash", "-n"], input="\n".join(blocks), text=True, check=True)


def test_there_are_commands_to_check() -> None:
    assert sum(len(_blocks(page)) for page in PAGES) >= 20
    assert sum(len(_inline(page)) for page in PAGES) >= 40


def test_quick_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("CCX_DATA_DIR", str(tmp_path / "data"))
    ran = 0
    for page in PAGES:
        for words in (*_blocks(page), *_inline(page)):
            if words[0] in QUICK and words != ["completion"] and not any(map(str.isupper, words)):
                assert main(words) == 0, (words, capsys.readouterr().err)
                ran += 1
    assert ran >= 8


def test_every_measure_is_defined() -> None:
    rows = re.findall(
        r"^\| (`.*?) \|", (ROOT / "docs/measures.md").read_text("utf-8"), re.MULTILINE
    )
    defined = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(defined) == sorted(each.key for each in ALL_METRICS)
