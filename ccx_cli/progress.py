"""How long work reports its progress, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar: a piece of work of known size."""

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more of the work is done."""


class Progress(Protocol):
    """Whoever listens: Rich bars, plain lines or nobody."""

    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> AbstractContextManager[Task]:
        """Open a bar for ``total`` pieces called ``unit``, ``done`` of them finished before.

        Of ``bytes``, a total of 0 means that nobody knows it. The whole of what other bars are
        parts of takes no less than they do.
        """

    def expecting(
        self, stages: Mapping[str, Callable[[], float | None]]
    ) -> AbstractContextManager[None]:
        """Say while it lasts when all stages will be done, as soon as that is known.

        Each is named by how its bar's name begins. It is with the seconds that it will take, by
        what is known of it before that bar opens: ``None`` for nothing.
        """

    def note(self, text: str) -> None:
        """Tell one sentence that is neither data nor an error."""


class _SilentTask:
    def advance(self, amount: int = 1) -> None:
        pass


class SilentProgress:
    """A ``Progress`` that nobody listens to."""

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        """Open a bar that nobody sees."""
        yield _SilentTask()

    @contextmanager
    def expecting(self, stages: Mapping[str, Callable[[], float | None]]) -> Iterator[None]:
        """Expect nothing."""
        yield

    def note(self, text: str) -> None:
        """Tell nobody."""
