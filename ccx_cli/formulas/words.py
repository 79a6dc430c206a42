"""Formulas as plain words, for readers and programs that know no operators."""

from __future__ import annotations

from collections.abc import Callable

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or


def to_words(formula: Formula, name_of: Callable[[int], str]) -> str:
    """Write a formula as words, ``water or river, not blue``.

    It is read from left to right: after a comma, what follows is joined to all that stands before.
    """
    match formula:
        case Concept(number):
            return name_of(number)
        case Not(operand):
            return f"not {_side(operand, name_of)}"
        case And(left, Not(right)):
            return f"{to_words(left, name_of)}, not {_side(right, name_of)}"
        case And(left, right) | Or(left, right):
            comma = "" if _is_plain(left, type(formula)) else ","
            word = "and" if isinstance(formula, And) else "or"
            return f"{to_words(left, name_of)}{comma} {word} {_side(right, name_of)}"


def _side(formula: Formula, name_of: Callable[[int], str]) -> str:
    text = to_words(formula, name_of)
    return text if isinstance(formula, Concept | Not) else f"({text})"


def _is_plain(formula: Formula, kind: type[Formula]) -> bool:
    """Tell whether a formula is a concept, or concepts that are all joined by one operator."""
    match formula:
        case Concept():
            return True
        case And(left, Concept()) | Or(left, Concept()):
            return isinstance(formula, kind) and _is_plain(left, kind)
        case _:
            return False
