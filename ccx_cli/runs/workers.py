"""Who explains units: threads of this process, or what else begins them and waits for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ccx_cli.errors import CcxError
from ccx_cli.probe.ranges import Range
from ccx_cli.records.explanation import ExplanationRecord
from ccx_cli.threads import threads


class Explained(NamedTuple):
    """A unit's explanations, and all ranges of the unit."""

    records: list[ExplanationRecord]
    ranges: tuple[Range, ...]


class LostUnitError(CcxError):
    """A unit whose workers end, again and again: others are explained all the same."""


class Workers(Protocol):
    """Explains units side by side."""

    @property
    def count(self) -> int:
        """Units that are explained at once."""

    def begin(self, unit: int) -> Future[Explained]:
        """Begin a unit; its future may raise ``LostUnitError``."""

    def wait(self, begun: Collection[Future[Explained]]) -> None:
        """Wait until one of the units is done."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of this process."""

    count: int
    begin: Callable[[int], Future[Explained]]

    def wait(self, begun: Collection[Future[Explained]]) -> None:
        """Wait until one of the units is done."""
        wait(begun, return_when=FIRST_COMPLETED)


@contextmanager
def in_threads(count: int, explain: Callable[[int], Explained]) -> Iterator[Threads]:
    """Explain units in threads of this process."""
    with threads(count) as pool:
        yield Threads(count, lambda unit: pool.submit(explain, unit))
