"""What every command has and does alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.cli.main import main
from ccx_cli.cli.program import program

if TYPE_CHECKING:
    from tests.cli.command_line import PROGRAM, CommandLine, environment
else:
    from command_line import PROGRAM, CommandLine, environment

# One is a screen, one prints a script.
WITHOUT_DATA = {"completion", "tui"}
# They write pictures and pages, and forms of other programs.
OTHER_FORMS = {"render", "export"}
LONG = (
    "explain",
    "cluster",
    "cache build",
    "fetch",
    "importance",
    "metrics",
    "simulate",
    "stability",
    "analyze",
    "ablate",
)


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device is Linux's")


def leaves(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        if hasattr(command, "commands"):
            yield from leaves(command, path)
        elif not command.hidden:
            yield path, command


COMMANDS = dict(leaves(program()))


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_the_standard_options(path: str) -> None:
    options = {name for param in COMMANDS[path].params for name in getattr(param, "opts", ())}
    wanted = {"--config"}
    if path not in WITHOUT_DATA:
        wanted |= {"--quiet", "-q", "--no-color", "--debug", "--output", "-o", "--force"}
    if path not in WITHOUT_DATA | OTHER_FORMS:
        wanted |= {"--format", "-f"}
    if path in LONG:
        wanted |= {"--dry-run"}
    assert wanted <= options


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_the_help_says_what_an_option_is(path: str) -> None:
    for param in COMMANDS[path].params:
        if not getattr(param, "hidden", False):
            assert param.help, param.name


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_an_unknown_option_ends_with_2(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path.split(), "--bogus-option"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_the_first_line_of_help_is_enough(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for words in ([], ["--help"], ["explain", "--help"], ["--version"]):
        ended = subprocess.run(
            [*PROGRAM, *words],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(tmp_path),
            text=True,
        )
        assert (ended.returncode in (0, 2 if not words else 0), ended.stderr) == (True, ""), words
    os.close(writing)


READ_BY_NOBODY = """
import os, shlex, sys
from ccx_cli.cli.main import main
for line in sys.argv[1:]:
    reading, writing = os.pipe()
    os.close(reading)
    os.dup2(writing, 1)
    os.close(writing)
    sys.stdout = open(1, "w", closefd=False)
    print(int(main(shlex.split(line))), line, file=sys.stderr)
"""


@pytest.mark.slow
def test_a_reader_that_leaves_ends_every_command_quietly(ccx: CommandLine, tmp_path: Path) -> None:
    tiny = "--model demo --pretrained none --subset tiny"
    run = ccx.file("results/*").name
    lines = [
        f"{words} -q {form}"
        for words in (
            f"explain {tiny} --units 0-5",
            f"explain {tiny} --dry-run",
            f"cluster {tiny} --units 0",
            f"layers {tiny.partition(' --subset')[0]}",
            f"score ball {tiny}",
            "metrics --no-label-masking",
            "summary",
            "importance --units 0",
            "ablate --units 0 --images 1",
            "roles --units 0",
            "stability --units 0 --resamples 2",
            "info",
            "info --all",
            "rerun --check --units 0",
            f"compare runs {run} {run}",
            f"compare layers {run}",
            f"render --kind iou --dir-images {tmp_path / 'figures'}",
            "concepts --subset tiny",
            "config",
            "schema",
            "fetch --list",
            "cache list",
            "cache verify",
        )
        for form in ("-f jsonl", "-f json", "")
    ]
    lines += ["info --methods", "info --bibtex", "completion bash", "schema explain"]
    ended = subprocess.run(
        [sys.executable, "-c", READ_BY_NOBODY, *lines],
        stderr=subprocess.PIPE,
        env=environment(ccx.data),
        text=True,
    )
    assert ended.stderr.splitlines() == [f"0 {line}" for line in lines]
    # What was being found when the reader left is stored, and nothing is torn.
    assert ccx("cache", "verify").code == 0
    assert {line["unit"] for line in ccx.explain("-q", "-f", "jsonl", "--units", "0-5").lines} == {
        *range(6)
    }


@pytest.mark.parametrize(
    "words", ["--version", "--help", "cache list", "cache list -f parquet", "completion bash"]
)
def test_a_closed_stdout_is_told_in_a_sentence(words: str, tmp_path: Path) -> None:
    if "parquet" in words:
        pytest.importorskip("pyarrow.parquet")
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {words} >&-', "sh", *PROGRAM],
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
        text=True,
    )
    sentence = "Error: Stdout is closed: leave it open, or name a file with --output.\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)


@pytest.mark.slow
@pytest.mark.parametrize("stderr", ["2>&-", "2</dev/null", pytest.param("2>/dev/full", marks=FULL)])
def test_a_stderr_that_takes_nothing_changes_neither_data_nor_code(
    stderr: str, ccx: CommandLine
) -> None:
    words = f"concepts --subset tiny -f jsonl {stderr} <&-"
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {words}', "sh", *PROGRAM],
        stdout=subprocess.PIPE,
        env=environment(ccx.data),
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (
        0,
        ccx("concepts", "--subset", "tiny", "-f", "jsonl").out,
    )
    words = f"concepts --subset none -f jsonl {stderr}"
    ended = subprocess.run(
        ["sh", "-c", f'exec "$@" {words}', "sh", *PROGRAM],
        stdout=subprocess.PIPE,
        env=environment(ccx.data),
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (2, "")


@FULL
def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*PROGRAM, "cache", "list", "-f", "json"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(tmp_path),
            text=True,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("Error: No space left on device: check")
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_the_form_follows_the_ending_of_the_file(ccx: CommandLine, tmp_path: Path) -> None:
    words = ("concepts", "--subset", "tiny", "-q")
    for ending in ("csv", "json", "jsonl"):
        file = tmp_path / f"concepts.{ending}"
        assert ccx(*words, "-o", str(file)).code == 0
        assert file.read_text() == ccx(*words, "-f", ending).out
    table = tmp_path / "concepts.txt"
    assert ccx(*words, "-o", str(table)).code == 0
    assert "coverage" in table.read_text().splitlines()[1]
    for form in ("-fcsv", "--format=table", "-qfjsonl"):
        ended = ccx(*words, form, "-o", str(tmp_path / "other.json"))
        assert ended.code == 2
        assert f"--output {tmp_path / 'other.json'} differ: leave --format out" in ended.err
    for name in ("concepts.tsv", "concepts.jsonl.gz"):
        ended = ccx(*words, "-o", str(tmp_path / name))
        assert ended.code == 2
        assert "ends in no form that ccx writes: end it in .csv, .json" in ended.err
        assert ccx(*words, "-f", "csv", "-o", str(tmp_path / name)).code == 0
    assert ccx(*words, "-o", str(tmp_path / "concepts")).code == 0


def test_stdout_by_its_path_is_not_a_file_to_overwrite(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("before\n")
    with file.open("a") as opened:
        subprocess.run(
            [*PROGRAM, "schema", "-f", "csv", "-o", "/dev/stdout"],
            stdout=opened,
            env=environment(tmp_path),
            check=True,
        )
    assert file.read_text().startswith("before\nschema,")


def test_output_that_cannot_be_written(unused: CommandLine, tmp_path: Path) -> None:
    for place, sentence in (
        (tmp_path, "is a directory: name a file."),
        (Path("/proc/nothing/here"), "name another"),
    ):
        ended = unused("cache", "list", "-o", str(place))
        assert ended.code in (1, 2)
        assert sentence in ended.err
        assert ended.err.count("\n") == 1


INTERRUPTED_WHILE_IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
        return None
sys.meta_path.insert(0, Finder())
sys.argv = ["ccx", *WORDS]
from ccx_cli.cli.entry import run
run()
""".replace("sys.argv[1]", "WANTED")


LISTING = ["cache", "list"]
LAYERS = ["layers", "--model", "resnet18", "--pretrained", "none"]
SCORING = ["score", "ball", "--model", "demo", "--subset", "demo"]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("ccx_cli.cli.main", LISTING),
        ("typer", LISTING),
        ("rich.console", LISTING),
        ("ccx_cli.cli.cache", LISTING),
        pytest.param("torch", LAYERS, marks=pytest.mark.slow),
        pytest.param("torch.nn.functional", LAYERS, marks=pytest.mark.slow),
        pytest.param("torchvision", LAYERS, marks=pytest.mark.slow),
        pytest.param("numba", SCORING, marks=pytest.mark.slow),
        pytest.param("numba.core.types", SCORING, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_while_importing_ends_in_a_line(
    module: str, words: list[str], tmp_path: Path
) -> None:
    code = f"WANTED, WORDS = {module!r}, {words!r}\n{INTERRUPTED_WHILE_IMPORTING}"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(tmp_path)
    )
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.startswith("Interrupted.")
    assert "Traceback" not in ended.stderr


ENDED_WITHIN_C = """
import os, signal, sys
import ccx_cli.cli.cache
def listing(*_):
    try:
        if CTRL_C:
            os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    raise ValueError("Invalid bounding box")
ccx_cli.cli.cache.list_caches = listing
sys.argv = ["ccx", "cache", "list"]
from ccx_cli.cli.entry import run
run()
"""


@pytest.mark.parametrize("with_ctrl_c", [True, False])
def test_ctrl_c_that_comes_back_as_another_error(with_ctrl_c: bool, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", f"CTRL_C = {with_ctrl_c}\n{ENDED_WITHIN_C}"],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )
    assert ended.returncode == (130 if with_ctrl_c else 1)
    assert ("Invalid bounding box" in ended.stderr) != with_ctrl_c
    assert ended.stderr.startswith("Interrupted.") == with_ctrl_c


def test_an_early_sigint_ends_with_130(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    code = f"import os; os.write({writing}, b'.'); from ccx_cli.cli.entry import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.argv = ['ccx', '--help']; {code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
        pass_fds=[writing],
        text=True,
    )
    assert os.read(reading, 1) == b"."
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    os.close(reading)
    os.close(writing)
    assert process.returncode in (130, -signal.SIGINT)
    if process.returncode == 130:
        assert "Traceback" not in err
