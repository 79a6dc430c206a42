"""What work is left: each cache says, as a step, what of it is there and what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

_LONG = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work, ``None`` where something is not known yet.

    ``path`` is where it is, or will be; ``unit`` what its pieces are called, ``total`` and ``done``
    their number and that of those that are there; ``size`` the bytes still to be written or
    fetched, and ``seconds`` the time still needed. ``pieces_each`` are those of one task for a
    cluster, and ``source`` says where the time is from that was not measured now.
    """

    name: str
    path: Path | None
    unit: str
    total: int | None
    done: int | None = 0
    size: int | None = None
    seconds: float | None = None
    pieces_each: int = 1
    source: str = ""

    @property
    def tasks(self) -> int | None:
        """Tasks for the workers of a cluster, about so many."""
        return None if self.missing is None else -(-max(0, self.missing) // self.pieces_each)

    @property
    def missing(self) -> int | None:
        """Pieces still to be made."""
        return None if self.total is None or self.done is None else self.total - self.done

    def timed(self, piece: Callable[[], object], pieces: float = 1, side_by_side: int = 1) -> Step:
        """Return the step with the time that it takes, as ``piece`` does now.

        That is so many of the missing ``pieces``, of which some are made side by side. What is
        short, or had kernels compiled, is timed a second time, without what is done only once.
        """
        if not self.missing:
            return self
        from ccx_cli.compiled import compilations  # Loads numba, which few commands need.

        for _ in range(2):
            with compilations() as compiled:
                began = time.perf_counter()
                piece()
                seconds = time.perf_counter() - began
            if seconds > _LONG and not compiled:
                break
        left = self.missing / pieces
        return replace(self, seconds=seconds * left / max(1, min(side_by_side, left)))

    @property
    def state(self) -> str:
        """``there``, ``partly there``, ``to do`` or ``unknown``."""
        if self.missing is None:
            return "unknown"
        if self.missing <= 0:
            return "there"
        return "partly there" if self.done else "to do"
