"""Drives the application without a terminal, and reads what is on its screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets import Input

from ccx_cli.store.paths import Roots
from ccx_cli.tui.app import CcxApp

SIZE = (110, 40)
_PATIENCE = 30.0


class Driven:
    """The application as somebody who presses keys sees it."""

    def __init__(self, app: CcxApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without blanks at their ends."""
        compositor = self.app.screen._compositor
        strips = compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    @property
    def text(self) -> str:
        """The whole screen."""
        return "\n".join(self.lines)

    def shows(self, text: str) -> bool:
        """Tell whether a text is on the screen, in a line or wrapped wherever a path ends."""
        lines = self.lines
        return text in "\n".join(lines) or text in " ".join(line.strip() for line in lines)

    @property
    def own_lines(self) -> list[str]:
        """The screen's lines without what Textual draws as it likes in each of its versions."""
        cells = [list(line.ljust(self.app.size.width)) for line in self.lines]
        screen = self.app.screen
        regions = [widget.region for widget in screen.query("Footer, Select")]
        regions += [
            Region(widget.region.right - 1, widget.region.y, 1, widget.region.height)
            for widget in screen.query("*")
            if widget.show_vertical_scrollbar
        ]
        for region in regions:
            for y in range(region.y, region.bottom):
                cells[y][region.x : region.right] = " " * region.width
        return ["".join(row).rstrip() for row in cells]

    async def press(self, *keys: str) -> None:
        """Press keys one after another."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Put a text where the cursor is, as one that is pasted."""
        focused = self.app.focused
        assert isinstance(focused, Input)
        focused.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def until(self, *texts: str, gone: str | None = None) -> None:
        """Wait until all texts are on the screen, and ``gone`` is not."""
        await self.until_so(
            lambda: all(map(self.shows, texts)) and (gone is None or not self.shows(gone)),
            f"{texts} without {gone}",
        )

    async def settled(self) -> list[str]:
        """Wait until the screen, laid out and drawn again, is as it was, and return its lines."""
        last: list[str] = []

        def same() -> bool:
            nonlocal last
            was, last = last, self.own_lines
            return was == last

        await self.until_so(same, "a screen that stays")
        return last

    async def until_so(self, so: Callable[[], bool], what: str = "") -> None:
        """Wait until something is so."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while True:
            await self.pilot.pause()
            if so():
                return
            if loop.time() > end:
                raise AssertionError(f"{what} never came; the screen is\n{self.text}")
            await asyncio.sleep(0.03)


@asynccontextmanager
async def driven(
    roots: Roots,
    start: Path | None = None,
    unit: int | None = None,
    size: tuple[int, int] = SIZE,
) -> AsyncIterator[Driven]:
    """Run the application."""
    app = CcxApp(roots, start, unit)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Driven(app, pilot)


def drive(scene: Awaitable[None]) -> None:
    """Run a scene to its end."""

    async def run() -> None:
        await scene

    asyncio.run(run())
