"""What a view shows and which keys it knows."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static


class HelpView(ModalScreen[None]):
    """Over a view: what it is about, and its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Back"),
    ]

    def __init__(self, text: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._text, self._keys = text, keys

    def compose(self) -> ComposeResult:
        """Lay out the help."""
        text = Text(self._text + "\n\n")
        for key, what in self._keys:
            text.append(f"{key:>12}", "bold").append(f"  {what}\n")
        text.append("\nIn lists, the mouse moves the cursor, a second click opens, ")
        text.append("a click on a title sorts. Escape closes this.", "")
        with VerticalScroll(id="help"):
            yield Static(text)
