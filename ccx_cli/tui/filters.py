"""What is typed to filter a list: words, and comparisons such as ``iou>0.1`` or ``range:4``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ccx_cli.tui.table import Column

_PART = re.compile(r'(\w+)(>=|<=|[<>=:])("[^"]*"?|\S*)|"([^"]*)"?|(\S+)')
_ORDER = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Filter:
    """What a row must have: all ``words`` in its text, and a pass of all ``tests``.

    ``marked`` are the texts that stand out in what passes; ``problem`` says what of the typed text
    is passed over, ``""`` if nothing is.
    """

    words: tuple[str, ...] = ()
    tests: tuple[Callable[[Any], bool], ...] = ()
    marked: tuple[str, ...] = ()
    problem: str = ""

    @staticmethod
    def read(typed: str, columns: Sequence[Column]) -> Filter:
        """Read what was typed over a table with these columns.

        A comparison names a column by its title or key, or how one begins. ``:`` asks for a part of
        a text or for a number to the decimals typed, ``=`` for a whole text, and each for one of
        several after commas. A number alone is a unit's where units are listed.
        """
        words, tests, marked, problem = [], [], [], ""
        for name, sign, wanted, quoted, word in _PART.findall(typed.casefold()):
            column = _column(columns, name or "unit" * word.isdigit())
            if name and column is None:
                known = ", ".join(column.key for column in columns)
                problem = f"No column is called {name!r}: {known}."
                continue
            if column is None:
                words.append(quoted or word)
                continue
            text = wanted or word
            parts = [text.strip('"')] if text[:1] == '"' else [*filter(None, text.split(","))]
            if sign in _ORDER and not all(map(_is_number, parts)):
                problem = f"{name}{sign} is followed by a number, such as {name}{sign}0.1."
            elif parts:
                value = column.found_by or column.value
                assert value is not None
                tests.append(partial(_passes, value, sign, parts))
                marked += [part for part in parts if not _is_number(part)]
        return Filter(tuple(words), tuple(tests), (*words, *marked), problem)

    def passes(self, row: Any, text: str) -> bool:
        """Tell whether a row, ``text`` in words, passes."""
        text = text.casefold()
        return all(word in text for word in self.words) and all(test(row) for test in self.tests)


def _column(columns: Sequence[Column], name: str) -> Column | None:
    """Find the column that a name, in lower case, is or begins."""
    usable = [column for column in columns if column.found_by or column.value]
    for fits in (str.__eq__, str.startswith):
        for column in usable if name else ():
            if fits(column.key.casefold(), name) or fits(column.title.casefold(), name):
                return column
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _passes(value: Callable[[Any], Any], sign: str, parts: Sequence[str], row: Any) -> bool:
    found = value(row)
    if sign in _ORDER:
        return isinstance(found, int | float) and _ORDER[sign](found, float(parts[0]))
    return any(_is(found, part, whole=sign == "=") for part in parts)


def _is(found: Any, wanted: str, *, whole: bool) -> bool:
    match found:
        case None:
            return False
        case int() | float():
            digits = len(wanted.partition(".")[2])
            return _is_number(wanted) and f"{found:.{digits}f}" == f"{float(wanted):.{digits}f}"
        case str():
            found = found.casefold()
            return wanted == found if whole else wanted in found
        case _:
            return any(_is(each, wanted, whole=whole) for each in found)
