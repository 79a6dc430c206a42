"""What all screens share: reading in threads, a line of state, export and copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import Worker, get_current_worker

from ccx_cli.errors import CcxError
from ccx_cli.tui.exporting import write_table

if TYPE_CHECKING:
    from textual.widget import Widget

T = TypeVar("T")
# Group of the threads that write: leaving waits for them alone.
EXPORT = "export"


class Answer(Message, Generic[T]):
    """What a thread has read; whoever asked takes it, unless another question came since."""

    def __init__(self, worker: Worker[None], take: Callable[[T], None], value: T) -> None:
        super().__init__()
        self._worker, self._take, self._value = worker, take, value

    def deliver(self) -> None:
        """Hand it over."""
        if not self._worker.is_cancelled:
            self._take(self._value)


def in_thread(
    asking: Widget | Screen[Any],
    work: Callable[[Callable[[], bool]], T],
    take: Callable[[T], None],
    refuse: Callable[[str], None],
    group: str,
) -> None:
    """Do some reading in a thread; what was asked before in the same group is forgotten.

    Parameters
    ----------
    asking
        Gets the answer as a message, and has to have ``on_answer``.
    work
        Reads; is given a function that tells whether the answer is still wanted.
    take
        Is handed the answer.
    refuse
        Is handed a sentence if there is none.
    group
        What the question is about.
    """

    def run() -> None:
        worker = get_current_worker()

        def wanted() -> bool:
            return not worker.is_cancelled

        try:
            answer: Answer[Any] = Answer(worker, take, work(wanted))
        except CcxError as error:
            answer = Answer(worker, refuse, str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            answer = Answer(worker, refuse, f"{where}{error.strerror or error}.")
        except Exception as error:
            answer = Answer(worker, refuse, f"{type(error).__name__}: {error} (a fault of ccx).")
        if wanted():
            asking.post_message(answer)

    asking.run_worker(run, group=group, exclusive=True, thread=True, exit_on_error=False)


class View(Screen[None]):
    """A screen over stored results."""

    HELP_TEXT: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back"),
        Binding("r", "read_again", "Read again", show=False),
        Binding("y", "copy", "Copy the formula", show=False),
        Binding("e", "export('csv')", "Export as CSV", show=False),
        Binding("E", "export('json')", "Export as JSON", show=False, key_display="E"),
    ]

    def on_answer(self, answer: Answer[Any]) -> None:
        """Take what a thread has read."""
        answer.stop()
        answer.deliver()

    def read(
        self,
        group: str,
        work: Callable[[Callable[[], bool]], T],
        take: Callable[[T], None],
        *,
        refuse: Callable[[str], None] | None = None,
    ) -> None:
        """Read in a thread; see ``in_thread``."""
        in_thread(self, work, take, refuse or self.complain, group)

    def say(self, text: str | Text) -> None:
        """Put a sentence on the view's last line."""
        line = self.query_one("#state", Static)
        line.update(text if isinstance(text, Text) else Text(text))
        line.display = bool(text)
        line.remove_class("-wrong")

    def complain(self, text: str) -> None:
        """Say there what could not be read."""
        self.say(text)
        self.query_one("#state", Static).add_class("-wrong")

    @property
    def complains(self) -> bool:
        """Whether the last line says what could not be read."""
        return self.query_one("#state", Static).has_class("-wrong")

    @property
    def main_widget(self) -> Widget | None:
        """What has the focus where nothing is typed."""
        return None

    def formula_to_copy(self) -> str | None:
        """The formula that the view is about."""
        return None

    def table_to_export(self) -> tuple[str, list[dict[str, Any]]] | None:
        """Return what to call the file and rows of the same keys, ``None`` without a table."""
        return None

    def action_leave(self) -> None:
        """Leave the box that has the focus for the list, or the view."""
        main = self.main_widget
        if main is not None and self.focused not in {None, main}:
            self.set_focus(main)
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def action_read_again(self) -> None:
        """Read again what the view shows."""

    def action_copy(self) -> None:
        """Copy the formula."""
        formula = self.formula_to_copy()
        if formula is None:
            self.notify("There is no formula here to copy.", severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(formula)
        self.notify(formula, title="Copied", markup=False)

    def action_export(self, form: str) -> None:
        """Write the view's table into the working directory."""
        table = self.table_to_export()
        if table is None or not table[1]:
            self.notify("There is nothing here to export yet.", severity="warning", markup=False)
            return
        name, rows = table

        def told(path: Path) -> None:
            self.notify(f"{len(rows):,} rows in {path}", title="Exported", markup=False)

        self.read(
            EXPORT,
            lambda _: write_table(Path.cwd(), name, rows, form),
            told,
            refuse=lambda text: self.notify(text, severity="error", markup=False),
        )
