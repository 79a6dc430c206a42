"""What is given to the functions of the Python interface, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from numbers import Real
from operator import index as as_whole
from typing import Any, TypeVar

import numpy as np

from ccx_cli.errors import UsageError
from ccx_cli.probe.ranges import Range
from ccx_cli.threads import cores

E = TypeVar("E", bound=StrEnum)


def check_workers(workers: int | None) -> int:
    """Return the number of threads, all cores for ``None``."""
    if workers is not None and (not is_whole(workers) or workers < 1):
        raise UsageError(f"workers must be 1 or more, not {workers!r}.")
    return workers or cores()


def is_whole(number: Any) -> bool:
    """Tell whether something is a whole number, of Python or of NumPy."""
    try:
        as_whole(number)
    except TypeError:
        return False
    return not isinstance(number, bool)


def check_texts(**given: Any) -> None:
    """Check parameters that are text; UsageError for another kind."""
    for parameter, value in given.items():
        if not isinstance(value, str):
            raise UsageError(f"{parameter} must be text, not {value!r}.")


def check_wholes(**given: Any) -> None:
    """Check parameters that are whole numbers; UsageError for another kind."""
    for parameter, value in given.items():
        if not is_whole(value):
            raise UsageError(f"{parameter} must be a whole number, not {value!r}.")


def check_numbers(**given: Any) -> None:
    """Check parameters that are numbers; UsageError for another kind."""
    for parameter, value in given.items():
        if not isinstance(value, Real):
            raise UsageError(f"{parameter} must be a number, not {value!r}.")


def formula_texts(formulas: str | Iterable[str]) -> list[str]:
    """Return the texts of one formula or of several; UsageError if they are something else."""
    if isinstance(formulas, str) or not isinstance(formulas, Iterable):
        formulas = [formulas]
    texts = list(formulas)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f'A formula is text, such as "cat OR dog", not {text!r}.')
    return texts


def choose_units(units: Sequence[int], count: int) -> list[int]:
    """Read the numbers of units, each once; UsageError for one that there is not."""
    chosen = np.atleast_1d(np.asarray(units, dtype=object)).tolist()
    for unit in chosen:
        if not is_whole(unit) or not 0 <= unit < count:
            raise UsageError(f"Unit {unit} is not one of the {count} there are.")
    return list(dict.fromkeys(map(int, chosen)))


def read_ranges(ranges: Sequence[tuple[float, float]]) -> tuple[Range, ...]:
    """Read ranges; UsageError if one has no lower end below its upper."""
    found = []
    for given in ranges if isinstance(ranges, Iterable) else [ranges]:
        try:
            lower, upper = map(float, given)
        except (TypeError, ValueError):
            lower, upper = np.nan, np.nan
        if not lower < upper:
            raise UsageError(f"ranges holds {given!r}, which is not a (lower, upper) pair.")
        found.append(Range(lower, upper))
    if not found:
        raise UsageError("ranges is empty: leave it out, or give (lower, upper) at least once.")
    return tuple(found)


def one_of(parameter: str, value: str, kind: type[E]) -> E:
    """Return the member of a kind that a text names."""
    try:
        return kind(value)
    except ValueError:
        raise UsageError(f"{parameter} must be {' or '.join(kind)}, not {value!r}.") from None
