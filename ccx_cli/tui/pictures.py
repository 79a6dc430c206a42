"""Pictures side by side, as many as there is room for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Grid, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from ccx_cli.tui.drawing import Drawn, Layers, PictureList, Shape, try_to_draw
from ccx_cli.tui.half_blocks import HalfBlocks, fitted
from ccx_cli.tui.terminal_graphics import graphics_widget, has_graphics
from ccx_cli.tui.view import Answer, in_thread

Pixels = NDArray[np.uint8]
_MOST_FRAMES = 12


class Picture(Container):
    """One picture in the cells there are."""

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    Picture > * { width: 1fr; height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """Lay out the picture."""
        yield graphics_widget() if has_graphics() else HalfBlocks()

    def show(self, pixels: Pixels | None) -> None:
        """Show ``(height, width, 3)`` uint8, or nothing."""
        shown = next(iter(self.children), None)
        if shown is None:  # closed before it was laid out
            return
        if isinstance(shown, HalfBlocks):
            shown.show(pixels)
            return
        from PIL import Image

        height, width = (1, 1) if pixels is None else pixels.shape[:2]
        rows, columns = cells_of((height, width), self.size.width, self.size.height)
        shown.styles.width, shown.styles.height = columns, rows
        shown.image = None if pixels is None else Image.fromarray(pixels)  # type: ignore[attr-defined]


def cells_of(shape: Shape, columns: int, lines: int) -> tuple[int, int]:
    """Return the lines and columns that a picture fills."""
    height, width = fitted(shape, max(columns, 1), max(lines, 1))
    return height // 2, width


def size_to_draw(columns: int, lines: int) -> Callable[[Shape], Shape]:
    """Return what gives the size to draw a picture at, for so many cells."""
    if has_graphics():
        return lambda shape: shape
    return lambda shape: fitted(shape, columns, lines)


class Frame(Vertical):
    """A picture and its caption; a click opens it."""

    DEFAULT_CSS = """
    Frame { height: auto; width: 1fr; }
    Frame > .caption { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    Frame:hover > .caption { color: $text; background: $foreground 8%; }
    """

    class Clicked(Message):
        """The picture is asked for."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, place: int, lines: int) -> None:
        super().__init__()
        self._place, self._lines = place, lines

    def compose(self) -> ComposeResult:
        """Lay out the frame."""
        picture = Picture()
        picture.styles.height = self._lines
        yield picture
        yield Static("", classes="caption")

    def show(self, drawn: Drawn) -> None:
        """Show a picture."""
        for picture in self.query(Picture):
            picture.show(drawn.pixels)
        for line in self.query(".caption").results(Static):
            line.update(Text(drawn.caption))

    def on_click(self) -> None:
        """Ask for the picture alone."""
        self.post_message(self.Clicked(self._place))


@dataclass(frozen=True, slots=True)
class Raster:
    """How square pictures are laid out: each ``side`` cells wide and half as many lines high."""

    rows: int
    columns: int
    side: int

    @property
    def lines(self) -> int:
        """Lines of a picture, without its caption."""
        return (self.side + 1) // 2


def lay_out(width: int, height: int) -> Raster:
    """Lay out square pictures, two cells wide for each line, with a caption under each.

    Three to twelve that cover most of the room, each wide enough to be made out; fewer, or
    narrower ones, where there is no such way.
    """
    for least_side, least_count in ((20, 3), (16, 2), (8, 2)):
        best, covered = Raster(1, 1, max(min(width, 2 * (height - 1)), 2)), 0
        for rows in range(1, height // 3 + 1):
            lines = height // rows - 1
            for columns in range(1, width // 4 + 1):
                side = min((width + 2) // columns - 2, 2 * lines)
                count = rows * columns
                area = count * side * side
                if side >= least_side and least_count <= count <= _MOST_FRAMES and area > covered:
                    best, covered = Raster(rows, columns, side), area
        if covered:
            break
    return best


class Gallery(Widget):
    """A page of pictures, drawn in a thread; a new list or size makes the old one forgotten."""

    DEFAULT_CSS = """
    Gallery { height: 1fr; width: 1fr; }
    Gallery > Grid { grid-gutter: 0 2; height: 1fr; }
    """

    class Opened(Message):
        """A picture was asked for alone."""

        def __init__(self, pictures: PictureList, place: int, layers: Layers) -> None:
            super().__init__()
            self.pictures, self.place, self.layers = pictures, place, layers

    class Shown(Message):
        """The pictures are there; ``trouble`` says why one of them is not, ``""`` if all are."""

        def __init__(self, trouble: str) -> None:
            super().__init__()
            self.trouble = trouble

    class PageShown(Message):
        """Which pictures come into sight."""

        def __init__(self, first: int, last: int, total: int) -> None:
            super().__init__()
            self.first, self.last, self.total = first, last, total

    def __init__(self) -> None:
        super().__init__()
        self._pictures: PictureList | None = None
        self._first = 0
        self._raster = Raster(0, 0, 0)
        self.over = Layers.BOTH

    def compose(self) -> ComposeResult:
        """Lay out the gallery; frames come with the size."""
        yield Grid()

    def on_answer(self, answer: Answer[Any]) -> None:
        """Take what a thread has drawn."""
        answer.stop()
        answer.deliver()

    def show(self, pictures: PictureList | None) -> None:
        """Show the first page of a list."""
        self._pictures, self._first = pictures, 0
        self._draw()

    def draw_over(self, layers: Layers) -> None:
        """Draw other things over the pictures."""
        self.over = layers
        self._draw()

    def turn(self, pages: int) -> None:
        """Show the next page, or, for -1, the one before."""
        page = self._raster.rows * self._raster.columns
        total = 0 if self._pictures is None else len(self._pictures.places)
        first = self._first + pages * page
        if 0 <= first < total:
            self._first = first
            self._draw()

    async def on_resize(self, event: events.Resize) -> None:
        """Make as many frames as there is room for."""
        raster = lay_out(event.size.width, event.size.height)
        if raster == self._raster:
            return
        grid = self.query_one(Grid)
        await grid.remove_children()
        grid.styles.grid_size_columns = raster.columns
        grid.styles.grid_size_rows = raster.rows
        grid.styles.width = raster.columns * (raster.side + 2) - 2
        grid.styles.height = raster.rows * (raster.lines + 1)
        frames = [Frame(place, raster.lines) for place in range(raster.rows * raster.columns)]
        await grid.mount_all(frames)
        self._raster = raster
        self._draw()

    def _draw(self) -> None:
        pictures, raster, layers = self._pictures, self._raster, self.over
        page = raster.rows * raster.columns
        if not page:
            return
        if pictures is None or not pictures.places:
            self._fill([])
            self.post_message(self.PageShown(0, 0, 0))
            return
        first = self._first
        last = min(first + page, len(pictures.places))
        fit = size_to_draw(raster.side, raster.lines)

        def draw(wanted: Callable[[], bool]) -> list[Drawn]:
            drawn: list[Drawn] = []
            for which in range(first, last):
                if not wanted():
                    break
                drawn.append(try_to_draw(pictures, which, layers, fit, fine=has_graphics()))
            return drawn

        in_thread(self, draw, self._take, self._refuse, "draw")
        self.post_message(self.PageShown(first + 1, last, len(pictures.places)))

    def _fill(self, drawn: list[Drawn]) -> None:
        for place, frame in enumerate(self.query(Frame)):
            frame.show(drawn[place] if place < len(drawn) else Drawn(None, ""))

    def _take(self, drawn: list[Drawn]) -> None:
        self._fill(drawn)
        self.post_message(self.Shown(next((each.trouble for each in drawn if each.trouble), "")))

    def _refuse(self, sentence: str) -> None:
        self._take([Drawn(None, "", sentence)])

    @on(Frame.Clicked)
    def _open(self, message: Frame.Clicked) -> None:
        message.stop()
        self.open(message.place)

    def open(self, place: int = 0) -> None:
        """Ask for a picture of the page alone."""
        if self._pictures is not None and self._first + place < len(self._pictures.places):
            self.post_message(self.Opened(self._pictures, self._first + place, self.over))
