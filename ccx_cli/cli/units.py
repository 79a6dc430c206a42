"""Which units the options name."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence

from ccx_cli.cli.options import By, RankedUnitOptions, UnitOptions
from ccx_cli.cli.settings.levels import is_typed
from ccx_cli.errors import UsageError
from ccx_cli.probe.activations import Activations
from ccx_cli.probe.unit_activity import known_ranking
from ccx_cli.progress import Progress
from ccx_cli.runs.preparing import Inputs
from ccx_cli.runs.ranking import rank_layer

_TOP = re.compile(r"\s*top:(.*)", re.ASCII)


def check_units(options: UnitOptions) -> None:
    """Refuse what no layer could satisfy, before long work begins."""
    if options.units is not None and options.random_units:
        raise UsageError("--units and --random-units are mutually exclusive.")
    if _top(options) is None:
        if isinstance(options, RankedUnitOptions) and options.by and is_typed("--by"):
            raise UsageError(f"--by {options.by} ranks units: say how many with --units top:N.")
        if options.units is not None:
            _spans(options.units)


def choose_units(
    options: UnitOptions, inputs: Inputs, activations: Activations, seed: int, progress: Progress
) -> list[int]:
    """Resolve the options to unit numbers: ascending, or the first of all by rank."""
    known = known_units(options, inputs, activations.units, seed)
    if known is not None:
        return known
    ranked = rank_layer(inputs, activations, _by(options), progress)
    return ranked[: _top(options)]


def known_units(
    options: UnitOptions, inputs: Inputs, available: int, seed: int
) -> list[int] | None:
    """Resolve the options before activations are read; ``None`` for a ranking not known yet."""
    check_units(options)
    layer, top = inputs.choice.layer, _top(options)
    if top is not None:
        if top > available:
            raise UsageError(
                f"--units {options.units} is more than the {available} units of {layer}."
            )
        ranked = known_ranking(inputs.activations_cache, _by(options))
        return None if ranked is None else ranked[:top]
    if options.units is not None:
        return parse_units(options.units, available, layer)
    return _sampled(options.random_units, seed, range(available), layer)


def _by(options: UnitOptions) -> By:
    given = options.by if isinstance(options, RankedUnitOptions) else None
    return given or "activation"


def _top(options: UnitOptions) -> int | None:
    """Read ``top:100``; ``None`` for a list of units."""
    match = _TOP.fullmatch(options.units or "")
    if match is None:
        return None
    if not isinstance(options, RankedUnitOptions):
        raise UsageError(
            f"--units {options.units} ranks the units of a layer: name those of a stored run by "
            "number, such as 1,5,10-20."
        )
    if not match[1].isdecimal() or not int(match[1]):
        raise UsageError(f"--units {options.units} is no number of units such as top:100.")
    return int(match[1])


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
