"""Who does work side by side: threads of this process, or what else begins tasks and waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ccx_cli.errors import CcxError
from ccx_cli.threads import threads

T = TypeVar("T")


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
