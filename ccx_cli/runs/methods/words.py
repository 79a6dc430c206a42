"""What every sentence of a methods text uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import UNSET, UnsetType

from ccx_cli.runs.references import Reference

T = TypeVar("T")
Cite = Callable[[Reference], str]
Quote = Callable[[str], str]


def known(value: T | UnsetType | None, what: str) -> T:
    """Return what the header says; raises ``LookupError`` if it does not."""
    if value is None or value is UNSET:
        raise LookupError(what)
    return value
