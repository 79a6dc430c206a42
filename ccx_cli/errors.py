"""The one hierarchy of errors, each with the exit code it ends the program with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """What ``ccx`` tells the shell. The README documents the same table."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    MISSING = 3
    DAMAGED = 4
    INTERRUPTED = 130


class CcxError(Exception):
    """A failure that a user can act on: its text is one sentence and names the mend."""

    exit_code = ExitCode.FAILED


class UsageError(CcxError):
    """An option or an argument that cannot be meant."""

    exit_code = ExitCode.USAGE


class MissingInputError(CcxError):
    """A file or a dataset that is missing."""

    exit_code = ExitCode.MISSING


class DamagedDataError(CcxError):
    """A file that is there but cannot be what it claims to be."""

    exit_code = ExitCode.DAMAGED


def few(names: Sequence[str], shown: int = 8) -> str:
    """List names, of many only the first: ``cat, dog and 3 more``."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def suggestion(word: str, known: Iterable[str], meant: Mapping[str, str] | None = None) -> str:
    """Return ``", did you mean A or B?"`` for the known words nearest to ``word``, or ``""``.

    With ``meant``, what it gives for a known word is suggested in that word's place.
    """
    near = get_close_matches(word, list(known), n=3, cutoff=0.6)
    if meant is not None:
        near = [meant[each] for each in near]
    return f", did you mean {' or '.join(near)}?" if near else ""
