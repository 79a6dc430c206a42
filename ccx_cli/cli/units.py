"""Which units the options name."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

from ccx_cli.cli.options import UnitOptions
from ccx_cli.errors import UsageError


def check_units(options: UnitOptions) -> None:
    """Refuse what no layer could satisfy, before long work begins."""
    if options.units is not None and options.random_units:
        raise UsageError("--units and --random-units are mutually exclusive.")
    if options.units is not None:
        _spans(options.units)


def choose_units(options: UnitOptions, seed: int, available: int, layer: str) -> list[int]:
    """Resolve ``--units`` and ``--random-units`` to unit numbers, ascending."""
    check_units(options)
    if options.units is not None:
        return parse_units(options.units, available, layer)
    return _sampled(options.random_units, seed, range(available), layer)


def chosen_of_run(
    options: UnitOptions, seed: int, finished: Collection[int], run: str
) -> list[int]:
    """Resolve the options among the units of a stored run, ascending; all of them by default."""
    check_units(options)
    stored = sorted(finished)
    if options.units is not None:
        wanted = parse_units(options.units, max(stored, default=0) + 1, f"the run {run}")
        for unit in sorted(set(wanted).difference(finished)):
            raise UsageError(
                f"--units {options.units}: unit {unit} is not in the run {run}; explain it first."
            )
        return wanted
    return _sampled(options.random_units, seed, stored, f"the run {run}")


def _sampled(count: int, seed: int, units: Sequence[int], where: str) -> list[int]:
    """Return so many of the units at random, ascending; all of them for 0."""
    if count > len(units):
        raise UsageError(f"--random-units {count} is more than the {len(units)} units of {where}.")
    return sorted(random.Random(seed).sample(units, count)) if count else list(units)


def parse_units(text: str, available: int, layer: str) -> list[int]:
    """Read ``1,5,10-20`` as unit numbers, ascending and distinct."""
    units: set[int] = set()
    for first, last in _spans(text):
        if last >= available:
            raise UsageError(
                f"--units {text} goes past the end of {layer}, which has the units 0 to "
                f"{available - 1}."
            )
        units.update(range(first, last + 1))
    return sorted(units)


def parse_ranges(text: str) -> set[int]:
    """Read ``3,4`` as numbers of ranges."""
    spans = _spans(text, "ranges", "3,4")
    return {number for first, last in spans for number in range(first, last + 1)}


def _spans(text: str, what: str = "units", example: str = "1,5,10-20") -> list[tuple[int, int]]:
    spans = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part, re.ASCII)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--{what} {text} is not a list of {what} such as {example}.")
        spans.append((int(match[1]), int(match[2] or match[1])))
    return spans
