"""How long work still takes: a bar by its pace, and all stages of a command together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

Clock = Callable[[], float]
_FIRST = 1.5
"""What ends by so many times the time of the first piece was begun with it, side by side."""


@dataclass(eq=False, slots=True)
class Pace:
    """How much of a piece of work is done, and how fast."""

    total: int
    done: int
    clock: Clock
    parts: Sequence[Pace] = ()
    began: float = field(init=False)
    _first: float | None = field(init=False, default=None)
    _since: tuple[float, int] = field(init=False)
    _last: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self._last = self.clock()
        self._since = self.began, self.done

    def advance(self, amount: int) -> None:
        """Say that ``amount`` more is done.

        The first pieces carry what is done once, such as compiling, and say nothing of speed.
        """
        self._last = self.clock()
        self.done += amount
        if self._first is None:
            self._first = self._last
        if self._last - self.began <= _FIRST * (self._first - self.began):
            self._since = self._last, self.done

    @property
    def speed(self) -> float | None:
        """Pieces a second, ``None`` where that is not known yet."""
        since, done = self._since
        return (self.done - done) / (self._last - since) if self._last > since else None

    @property
    def left(self) -> float | None:
        """Seconds left, ``None`` where they are not known."""
        if self.total and self.done >= self.total:
            return 0.0
        speed = self.speed
        if not self.total or not speed:
            return None
        parts = [part.left or 0.0 for part in list(self.parts) if part is not self]
        return max([(self.total - self.done) / speed, *parts])


class Stages:
    """The stages of a command: the bars that are open, and those still to come."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self.lock = RLock()
        self.began = 0.0
        self.open: list[Pace] = []
        self._ahead: dict[str, Callable[[], float | None]] = {}

    @contextmanager
    def expecting(self, stages: Mapping[str, Callable[[], float | None]]) -> Iterator[None]:
        """Say while it lasts when all stages will be done, as ``Progress`` has it."""
        self.began, self._ahead = self.clock(), dict(stages)
        try:
            yield
        finally:
            self._ahead = {}

    @contextmanager
    def begun(self, what: str, total: int, done: int, *, whole: bool = False) -> Iterator[Pace]:
        """Open a bar, and begin the stage that it is of."""
        pace = Pace(total, done, self.clock, self.open if whole else ())
        with self.lock:
            self._ahead = {
                stage: seconds
                for stage, seconds in self._ahead.items()
                if not what.startswith(stage)
            }
            self.open.append(pace)
        try:
            yield pace
        finally:
            with self.lock:
                self.open.remove(pace)

    @property
    def left(self) -> float | None:
        """Seconds until all is done; ``None`` if not known, or where no stage is still to come.

        Bars that are open share the work: together they take no longer than the longest.
        """
        with self.lock:
            longest = total = 0.0
            for pace in self.open:
                if (left := pace.left) is None:
                    return None
                longest = max(longest, left)
            for seconds in self._ahead.values():
                if (known := seconds()) is None:
                    return None
                total += known
            return longest + total if self._ahead and self.open else None
