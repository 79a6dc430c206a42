"""What work is left: each cache says, as a step, what of it is there and what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work, ``None`` where something is not known yet.

    ``path`` is where it is, or will be; ``unit`` what its pieces are called, ``total`` and ``done``
    their number and that of those that are there; ``size`` the bytes still to be written or
    fetched, and ``seconds`` the time still needed.
    """

    name: str
    path: Path | None
    unit: str
    total: int | None
    done: int | None = 0
    size: int | None = None
    seconds: float | None = None

    @property
    def missing(self) -> int | None:
        """Pieces still to be made."""
        return None if self.total is None or self.done is None else self.total - self.done

    @property
    def state(self) -> str:
        """``there``, ``partly there``, ``to do`` or ``unknown``."""
        if self.missing is None:
            return "unknown"
        if self.missing <= 0:
            return "there"
        return "partly there" if self.done else "to do"
