"""What a list shows beside it of the row under the cursor: a sentence, activations and images."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from ccx_cli.tui.gallery import Gallery
from ccx_cli.tui.histogram import Histogram
from ccx_cli.tui.open_run import Glance
from ccx_cli.tui.view import read_in_thread

# Seconds on a row before it is read.
_DELAY = 0.15


# Reads a row in a thread, given what tells whether it is still wanted.
Reader = Callable[[Callable[[], bool]], Glance | None]


class Preview(Vertical):
    """A sentence over a histogram and a gallery, read once the cursor rests on a row."""

    def __init__(self) -> None:
        super().__init__(id="preview")
        self._delay: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="sentence")
        yield Histogram()
        yield Gallery()

    def show(self, sentence: Text | str, read: Reader | None, ahead: Reader | None) -> None:
        """Show a row; ``ahead`` reads the one that is likely to come next."""
        self._say(sentence)
        if self._delay is not None:
            self._delay.stop()
        if read is None or not self.display:
            self._take(Glance(None))
        else:
            self._delay = self.set_timer(_DELAY, lambda: self._read(read, ahead))

    def _say(self, sentence: RenderableType) -> None:
        line = self.query_one("#sentence", Static)
        line.update(sentence)
        line.set_class(not sentence, "-empty")

    def _read(self, read: Reader, ahead: Reader | None) -> None:
        if not self.screen.is_current:
            return
        gallery = self.query_one(Gallery)

        def prepare(is_wanted: Callable[[], bool]) -> None:
            glance = None if ahead is None else ahead(is_wanted)
            if glance is not None and glance.pictures is not None:
                gallery.drawn(glance.pictures, 0, is_wanted)

        def take(glance: Glance | None) -> None:
            if glance is not None:
                self._take(glance)
                read_in_thread(self, prepare, lambda _: None, lambda _: None, "ahead")

        def say(sentence: str) -> None:
            self._take(Glance(None))
            gallery.say(sentence, is_error=True)

        read_in_thread(self, read, take, say, "glance")

    def _take(self, glance: Glance) -> None:
        if glance.about is not None:
            self._say(glance.about)
        histogram = self.query_one(Histogram)
        histogram.set_class(glance.histogram is None, "-empty")
        histogram.show(glance.histogram, glance.records)
        histogram.select(glance.cluster)
        self.query_one(Gallery).show(glance.pictures)
