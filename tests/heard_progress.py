"""A listener that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ccx_cli.progress import Task


@dataclass
class HeardTask:
    """One bar."""

    what: str
    total: int
    done: int
    unit: str

    def advance(self, amount: int = 1) -> None:
        self.done += amount


@dataclass
class HeardProgress:
    """All bars and notes; ``when_noted`` is called at every note."""

    when_noted: Callable[[], None] = lambda: None
    tasks: list[HeardTask] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def task(
        self, what: str, total: int, *, done: int = 0, unit: str = "images", whole: bool = False
    ) -> Iterator[Task]:
        self.tasks.append(HeardTask(what, total, done, unit))
        yield self.tasks[-1]

    @contextmanager
    def expecting(self, stages: Mapping[str, Callable[[], float | None]]) -> Iterator[None]:
        yield

    def note(self, text: str) -> None:
        self.notes.append(text)
        self.when_noted()
