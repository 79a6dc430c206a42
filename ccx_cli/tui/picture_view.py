"""One picture alone, as large as the terminal lets it be."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from ccx_cli.tui.drawing import Drawn, Layers, PictureList, legend, try_to_draw
from ccx_cli.tui.pictures import Picture, size_to_draw
from ccx_cli.tui.terminal_graphics import has_graphics
from ccx_cli.tui.view import Answer, in_thread


class PictureView(ModalScreen[None]):
    """One picture as large as the terminal lets it be."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "Back"),
        Binding("left,p", "turn(-1)", "Before"),
        Binding("right,n,space", "turn(1)", "Next"),
        Binding("m", "layers", "Masks"),
    ]

    def __init__(self, pictures: PictureList, place: int, layers: Layers) -> None:
        super().__init__()
        self._pictures, self._place, self._over = pictures, place, layers

    def compose(self) -> ComposeResult:
        """Lay out the picture."""
        with Vertical(id="alone"):
            yield Picture()
            yield Static("", id="caption")
        yield Footer()

    def on_answer(self, answer: Answer[Any]) -> None:
        """Take what a thread has drawn."""
        answer.stop()
        answer.deliver()

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        """Draw at the new size."""
        self.call_after_refresh(self._draw)

    def action_turn(self, pictures: int) -> None:
        """Show another picture."""
        self._place = (self._place + pictures) % len(self._pictures.places)
        self._draw()

    def action_layers(self) -> None:
        """Draw something else over it."""
        self._over = self._over.following
        self._draw()

    def _draw(self) -> None:
        size = self.query_one(Picture).size
        fit = size_to_draw(size.width, size.height)
        pictures, place, layers = self._pictures, self._place, self._over
        in_thread(
            self,
            lambda _: try_to_draw(pictures, place, layers, fit, fine=has_graphics()),
            self._take,
            lambda sentence: self._take(Drawn(None, "", sentence)),
            "draw",
        )

    def _take(self, drawn: Drawn) -> None:
        self.query_one(Picture).show(drawn.pixels)
        told = f"{self._place + 1} of {len(self._pictures.places)}   {drawn.caption}   "
        about = Text(drawn.trouble) if drawn.trouble else legend(self._over, has_graphics())
        self.query_one("#caption", Static).update(Text(told) + about)
