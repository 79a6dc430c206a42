"""Unit numbers as a header writes them: ``0-4,7``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def write_spans(units: Iterable[int]) -> str:
    """Write unit numbers, in any order, as ``--units`` takes them; nothing for none."""
    spans: list[list[int]] = []
    for unit in sorted(set(units)):
        if spans and spans[-1][1] == unit - 1:
            spans[-1][1] = unit
        else:
            spans.append([unit, unit])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def read_spans(text: str, available: int) -> list[int]:
    """Read what ``write_spans`` wrote, ascending; ``ValueError`` for anything else."""
    units: set[int] = set()
    for part in text.split(",") if text else ():
        match = _SPAN.fullmatch(part)
        if match is None:
            raise ValueError(f"{text} is no list of units")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < available:
            raise ValueError(f"{part} are no units of {available}")
        units.update(range(first, last + 1))
    return sorted(units)
