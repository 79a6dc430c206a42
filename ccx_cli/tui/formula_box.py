"""A box to type a formula in: names are completed, and it is scored while it is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static

from ccx_cli.formulas.formula import quoted
from ccx_cli.printable import printable
from ccx_cli.tui.looking import Trial, UnitLook, try_formula
from ccx_cli.tui.reading import OpenRun
from ccx_cli.tui.view import Answer, in_thread

_PAUSE = 0.12
_BEFORE_NAME = re.compile(r"[(|&~!]|\b(?:and|or|not)\b", re.IGNORECASE)
_QUOTE = re.compile(r'(?<!\\)"')


def completed(text: str, names: Iterable[str]) -> str | None:
    """Complete the name that a formula ends with, ``None`` where nothing fits.

    Parameters
    ----------
    text
        What was typed.
    names
        Of concepts; the first that fits is taken.
    """
    quotes = [found.end() for found in _QUOTE.finditer(text)]
    quote = '"' if len(quotes) % 2 else ""
    ends = quotes if quote else [found.end() for found in _BEFORE_NAME.finditer(text)]
    begun = text[ends[-1] if ends else 0 :].lstrip()
    if not begun or (quotes and not quote and quotes[-1] > len(text) - len(begun)):
        return None
    folded = begun.casefold()
    for name in names:
        if name.casefold().startswith(folded) and len(name) > len(begun):
            needs_quotes = quoted(name) != name and not all(map(_is_plain, name.split()))
            if quote or not needs_quotes:
                return text + name[len(begun) :] + quote
    return None


def _is_plain(word: str) -> bool:
    return quoted(word) == word


class NameSuggester(Suggester):
    """Completes names of concepts, those on most pixels first."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = tuple(names)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole text with the last name completed."""
        return completed(value, self._names)


class FormulaBox(Vertical):
    """One line to type in and one that says what comes of it."""

    DEFAULT_CSS = """
    FormulaBox { height: auto; }
    FormulaBox > #told {
        height: auto;
        max-height: 3;
        display: none;
        padding: 0 1;
        color: $text-muted;
    }
    FormulaBox > #told.-wrong { color: $text-warning; }
    """

    class Tried(Message):
        """A formula was scored; ``None`` if there is none any more."""

        def __init__(self, trial: Trial | None) -> None:
            super().__init__()
            self.trial = trial

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self._run = run
        self._look: Callable[[], UnitLook | None] = lambda: None
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Lay out the box."""
        yield Input(id="formula", compact=True)
        yield Static("", id="told")

    def on_answer(self, answer: Answer[Any]) -> None:
        """Take what a thread has read."""
        answer.stop()
        answer.deliver()

    def ask_about(self, look: Callable[[], UnitLook | None]) -> None:
        """Score what is typed on another unit, which ``look`` gives once it is read."""
        self._look = look
        self._score()

    def give_example(self, formula: str | None) -> None:
        """Say in the empty box what it is for, with a formula of names that there are."""
        such_as = f", such as {formula}" if formula else ""
        self.query_one("#formula", Input).placeholder = f"f: try a formula{such_as}"

    def suggest(self) -> None:
        """Get the names to complete, once the concept index is there."""

        def names(_: Callable[[], bool]) -> list[str]:
            index = self._run.index
            pixels = index.images_with()
            order = sorted(range(len(pixels)), key=lambda place: -int(pixels[place]))
            return [printable(index.labels[place].name) for place in order]

        in_thread(self, names, self._take_names, lambda _: None, "names")

    def _take_names(self, names: list[str]) -> None:
        self.query_one("#formula", Input).suggester = NameSuggester(names)

    @on(Input.Changed, "#formula")
    def _type(self, event: Input.Changed) -> None:
        event.stop()
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._score)

    @on(Input.Submitted, "#formula")
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        self._score()

    def _score(self) -> None:
        text = self.query_one("#formula", Input).value
        if not text.strip():
            self.workers.cancel_group(self, "score")
            self._tell(Text(""))
            self.post_message(self.Tried(None))
            return
        look = self._look()
        if look is None:
            self._tell(Text("waits for the unit to be read ..."))
            return
        run = self._run
        in_thread(
            self,
            lambda _: try_formula(text, run.vocabulary(), look),
            self._take,
            self._refuse,
            "score",
        )

    def _take(self, trial: Trial) -> None:
        if trial.unseen:
            told = Text(f"No pixel carries {' or '.join(trial.unseen)}.")
        elif trial.same_as:
            ranges = " and ".join(map(str, trial.same_as))
            told = Text(f"The same pixels as what was found for range {ranges}.")
        else:
            told = Text.assemble("Scored as ", (trial.text, "bold"))
        self._tell(told)
        self.post_message(self.Tried(trial))

    def _refuse(self, sentence: str) -> None:
        self._tell(Text(printable(sentence)), wrong=True)
        self.post_message(self.Tried(None))

    def _tell(self, text: Text, *, wrong: bool = False) -> None:
        told = self.query_one("#told", Static)
        told.update(text)
        told.display = bool(text)
        told.set_class(wrong, "-wrong")
