"""As many pictures as fit side by side, and one of them enlarged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import ClassVar, NamedTuple

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from ccx_cli.tui.pictures import Drawn, Overlay, Picture, PictureList, following, legend
from ccx_cli.tui.view import View, read_in_thread

_MAX_FRAMES = 12
# Cells of a side from which more pictures are better than larger ones.
_LARGE = 40


class Frame(Vertical):
    """A picture and its caption; a click enlarges it."""

    def __init__(self, lines: int, enlarge: Callable[[], None]) -> None:
        super().__init__()
        self._lines, self._enlarge = lines, enlarge

    def compose(self) -> ComposeResult:
        picture = Picture()
        picture.styles.height = self._lines
        yield picture
        yield Static("", classes="caption")

    def show(self, drawn: Drawn) -> None:
        for picture in self.query(Picture):
            picture.show(drawn.pixels)
        for caption in self.query(".caption").results(Static):
            caption.update(Text(drawn.caption))

    def on_click(self) -> None:
        self._enlarge()


class GridSize(NamedTuple):
    """How pictures are laid out: ``side`` cells wide, ``lines`` high without a caption."""

    rows: int
    columns: int
    side: int
    lines: int

    @property
    def page(self) -> int:
        return self.rows * self.columns


def fit_grid(width: int, height: int) -> GridSize:
    """Lay out square pictures, two cells wide for each line, with a caption under each."""
    sizes = []
    for rows, columns in product(range(1, height // 3 + 1), range(1, width // 4 + 1)):
        side = min((width + 2) // columns - 2, 2 * (height // rows - 1))
        if rows * columns <= _MAX_FRAMES:
            sizes.append(GridSize(rows, columns, side, (side + 1) // 2))
    for min_side, min_count in ((28, 1), (16, 2), (8, 2)):
        fitting = [size for size in sizes if size.side >= min_side and size.page >= min_count]
        if fitting:
            return max(fitting, key=lambda size: size.page * min(size.side, _LARGE) ** 2)
    side = max(min(width, 2 * (height - 1)), 2)
    return GridSize(1, 1, side, (side + 1) // 2)


class Gallery(Vertical):
    """A page of pictures under a line that says which, or one ``alone``, as large as possible."""

    def __init__(self, *, alone: bool = False) -> None:
        super().__init__()
        self._pictures: PictureList | None = None
        self._grid = GridSize(0, 0, 0, 0)
        self._alone, self.first = alone, 0
        self.overlay = Overlay.BOTH

    def compose(self) -> ComposeResult:
        yield Static("", classes="about")
        yield Grid()

    def say(self, text: str | Text, *, is_error: bool = False) -> None:
        about = self.query_one(".about", Static)
        about.update(Text(text) if isinstance(text, str) else text)
        about.set_class(is_error, "-error")

    def show(self, pictures: PictureList | None, otherwise: str = "", first: int = 0) -> None:
        """Show the first page of a list; without one, say something else."""
        self._pictures, self.first = pictures, first
        if pictures is None:
            self.say(otherwise)
        self._draw()

    def follow_overlay(self) -> None:
        self.overlay = following(self.overlay, Overlay)
        self._draw()

    def turn(self, pages: int) -> None:
        """Show the next page, or, for -1, the previous one."""
        total = 0 if self._pictures is None else len(self._pictures.images)
        first = self.first + pages * self._grid.page
        if self._alone:
            first %= total
        if 0 <= first < total:
            self.first = first
            self._draw()

    async def on_resize(self, event: events.Resize) -> None:
        width, height = event.size.width, event.size.height - 1
        size = GridSize(1, 1, width, max(height - 1, 1)) if self._alone else fit_grid(width, height)
        if size == self._grid:
            return
        grid = self.query_one(Grid)
        await grid.remove_children()
        grid.styles.grid_size_columns = size.columns
        grid.styles.grid_size_rows = size.rows
        grid.styles.width = size.columns * (size.side + 2) - 2
        if not self._alone:  # else what a sentence above leaves
            grid.styles.height = size.rows * (size.lines + 1)
        enlarge = (partial(self.enlarge, position) for position in range(size.page))
        await grid.mount_all(Frame(size.lines, each) for each in enlarge)
        self._grid = size
        self._draw()

    def drawn(
        self, pictures: PictureList, first: int, is_wanted: Callable[[], bool]
    ) -> list[Drawn]:
        """Draw a page of pictures; a thread may do so for those that come next."""
        size, last = self._grid, min(first + self._grid.page, len(pictures.images))
        return [
            pictures.draw(position, self.overlay, size.side, size.lines)
            for position in range(first, last)
            if is_wanted()
        ]

    def _draw(self) -> None:
        pictures, first = self._pictures, self.first
        if not self._grid.page:
            return
        if pictures is None or not pictures.images:
            self._fill([])
            if pictures is not None:
                self.say(Text.assemble(pictures.title, ("  none", "dim")))
            return

        def take(drawn: list[Drawn]) -> None:
            self._fill(drawn)
            error = next((each.error for each in drawn if each.error), "")
            last = f"-{first + len(drawn)}" if len(drawn) > 1 else ""
            which = f"  {first + 1}{last} of {pictures.total:,}  "
            title = Text.assemble(pictures.title, (which, "dim"))
            if pictures.hits is not None:
                title.append_text(legend(self.overlay))
            self.say(f"{which.strip()}  {error}" if error else title, is_error=bool(error))

        read_in_thread(
            self,
            lambda is_wanted: self.drawn(pictures, first, is_wanted),
            take,
            lambda text: take([Drawn(None, "", text)]),
            "draw",
        )

    def _fill(self, drawn: list[Drawn]) -> None:
        for position, frame in enumerate(self.query(Frame)):
            frame.show(drawn[position] if position < len(drawn) else Drawn(None, ""))

    def enlarge(self, position: int = 0) -> None:
        pictures = None if self._alone else self._pictures
        if pictures is not None and self.first + position < len(pictures.images):
            self.app.push_screen(PictureView(pictures, self.first + position, self.overlay))


class GalleryView(View):
    """A screen with a gallery, which a narrow terminal shows in place of something else."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "tab", "Images", tooltip="Room for the images"),
        Binding("right_square_bracket", "page(1)", "More images", key_display="]", show=False),
        Binding("left_square_bracket", "page(-1)", "Previous images", key_display="[", show=False),
        Binding("m", "masks", "What is drawn over images", show=False),
        Binding("e", "enlarge", "Enlarge an image", show=False),
    ]

    @property
    def gallery(self) -> Gallery:
        return self.query_one(Gallery)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave out what would change nothing visible."""
        is_narrow = self.has_class("-narrow")
        if action == "tab":
            return is_narrow
        if action in {"page", "masks", "enlarge"}:
            return not is_narrow or self.has_class("-images")
        return True

    def on_resize(self) -> None:
        self.refresh_bindings()

    def action_tab(self) -> None:
        self.toggle_class("-images")
        self.refresh_bindings()

    def action_page(self, pages: int) -> None:
        self.gallery.turn(pages)

    def action_masks(self) -> None:
        self.gallery.follow_overlay()

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
        yield Gallery(alone=True)
        yield Footer()

    def on_mount(self) -> None:
        gallery = self.query_one(Gallery)
        gallery.overlay = self._overlay
        gallery.show(self._pictures, first=self._position)

    def action_turn(self, pictures: int) -> None:
        self.query_one(Gallery).turn(pictures)

    def action_masks(self) -> None:
        self.query_one(Gallery).follow_overlay()
