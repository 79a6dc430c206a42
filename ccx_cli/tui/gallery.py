"""As many pictures as fit side by side, and one of them enlarged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Footer, Static

from ccx_cli.tui.pictures import Drawn, Overlay, Picture, PictureList, legend
from ccx_cli.tui.view import View, read_in_thread

_MAX_FRAMES = 12


class Frame(Vertical):
    """A picture and its caption; a click enlarges it."""

    DEFAULT_CSS = """
    Frame { height: auto; width: 1fr; }
    Frame > .caption { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    Frame:hover > .caption { color: $text; background: $foreground 8%; }
    """

    @dataclass
    class Clicked(Message):
        """The picture at a position of the page is asked for."""

        position: int

    def __init__(self, position: int, lines: int) -> None:
        super().__init__()
        self._position, self._lines = position, lines

    def compose(self) -> ComposeResult:
        picture = Picture()
        picture.styles.height = self._lines
        yield picture
        yield Static("", classes="caption")

    def show(self, drawn: Drawn) -> None:
        """Show a picture."""
        for picture in self.query(Picture):
            picture.show(drawn.pixels)
        for caption in self.query(".caption").results(Static):
            caption.update(Text(drawn.caption))

    def on_click(self) -> None:
        """Ask for the picture alone."""
        self.post_message(self.Clicked(self._position))


class GridSize(NamedTuple):
    """How square pictures are laid out: each ``side`` cells wide and half as many lines high."""

    rows: int
    columns: int
    side: int

    @property
    def page(self) -> int:
        """Pictures on a page."""
        return self.rows * self.columns

    @property
    def lines(self) -> int:
        """Lines of a picture, without its caption."""
        return (self.side + 1) // 2


def fit_grid(width: int, height: int) -> GridSize:
    """Lay out square pictures, two cells wide for each line, with a caption under each.

    Three to twelve that cover most of the area, each wide enough to be made out; fewer, or
    narrower ones, where that is impossible.
    """
    sizes = [
        GridSize(rows, columns, min((width + 2) // columns - 2, 2 * (height // rows - 1)))
        for rows in range(1, height // 3 + 1)
        for columns in range(1, width // 4 + 1)
        if rows * columns <= _MAX_FRAMES
    ]
    for min_side, min_count in ((20, 3), (16, 2), (8, 2)):
        fitting = [size for size in sizes if size.side >= min_side and size.page >= min_count]
        if fitting:
            return max(fitting, key=lambda size: size.page * size.side**2)
    return GridSize(1, 1, max(min(width, 2 * (height - 1)), 2))


class Gallery(Widget):
    """A page of pictures, drawn in a thread; a new list or size cancels the drawing of the old."""

    DEFAULT_CSS = """
    Gallery { height: 1fr; width: 1fr; }
    Gallery > Grid { grid-gutter: 0 2; height: 1fr; }
    """

    @dataclass
    class Opened(Message):
        """A picture was asked for alone."""

        pictures: PictureList
        position: int
        overlay: Overlay

    @dataclass
    class PageShown(Message):
        """Which pictures are shown, counted from 1; ``error`` says why one of them is not."""

        first: int
        last: int
        total: int
        error: str = ""

    def __init__(self) -> None:
        super().__init__()
        self._pictures: PictureList | None = None
        self._grid = GridSize(0, 0, 0)
        self.first = 0
        self.overlay = Overlay.BOTH

    def compose(self) -> ComposeResult:
        yield Grid()

    def show(self, pictures: PictureList | None) -> None:
        """Show the first page of a list."""
        self._pictures, self.first = pictures, 0
        self._draw()

    def set_overlay(self, overlay: Overlay) -> None:
        """Draw something else over the pictures."""
        self.overlay = overlay
        self._draw()

    def turn(self, pages: int) -> None:
        """Show the next page, or, for -1, the previous one."""
        total = 0 if self._pictures is None else len(self._pictures.images)
        first = self.first + pages * self._grid.page
        if 0 <= first < total:
            self.first = first
            self._draw()

    async def on_resize(self, event: events.Resize) -> None:
        size = fit_grid(event.size.width, event.size.height)
        if size == self._grid:
            return
        grid = self.query_one(Grid)
        await grid.remove_children()
        grid.styles.grid_size_columns = size.columns
        grid.styles.grid_size_rows = size.rows
        grid.styles.width = size.columns * (size.side + 2) - 2
        grid.styles.height = size.rows * (size.lines + 1)
        await grid.mount_all(Frame(position, size.lines) for position in range(size.page))
        self._grid = size
        self._draw()

    def _draw(self) -> None:
        pictures, size, overlay, first = self._pictures, self._grid, self.overlay, self.first
        if not size.page:
            return
        if pictures is None or not pictures.images:
            self._fill([])
            self.post_message(self.PageShown(0, 0, 0))
            return
        last = min(first + size.page, len(pictures.images))

        def draw_page(is_wanted: Callable[[], bool]) -> list[Drawn]:
            return [
                pictures.draw(position, overlay, size.side, size.lines)
                for position in range(first, last)
                if is_wanted()
            ]

        def take(drawn: list[Drawn]) -> None:
            self._fill(drawn)
            error = next((each.error for each in drawn if each.error), "")
            self.post_message(self.PageShown(first + 1, last, len(pictures.images), error))

        read_in_thread(self, draw_page, take, lambda text: take([Drawn(None, "", text)]), "draw")

    def _fill(self, drawn: list[Drawn]) -> None:
        for position, frame in enumerate(self.query(Frame)):
            frame.show(drawn[position] if position < len(drawn) else Drawn(None, ""))

    @on(Frame.Clicked)
    def _enlarge(self, message: Frame.Clicked) -> None:
        message.stop()
        self.enlarge(message.position)

    def enlarge(self, position: int = 0) -> None:
        """Ask for a picture of the page alone."""
        if self._pictures is not None and self.first + position < len(self._pictures.images):
            self.post_message(self.Opened(self._pictures, self.first + position, self.overlay))


class GalleryView(View):
    """A screen with a gallery."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "page(1)", "More", key_display="]", tooltip="More images"),
        Binding("left_square_bracket", "page(-1)", "Previous images", key_display="[", show=False),
    ]

    @property
    def gallery(self) -> Gallery:
        """The images."""
        return self.query_one(Gallery)

    def _usual_status(self) -> str | Text:
        """Return what the last line says while nothing is wrong."""
        return ""

    def _show_page(self, page: Gallery.PageShown) -> None:
        """Say which images are shown."""
        raise NotImplementedError

    @on(Gallery.PageShown)
    def _page_shown(self, message: Gallery.PageShown) -> None:
        self._show_page(message)
        if message.error:
            self.show_error(message.error)
        elif message.total and self.shows_error:
            self.show_status(self._usual_status())

    @on(Gallery.Opened)
    def _enlarge(self, message: Gallery.Opened) -> None:
        self.app.push_screen(PictureView(message.pictures, message.position, message.overlay))

    def action_page(self, pages: int) -> None:
        self.gallery.turn(pages)

    def action_enlarge(self) -> None:
        self.gallery.enlarge()


class PictureView(ModalScreen[None]):
    """One picture as large as the terminal allows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back"),
        Binding("left,p", "turn(-1)", "Previous"),
        Binding("right,n,space", "turn(1)", "Next"),
        Binding("m", "masks", "Masks"),
    ]

    def __init__(self, pictures: PictureList, position: int, overlay: Overlay) -> None:
        super().__init__()
        self._pictures, self._position, self._overlay = pictures, position, overlay

    def compose(self) -> ComposeResult:
        with Vertical(id="alone"):
            yield Picture()
            yield Static("", id="caption")
        yield Footer()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def action_turn(self, pictures: int) -> None:
        self._position = (self._position + pictures) % len(self._pictures.images)
        self._draw()

    def action_masks(self) -> None:
        self._overlay = self._overlay.following
        self._draw()

    def _draw(self) -> None:
        width, height = self.query_one(Picture).size
        pictures, position, overlay = self._pictures, self._position, self._overlay
        read_in_thread(
            self,
            lambda _: pictures.draw(position, overlay, width, height),
            self._take,
            lambda text: self._take(Drawn(None, "", text)),
            "draw",
        )

    def _take(self, drawn: Drawn) -> None:
        self.query_one(Picture).show(drawn.pixels)
        text = f"{self._position + 1} of {len(self._pictures.images)}   {drawn.caption}   "
        about = Text(drawn.error) if drawn.error else legend(self._overlay)
        self.query_one("#caption", Static).update(Text(text) + about)
