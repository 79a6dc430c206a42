"""Whole screens as text, without Textual's own ornaments.

``CCX_UPDATE_SNAPSHOTS=1 python -m pytest tests/tui`` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ccx_cli.store.paths import Roots

if TYPE_CHECKING:
    from tests.tui.piloted import drive, driven
    from tests.tui.stored_golden import OPTIMAL
else:
    from piloted import drive, driven
    from stored_golden import OPTIMAL

SNAPSHOTS = Path(__file__).with_name("snapshots")


@pytest.mark.parametrize(
    ("name", "size", "unit", "keys", "texts"),
    [
        ("units-80x24", (80, 24), None, (), ("7 of 7 units",)),
        ("units-120x30", (120, 30), None, ("b",), ("15 of 15 ranges", "most active", "IoU 0.")),
        ("unit-80x24", (80, 24), 2, (), ("Lift",)),
        ("compare-120x30", (120, 30), None, ("c", "enter"), ("explained in both", "IoU 0.")),
        ("concepts-80x24", (80, 24), None, ("o",), ("12 of 12 concepts", "scene")),
    ],
)
def test_screen_is_as_it_was(
    roots: Roots,
    name: str,
    size: tuple[int, int],
    unit: int | None,
    keys: tuple[str, ...],
    texts: tuple[str, ...],
) -> None:
    shown: list[str] = []

    async def scene() -> None:
        async with driven(roots, roots.results / OPTIMAL, unit, size=size) as seen:
            await seen.until("7 of 7 units" if unit is None else "responds")
            for key in keys:
                await seen.press(key)
                if key == "c":
                    await seen.until("with which run?", "1 run.")
            await seen.until(*texts, gone=" ...")
            if name.startswith("units"):
                await seen.until(gone="category  ")
            shown.extend(await seen.settled())

    drive(scene())
    path = SNAPSHOTS / f"{name}.txt"
    text = "\n".join(shown) + "\n"
    if os.environ.get("CCX_UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
