"""Writes lines to stdout, which may be closed, and whose reader may leave before the end."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ccx_cli.errors import CcxError


class ReaderLeftError(Exception):
    """Whoever read stdout closed it, as ``head`` does: nothing is wrong."""


class ClosedStdout(io.TextIOBase):
    """A stdout that a shell closed."""

    def write(self, _text: str, /) -> NoReturn:
        """Refuse to write."""
        raise CcxError("Stdout is closed: leave it open, or name a file with --output.")

    @property
    def buffer(self) -> ClosedStdout:
        """What takes bytes."""
        return self


def fill_closed_descriptors() -> None:
    """Put something where a shell closed stdin, stdout or stderr.

    A file that is opened later would get the number, and what libraries print would go into it.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    if sys.stdin is None:
        sys.stdin = open(0)  # noqa: SIM115 - it stays open as long as the process
    if sys.stdout is None:
        sys.stdout = ClosedStdout()
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Turn a closed stdout into ``ReaderLeftError``."""
    try:
        yield
    except BrokenPipeError as error:
        # Python flushes stdout once more as it ends, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderLeftError from error


def print_text(text: str) -> None:
    """Write a line of data."""
    with reader_may_leave():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
