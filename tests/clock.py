"""A clock that stands still until it is set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds since some moment."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
