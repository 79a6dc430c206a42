"""Bars and lines of downloads."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from ccx_cli.cli.diagnostics import BarProgress, PlainProgress

if TYPE_CHECKING:
    from tests.clock import Clock
else:
    from clock import Clock


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("total", "done", "unit", "text"),
    [
        (4_000_000, 1_500_000, "bytes", "2.5/4.0 MB"),
        (0, 0, "bytes", "1.0 MB"),
        (3_000_000, 1, "images", "1000001/3000000 images"),
    ],
)
def test_a_bar(console: Console, total: int, done: int, unit: str, text: str) -> None:
    with BarProgress(console).task("Fetching", total, done=done, unit=unit) as task:
        task.advance(1_000_000)
    assert text in shown(console)


@pytest.mark.parametrize(
    ("total", "text"), [(4_000_000, "Fetching: 2.0 of 4.0 MB, "), (0, "Fetching: 2.0 MB, ")]
)
def test_a_line(console: Console, total: int, text: str) -> None:
    with PlainProgress(console).task("Fetching", total, done=1_000_000, unit="bytes") as task:
        task.advance(1_000_000)
    assert shown(console).startswith(text)


def test_a_line_while_it_lasts(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ccx_cli.cli.diagnostics._PLAIN_SECONDS", 0.0)
    clock = Clock()
    with PlainProgress(console, clock).task("Fetching", 4_000_000, unit="bytes") as task:
        clock.now = 1.0
        task.advance(1_000_000)
        assert shown(console) == ""  # The first piece says nothing of speed.
        clock.now = 3.0
        task.advance(1_000_000)
    first = shown(console).splitlines()[0]
    assert first == "Fetching: 2.0 of 4.0 MB, 0.5 MB/s, about 4.0 s left"
