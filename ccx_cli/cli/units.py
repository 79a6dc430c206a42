"""Which units the options name."""

from __future__ import annotations

import random
import re
from collections.abc import Collection

from ccx_cli.cli.options import UnitOptions
from ccx_cli.errors import UsageError


def check_units(options: UnitOptions) -> None:
    """Refuse what no layer could satisfy, before long work begins.

    Raises
    ------
    UsageError
        If ``--units`` and ``--random-units`` contradict each other, or one cannot be read.
    """
    if options.units is not None and options.random_units:
        raise UsageError("--units and --random-units are mutually exclusive.")
    if options.units is not None:
        _unit_spans(options.units)


def choose_units(options: UnitOptions, seed: int, available: int, layer: str) -> list[int]:
    """Resolve ``--units`` and ``--random-units`` to unit numbers, ascending.

    Raises
    ------
    UsageError
        If they contradict each other or name units that the layer does not have.
    """
    check_units(options)
    if options.units is not None:
        return parse_units(options.units, available, layer)
    if options.random_units > available:
        raise UsageError(
            f"--random-units {options.random_units} is more than the {available} units of {layer}."
        )
    if options.random_units:
        return sorted(random.Random(seed).sample(range(available), options.random_units))
    return list(range(available))


def chosen_of_run(
    options: UnitOptions, seed: int, finished: Collection[int], run: str
) -> list[int]:
    """Resolve the options among the units of a stored run, ascending; all of them by default.

    Raises
    ------
    UsageError
        If a unit is not stored, or the options cannot be meant.
    """
    check_units(options)
    stored = sorted(finished)
    if options.units is not None:
        wanted = parse_units(options.units, max(stored, default=0) + 1, f"the run {run}")
        for unit in wanted:
            if unit not in finished:
                raise UsageError(
                    f"--units {options.units}: unit {unit} is not in the run {run}; explain it "
                    "first."
                )
        return wanted
    if options.random_units > len(stored):
        raise UsageError(
            f"--random-units {options.random_units} is more than the {len(stored)} units of the "
            f"run {run}."
        )
    if options.random_units:
        return sorted(random.Random(seed).sample(stored, options.random_units))
    return stored


def parse_units(text: str, available: int, layer: str) -> list[int]:
    """Read ``1,5,10-20`` as unit numbers, ascending and distinct.

    Raises
    ------
    UsageError
        If the text is something else, or a unit is past the layer's end.
    """
    units: set[int] = set()
    for first, last in _unit_spans(text):
        if last >= available:
            raise UsageError(
                f"--units {text} goes past the end of {layer}, which has the units 0 to "
                f"{available - 1}."
            )
        units.update(range(first, last + 1))
    return sorted(units)


def _unit_spans(text: str) -> list[tuple[int, int]]:
    spans = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*", part, re.ASCII)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise UsageError(f"--units {text} is not a list of units such as 1,5,10-20.")
        spans.append((int(match[1]), int(match[2] or match[1])))
    return spans
