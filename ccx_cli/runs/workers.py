"""Who does work side by side: threads of this process, or what else begins tasks and waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from ccx_cli.errors import CcxError, few
from ccx_cli.threads import threads

P = TypeVar("P")
T = TypeVar("T")
_NAMED = 3
_AHEAD = 4
"""Tasks begun for each that is done at once, so that nobody waits for one."""


class LostTaskError(CcxError):
    """A task whose workers end, again and again; others go on all the same."""


class Tasks(Protocol):
    """Does tasks side by side."""

    @property
    def count(self) -> int:
        """Tasks that are done at once."""

    def begin(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begin a task; its future may raise ``LostTaskError``."""

    def wait(self, begun: Collection[Future[Any]]) -> None:
        """Wait until one of the tasks is done."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of this process."""

    count: int
    pool: ThreadPoolExecutor

    def begin(self, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begin a task."""
        return self.pool.submit(function, *arguments)

    def wait(self, begun: Collection[Future[Any]]) -> None:
        """Wait until one of the tasks is done."""
        wait(begun, return_when=FIRST_COMPLETED)


@contextmanager
def in_threads(count: int) -> Iterator[Threads]:
    """Do tasks in threads of this process."""
    with threads(count) as pool:
        yield Threads(count, pool)


class SideBySide(Generic[P, T]):
    """Pieces of work of which a few are begun at a time."""

    def __init__(self, pieces: Iterable[P], begin: Callable[[P], Future[T]], tasks: Tasks) -> None:
        self._left, self._begin, self._tasks = iter(pieces), begin, tasks
        self._begun = dict[Future[T], P]()
        self._begin_some()

    def _begin_some(self) -> None:
        for piece in islice(self._left, max(0, _AHEAD * self._tasks.count - len(self._begun))):
            self._begun[self._begin(piece)] = piece

    @property
    def is_done(self) -> bool:
        """Whether no piece is left."""
        return not self._begun

    @property
    def has_ended(self) -> bool:
        """Whether a piece has ended that was not taken."""
        return any(future.done() for future in self._begun)

    def ended(self) -> list[tuple[P, Future[T]]]:
        """Wait until a piece has ended; take all that have, and begin others.

        They are in the order in which they began: with one thread that is the order of the pieces.
        """
        self._tasks.wait(self._begun)
        ended = [(self._begun.pop(each), each) for each in list(self._begun) if each.done()]
        self._begin_some()
        return ended


def side_by_side(
    pieces: Iterable[P],
    begin: Callable[[P], Future[T]],
    tasks: Tasks,
    name: Callable[[P], str],
) -> Iterator[tuple[P, T]]:
    """Yield pieces of work with what came of them, as they end; few are begun at a time.

    Raises
    ------
    LostTaskError
        That ``name`` says of pieces whose workers ended again and again, once others are done.
    """
    work = SideBySide(pieces, begin, tasks)
    lost: list[P] = []
    while not work.is_done:
        for piece, future in work.ended():
            try:
                found = future.result()
            except LostTaskError:
                lost.append(piece)
                continue
            yield piece, found
    if lost:
        named = few([name(piece) for piece in lost], _NAMED)
        raise LostTaskError(f"{named} ended the Dask workers again and again: see their logs.")
