"""What all screens share: reading in threads, a status line, their keys and help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from rich.table import Column as GridColumn
from rich.table import Table as Grid
from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from ccx_cli.errors import CcxError
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.table import Table

T = TypeVar("T")
_PACKAGE = "ccx_cli."
_GROUPS = ("This screen", "Everywhere", "Move")
# Lines below which a terminal is low.
LOW = 36


@dataclass
class CompareRun(Message):
    """Asks for a second run to compare with; ``run`` is the first one if it is read already."""

    directory: Path
    run: OpenRun | None


class LeaveLast(Message):
    """Asks to go back from the only screen."""


def read_in_thread(
    widget: Widget | App[Any],
    work: Callable[[Callable[[], bool]], T],
    show: Callable[[T], object],
    show_error: Callable[[str], None],
    group: str,
) -> None:
    """Do some reading in a thread; a later request of the same group cancels an earlier one.

    ``work`` is given a function that tells whether the result is still wanted. ``show`` is called
    with the result, ``show_error`` with a sentence if there is none, by the loop of ``widget``.
    """

    def run() -> None:
        worker = get_current_worker()

        def deliver(callback: Callable[[Any], None], value: Any) -> None:
            if not worker.is_cancelled:
                callback(value)

        try:
            result = work(lambda: not worker.is_cancelled)
        except CcxError as error:
            widget.call_later(deliver, show_error, str(error))
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            widget.call_later(deliver, show_error, f"{name}{error.strerror or error}.")
        except Exception as error:
            text = f"{type(error).__name__}: {error} (internal error of ccx)."
            widget.call_later(deliver, show_error, text)
        else:
            widget.call_later(deliver, show, result)

    widget.run_worker(run, group=group, exclusive=True, thread=True, exit_on_error=False)


class View(Screen[None]):
    """A screen over stored results."""

    AUTO_FOCUS = "Table"
    HELP_TEXT: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("r", "read_again", "Read again", show=False),
        Binding("y", "copy", "Copy the formula", show=False),
    ]
    run: OpenRun | None = None

    def read(
        self,
        group: str,
        work: Callable[[Callable[[], bool]], T],
        show: Callable[[T], object],
        show_error: Callable[[str], None] | None = None,
    ) -> None:
        """Read in a thread; see ``read_in_thread``."""
        read_in_thread(self, work, show, show_error or self.show_error, group)

    def update(self, selector: str, text: str | Text) -> None:
        """Put a text into one of the screen's lines."""
        self.query_one(selector, Static).update(text)

    def show_status(self, text: str | Text) -> None:
        """Put a sentence on the last line."""
        line = self.query_one("#status", Static)
        line.update(text if isinstance(text, Text) else Text(text))
        line.display = bool(text)
        line.remove_class("-error")

    def show_error(self, text: str) -> None:
        """Say there what could not be read."""
        self.show_status(text)
        self.query_one("#status", Static).add_class("-error")

    def warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    @property
    def table(self) -> Table:
        """What has the focus where nothing is typed."""
        return self.query_one(Table)

    def _formula_to_copy(self) -> str | None:
        return getattr(self.table.row, "formula", None)

    def action_leave(self) -> None:
        """Leave the box that has the focus for the list, or the screen."""
        if self.focused not in {None, self.table}:
            self.table.focus()
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.post_message(LeaveLast())

    def action_read_again(self) -> None:
        """Read again what the screen shows."""

    def redraw(self) -> None:
        """Write again what is on the screen, in other colors."""

    def action_copy(self) -> None:
        formula = self._formula_to_copy()
        if formula is None:
            self.warn("There is no formula here to copy.")
            return
        self.app.copy_to_clipboard(formula)
        self.notify(formula, title="Copied", markup=False)


class HelpView(ModalScreen[None]):
    """Over a screen: its keys by what they are for, and what it is about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "dismiss", "Back"),
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._text = screen.HELP_TEXT if isinstance(screen, View) else "One image, enlarged."
        self._keys = keys_of(screen)

    def compose(self) -> ComposeResult:
        keys = Grid.grid(GridColumn(ratio=1), GridColumn(ratio=1), expand=True)
        keys.add_row(self._listed("This screen"), self._listed("Everywhere", "Move"))
        mouse = (
            "A click moves the cursor, a second click opens, and a click on a title sorts. Escape "
            "closes this."
        )
        with VerticalScroll(id="help"):
            yield Static(keys)
            yield Static(f"{self._text}\n\n{mouse}", markup=False)

    def _listed(self, *groups: str) -> Text:
        text = Text()
        for name in groups:
            keys = [key for key in self._keys if _GROUPS[_rank(key.node)] == name]
            if keys:
                text.append(f"{name}\n", "bold underline")
            for key in keys:
                text.append(f"{key.display:>7}", "bold").append(f"  {key.description}\n")
        return text


class JumpView(ModalScreen[int | None]):
    """A line to type the number of a unit in."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        with Horizontal(id="jump"):
            yield Static(":")
            yield Input(placeholder="number of a unit", type="integer", compact=True)

    @on(Input.Submitted)
    def _jump(self, event: Input.Submitted) -> None:
        self.dismiss(int(event.value) if event.value.isdigit() else None)


class Key(NamedTuple):
    """A key that does something on a screen: how it is written, and whose action it is."""

    display: str
    description: str
    node: DOMNode
    action: str


def keys_of(screen: Screen[Any]) -> list[Key]:
    """List the keys of a screen, then the application's, then those of what has the focus."""
    keys: dict[str, Key] = {}
    for active in sorted(screen.active_bindings.values(), key=lambda each: _rank(each.node)):
        binding = active.binding
        if not active.enabled or binding.action not in _own_actions(active.node):
            continue
        display = screen.app.get_key_display(binding)
        if binding.action in keys:
            display = f"{keys[binding.action].display} {display}"
        description = binding.tooltip or binding.description
        keys[binding.action] = Key(display, description, active.node, binding.action)
    return list(keys.values())


def _rank(node: DOMNode) -> int:
    return 0 if isinstance(node, Screen) else 1 if isinstance(node, App) else 2


def _own_actions(node: DOMNode) -> set[str]:
    """Actions that a class of this package binds, rather than one of Textual's."""
    return {
        binding.action
        for each in type(node).__mro__
        if each.__module__.startswith(_PACKAGE)
        for binding in each.__dict__.get("BINDINGS", ())
    }
