"""The pages of ``docs/commands``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.pages import INDEX, pages, write_pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "commands"


def test_the_pages_are_current() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*")}
    assert there == pages(), "write them with `python -m tools.pages docs/commands`"


def test_every_page_is_in_the_index() -> None:
    found = pages()
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", found[INDEX]))
    assert linked == set(found) - {INDEX}
    assert {"explain.md", "cache-build.md", "config.md"} <= linked


def test_a_page_says_what_the_help_says() -> None:
    page = pages()["explain.md"]
    assert page.startswith("# ccx explain\n\n    ccx explain [OPTIONS]\n\nFind the formula")
    assert "\n## Examples\n\n    ccx explain --model demo --subset demo --units 0-4\n" in page
    assert "| `--num-clusters` | whole number | `5` | Number of ranges per unit" in page
    assert "| `--format` `-f` | `table` `json` `jsonl` `csv` " in page
    assert "[bold]" not in page
    assert "[dim]" not in page


def test_pages_do_not_depend_on_where_they_are_written(tmp_path: Path) -> None:
    narrow = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "COLUMNS": "40",
        "FORCE_COLOR": "1",
        "CCX_LENGTH": "7",
        "CCX_DATA_DIR": "/elsewhere",
        "LANG": "C",
    }
    (tmp_path / "ccx.toml").write_text("num-clusters = 2")
    subprocess.run(
        [sys.executable, "-m", "tools.pages", "pages"], cwd=tmp_path, env=narrow, check=True
    )
    written = tmp_path / "pages"
    assert {path.name: path.read_text(encoding="utf-8") for path in written.iterdir()} == pages()


def test_pages_of_commands_that_are_gone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.pages.pages", lambda: {"new.md": "new\n"})
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "kept.txt").write_text("kept")
    write_pages(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.txt", "new.md"]
