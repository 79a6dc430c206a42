"""What a stored run names is not run unless the user named it, or says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.command_line import CommandLine
else:
    from command_line import CommandLine

NETWORK = """
from pathlib import Path
from torch import nn

def make(width=4):
    Path({mark!r}).touch()
    return nn.Sequential(
        nn.Conv2d(3, width, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, 3),
    )
"""
EXPLAIN = ("--layer", "1", "--subset", "tiny", "--units", "0", "--length", "1", "-q")


def explained(ccx: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a network of the user's own; the file that shows that its code was run."""
    mark = tmp_path / "ran"
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(NETWORK.format(mark=str(mark)))
    assert ccx("explain", "--model", "nets.py:make", *EXPLAIN).code == 0
    mark.unlink()
    return mark


def forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of-another-user"))


def test_a_network_that_was_named_before_needs_no_word(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = explained(fresh, tmp_path, monkeypatch)
    assert fresh("metrics", "--label-masking", "-q").code == 0
    assert mark.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["metrics", "--label-masking"],
        ["importance"],
        ["ablate"],
        ["roles"],
        ["analyze"],
        ["rerun", "--check", "--without-caches"],
        ["score", "first", "ball"],
    ],
    ids=" ".join,
)
def test_code_of_someone_elses_run_is_refused_until_it_is_trusted(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    mark = explained(fresh, tmp_path, monkeypatch)
    assert fresh("info", "--name", "first", "-q").code == 0
    if command[0] == "score":
        assert fresh("remove", "cache", "--yes", "-q").code == 0
    forget(monkeypatch, tmp_path)
    ended = fresh(*command, "-q")
    assert ended.code == 2
    assert "names code that was not run here before" in ended.err
    assert "run it with --trust" in ended.err
    assert not mark.exists()
    fresh(*command, "-q", "--trust")
    assert mark.exists()


def test_arguments_that_were_never_given_are_refused_until_they_are_trusted(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = explained(fresh, tmp_path, monkeypatch)
    header = fresh.file("results/*/header.json")
    content = json.loads(header.read_text())
    content["about"]["model_args"] = ["width=5"]
    header.write_text(json.dumps(content))
    ended = fresh("importance", "-q")
    assert ended.code == 2
    assert "nets.py:make width=5: read it" in ended.err
    assert not mark.exists()


def test_code_that_changed_since_is_refused(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = explained(fresh, tmp_path, monkeypatch)
    with Path("nets.py").open("a") as file:
        file.write("\n# Another version.\n")
    ended = fresh("metrics", "-q")
    assert ended.code == 4
    assert "nets.py:make changed since" in ended.err
    assert "run it with --trust" in ended.err
    assert not mark.exists()


@pytest.mark.parametrize("command", ["metrics", "importance", "roles", "render", "info", "summary"])
def test_a_header_cannot_name_a_command_of_the_system(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    mark = explained(fresh, tmp_path, monkeypatch)
    header = fresh.file("results/*/header.json")
    content = json.loads(header.read_text())
    content["about"] |= {"model": "os:system", "model_args": [f"command=touch {mark}"]}
    header.write_text(json.dumps(content))
    fresh(command, "-q")
    assert not mark.exists()


@pytest.mark.parametrize("module", ["ccx_test_nets", "ccx_test_package.nets"])
def test_a_module_of_the_same_name_elsewhere_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    from ccx_cli.probe.networks.trust import is_trusted, trust

    for folder in ("mine", "theirs"):
        path = tmp_path / folder / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True)
        path.write_text("def make(): ...\n")
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.chdir(tmp_path / "mine")
    trust(f"{module}:make", ())
    assert is_trusted(f"{module}:make", ())
    assert not is_trusted(f"{module}:make", ("file=other.pth",))
    monkeypatch.setattr("sys.path", [each for each in sys.path if each != str(tmp_path / "mine")])
    # Another process would not have imported the package.
    monkeypatch.delitem(sys.modules, module.partition(".")[0], raising=False)
    monkeypatch.chdir(tmp_path / "theirs")
    before = list(sys.path)
    assert not is_trusted(f"{module}:make", ())
    assert sys.path == before


def test_a_settings_file_that_only_lies_there_runs_no_code(
    fresh: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text("raise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "ccx.toml"
    settings.write_text('model = "theirs.py:make"\n')
    refused = fresh("layers")
    assert refused.code == 2
    assert "ccx.toml, model names code that was not run here before" in refused.err
    assert "cannot be imported" in fresh("layers", "--config", str(settings)).err
    (tmp_path / "mine.py").write_text("raise SystemExit(9)\n")
    settings.write_text('model-arg = ["file=theirs.pth"]\n')
    refused = fresh("layers", "--model", "mine.py:make")
    assert "ccx.toml, model-arg names code that was not run here before" in refused.err
    for key, words in (
        ("trust", ["metrics"]),
        ("yes", ["cache", "clear"]),
        ("force", ["concepts", "--subset", "tiny", "-o", str(settings)]),
    ):
        settings.write_text(f"{key} = true\n")
        refused = fresh(*words)
        assert refused.code == 2
        assert f"ccx.toml, {key} counts only in a file that you name with --config" in refused.err
        assert f"add --{key}." in refused.err
    assert settings.read_text() == "force = true\n"
    settings.write_text('[annotate]\nengine = "theirs.py:make"\n')
    refused = fresh("annotate", ".", "--words", "cat")
    assert refused.code == 2
    assert "ccx.toml, annotate.engine counts only in a file that you name" in refused.err
    named = fresh("annotate", ".", "--words", "cat", "--config", str(settings))
    assert "cannot be imported" in named.err
