"""The map of the code is true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_room_is_on_the_map() -> None:
    table = PAGE.partition("## The rooms")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w.]+)/?`", table))
    rooms = {
        path.name
        for path in (ROOT / "ccx_cli").iterdir()
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem[0] != "_")
    }
    assert rooms <= named, rooms - named


def test_every_file_on_the_map_is_there() -> None:
    for name in re.findall(r"`((?:ccx_cli|tests|tools|docs)/[\w./]+)`", PAGE):
        if "NAME" not in name:
            assert (ROOT / name).exists(), name
