"""``ccx`` before it works: help, version, and what starting costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ccx_cli.cli.main import main
from ccx_cli.cli.program import program
from ccx_cli.version import __version__

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

COMMANDS = (
    "ablate",
    "analyze",
    "annotate",
    "cache build",
    "cache list",
    "cache verify",
    "cache clear",
    "cluster",
    "compare heuristics",
    "compare layers",
    "compare objectives",
    "compare runs",
    "compare thresholds",
    "completion",
    "concepts",
    "config",
    "demo",
    "explain",
    "fetch",
    "import ade20k",
    "import coco",
    "import folder",
    "import imagefolder",
    "import table",
    "import voc",
    "importance",
    "info",
    "layers",
    "metrics",
    "remove cache",
    "remove dataset",
    "remove run",
    "render",
    "rerun",
    "roles",
    "schema",
    "score",
    "stability",
    "summary",
    "tui",
)
GROUPS = ("", "cache", "compare", "import", "remove")
HEAVY = {"torch", "torchvision", "numba", "numpy", "h5py", "sklearn", "scipy", "pyeda", "textual"}


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"ccx {__version__}\n", "")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [*GROUPS, "demo", "cache list"])
def test_help_goes_to_stdout(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), flag]) == 0
    out, err = capsys.readouterr()
    assert " ".join(["Usage: ccx", *command.split()]) in out
    assert err == ""


@pytest.mark.parametrize("group", [[], ["cache"]])
def test_a_bare_group_shows_its_help_and_no_error(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(group) in (0, 2)
    out, err = capsys.readouterr()
    assert "Usage: ccx" in out
    assert err == ""


@pytest.mark.parametrize("command", [*GROUPS, *COMMANDS])
def test_help_begins_with_examples_and_names_values_for_what_they_are(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*command.split(), "--help"])
    out = capsys.readouterr().out
    called = out.index(f"   ccx {command}".rstrip())
    assert 0 < out.index(" Examples ") < called < out.index("╭─")
    assert not re.search(r"<(str|int|float|bool|path|list)\b|Usage:.*(\{|\[\[)", out)
    assert re.search(r"--help +-h +Show this message", out)


def test_numbers_are_called_numbers_whatever_texts_share_their_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {}
    for command in ("ablate", "concepts"):
        main([command, "--help"])
        shown[command] = re.search(r"│ --images +(\S+)", capsys.readouterr().out)
    assert [found and found[1] for found in shown.values()] == ["N", "CONCEPT"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_read_at_a_glance(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([*command.split(), "--help"])
    out = capsys.readouterr().out
    assert out.count("\n") <= 40
    assert " Directories ──" not in out


def test_all_help_has_every_option_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    command: Any = program().commands["explain"]
    options = {each.opts[0] for each in command.params if not getattr(each, "hidden", False)}
    assert main(["explain", "--help"]) == 0
    brief = set(re.findall(r"^│ (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert main(["explain", "--help-all"]) == 0
    whole = capsys.readouterr().out
    assert options | {"--help"} == set(re.findall(r"^│ (--[a-z-]+)", whole, re.MULTILINE))
    assert {"--model", "--units", "--format", "--help-all"} <= brief < options | {"--help"}
    assert brief.isdisjoint({"--data-dir", "--config", "--operators", "--n-init", "--debug"})
    assert "With several layers" in whole


def test_what_is_asked_comes_before_where_it_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", "--help-all"])
    out = capsys.readouterr().out
    panels = [out.index(f" {name} ──") for name in ("Dataset", "Network", "Ranges", "Search")]
    assert panels == sorted(panels)
    assert panels[-1] < out.index(" Output ──") < out.index(" Directories ──")


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(
    command: str, flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([*command.split(), flag])
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_has_a_line_of_help(command: str) -> None:
    found: Any = program()
    for name in command.split():
        found = found.commands[name]
    for parameter in found.params:
        text = re.sub(r"\[/?[a-z ]+\]", "", parameter.help or "")
        assert re.fullmatch(r"\S.{0,78}\.", text), (parameter.opts, text)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main; code = main(['--help']);"
        "main(['explain', '--help']); print(code, *sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    code_and_modules = ended.stderr.split()
    assert code_and_modules[0] == "0"
    assert HEAVY.isdisjoint(module.partition(".")[0] for module in code_and_modules)


def test_listing_caches_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from ccx_cli.cli.main import main;"
        f"main(['cache', 'list', '-f', 'json', '--data-dir', {str(tmp_path)!r}]);"
        "sys.exit('torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "[]\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["explian"], "Did you mean 'explain'?"),
        (["cache", "lsit"], "Did you mean 'list'?"),
        (["explain", "--num-cluster", "3"], "--num-clusters"),
        (["--bogus"], "No such option: --bogus: `ccx --help` lists what there is."),
        (["explain", "--num-clusters", "few"], "'--num-clusters'"),
        (["explain", "--format", "yaml"], "'--format' / '-f'"),
        (["explain", "--workers", "-1"], "'--workers'"),
        (["explain", "--batch-size", "0"], "'--batch-size'"),
        (["explain", "--output"], "'--output'"),
        (["explain", "stray"], "stray"),
    ],
)
def test_what_cannot_be_parsed_is_named_in_one_line(
    words: list[str], sentence: str, unused: CommandLine
) -> None:
    ended = unused(*words) if words[0] == "explain" and words[-1] != "--output" else None
    if ended is None:
        code = main(words)
        out, err = unused.capsys.readouterr()
    else:
        code, out, err = ended.code, ended.out, ended.err
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
