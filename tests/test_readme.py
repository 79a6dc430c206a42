from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ccx_cli.cli.main import main
from ccx_cli.cli.program import program
from ccx_cli.errors import ExitCode

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_of_commands() -> None:
    rows = re.findall(r"^\| `ccx ([^|]+) \|", README, re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"[\w-]+", row)}
    assert {"demo", "explain", "tui", "merge"} <= named <= set(program().commands)


def test_it_can_be_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CCX_DATA_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--model", "demo", "--subset", "demo", "--units", "42", "-q"]) == 0
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    ran = subprocess.run([sys.executable, "-c", examples], capture_output=True, text=True)
    assert ran.stderr == ""
    sentence, _, arrays = ran.stdout.partition("\n")
    assert sentence.startswith("Unit 42 responds most strongly to (road OR car) AND street")
    assert arrays == "0 cat 1.0\n1 dog 1.0\n0 0.5628\n1 0.6066\n"


def test_the_five_commands_on_own_data_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CCX_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    section = (ROOT / "docs" / "own-network.md").read_text(encoding="utf-8")
    blocks = re.findall(r"\n\n((?:(?:    .*)?\n)+)", section)
    drawing, network, commands = (textwrap.dedent(block) for block in blocks)
    exec(drawing, {})
    Path("mynet.py").write_text(network)
    lines = commands.split("\n")[:-1]
    assert len([line for line in lines if line.startswith("ccx ")]) == 5
    said = []
    for line in lines:
        if line:
            assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
            said.append(capsys.readouterr())
    assert "12" in said[0].out
    assert "tomato" in said[1].out
    assert "Conv2d" in said[2].out
    assert "leaf" in said[3].out
    assert "8 of 8 units of 1 explained" in said[3].err
    assert "16 of 16 units of 3 explained" in said[3].err
    assert "leaf" in said[4].out


def test_the_exit_codes_are_listed() -> None:
    for code in ExitCode:
        assert re.search(rf"\b{code.value} \w", README), code


def test_links_lead_somewhere_and_every_picture_is_shown() -> None:
    shown = set()
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
                shown.add((page.parent / target).resolve())
    assert set((ROOT / "docs" / "pictures").resolve().iterdir()) <= shown
