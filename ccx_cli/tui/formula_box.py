"""A box to type a formula in: names are completed, and it is scored while it is typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static

from ccx_cli.formulas.formula import quoted
from ccx_cli.formulas.parse import Vocabulary
from ccx_cli.printable import printable
from ccx_cli.runs.findings import short_text
from ccx_cli.tui.open_run import OpenRun
from ccx_cli.tui.view import read_in_thread

if TYPE_CHECKING:
    from ccx_cli.runs.inputs import RunInputs
    from ccx_cli.tui.unit_data import Trial, UnitData

_DELAY = 0.12
_BEFORE_NAME = re.compile(r"[(|&~!]|\b(?:and|or|not)\b", re.IGNORECASE)
_QUOTE = re.compile(r'(?<!\\)"')


def completed(text: str, names: Iterable[str]) -> str | None:
    """Complete the name that a typed formula ends with by the first that fits, if any does."""
    quotes = [match.end() for match in _QUOTE.finditer(text)]
    quote = '"' if len(quotes) % 2 else ""
    starts = quotes if quote else [match.end() for match in _BEFORE_NAME.finditer(text)]
    typed = text[starts[-1] if starts else 0 :].lstrip()
    if not typed or (quotes and not quote and quotes[-1] > len(text) - len(typed)):
        return None
    folded = typed.casefold()
    for name in names:
        if name.casefold().startswith(folded) and len(name) > len(typed):
            words = name.split()
            needs_quotes = quoted(name) != name and any(quoted(word) != word for word in words)
            if quote or not needs_quotes:
                return text + name[len(typed) :] + quote
    return None


class NameSuggester(Suggester):
    """Completes names of concepts, those in most images first."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = tuple(names)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the whole text with the last name completed."""
        return completed(value, self._names)


def concept_names(inputs: RunInputs) -> list[str]:
    """Names of the concepts of a dataset, those in most images first."""
    index = inputs.index
    return [printable(index.labels[n].name) for n in (-index.images_with()).argsort(kind="stable")]


def vocabulary(inputs: RunInputs) -> Vocabulary:
    """Names that a formula may use."""
    return Vocabulary({label.number: label.name for label in inputs.dataset.labels})


class FormulaBox(Vertical):
    """One line to type in and one that says what the formula is; ``show`` is told its scores."""

    def __init__(self, run: OpenRun, show: Callable[[Trial | None], None]) -> None:
        super().__init__()
        self._run, self._show = run, show
        self._unit: UnitData | None = None
        self._delay: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Input(id="formula", compact=True)
        yield Static("", id="verdict")

    @property
    def box(self) -> Input:
        return self.query_one("#formula", Input)

    def set_unit(self, unit: UnitData | None) -> None:
        """Score what is typed on another unit, ``None`` until that is read."""
        self._unit = unit
        self._score()

    def show_example(self, formula: str | None) -> None:
        """Say in the empty box what it is for, with a formula of known names."""
        example = f", such as {formula}" if formula else ""
        self.box.placeholder = f"f: try a formula{example}"

    def read_names(self) -> None:
        run = self._run

        def take(names: list[str]) -> None:
            self.box.suggester = NameSuggester(run.short.get(name, name) for name in names)

        read_in_thread(
            self, lambda _: run.with_inputs(concept_names), take, lambda _: None, "names"
        )

    @on(Input.Changed)
    def _wait(self, event: Input.Changed) -> None:
        event.stop()
        if self._delay is not None:
            self._delay.stop()
        self._delay = self.set_timer(_DELAY, self._score)

    @on(Input.Submitted)
    def _score(self, event: Input.Submitted | None = None) -> None:
        if event is not None:
            event.stop()
        text, unit, run = self.box.value, self._unit, self._run
        if not text.strip():
            self.workers.cancel_group(self, "score")
            self._show_verdict("")
            self._show(None)
        elif unit is None:
            self._show_verdict("waits for the unit to be read ...")
        else:
            read_in_thread(
                self,
                lambda _: unit.try_formula(text, run.with_inputs(vocabulary)),
                self._take,
                self._show_error,
                "score",
            )

    def _take(self, trial: Trial) -> None:
        if trial.unseen:
            self._show_verdict(f"No pixel carries {' or '.join(trial.unseen)}.")
        elif trial.same_as:
            ranges = " and ".join(map(str, trial.same_as))
            self._show_verdict(f"The same pixels as the formula found for range {ranges}.")
        else:
            outside = f"; the run did not try it: {trial.outside}" if trial.outside else ""
            shown = short_text(trial.text, self._run.short)
            self._show_verdict(Text.assemble("Scored as ", (shown, "bold"), outside))
        self._show(trial)

    def _show_error(self, sentence: str) -> None:
        self._show_verdict(printable(sentence), is_error=True)
        self._show(None)

    def _show_verdict(self, text: str | Text, *, is_error: bool = False) -> None:
        verdict = self.query_one("#verdict", Static)
        verdict.update(text if isinstance(text, Text) else Text(text))
        verdict.display = bool(text)
        verdict.set_class(is_error, "-error")
