"""Writes lines to stdout, whose reader may leave before the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class ReaderLeftError(Exception):
    """Whoever read stdout closed it, as ``head`` does: nothing is wrong."""


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
