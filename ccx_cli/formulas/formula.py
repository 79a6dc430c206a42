"""Formulas of concepts: an immutable tree, its text form and its JSON form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

KEYWORDS = frozenset({"AND", "OR", "NOT"})
_NEEDS_QUOTES = re.compile(r"""[\s()|&~!,"'\\]""")
_WORD = re.compile(r"""[^\s()"]+|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Operator(IntEnum):
    """What joins the next concept to a chain; ties between formulas break in this order."""

    OR = 0
    AND = 1
    AND_NOT = 2


@dataclass(frozen=True, slots=True)
class Concept:
    """One concept, by its number in ``label.csv``."""

    number: int


@dataclass(frozen=True, slots=True)
class Not:
    """The pixels outside a formula."""

    operand: Formula


@dataclass(frozen=True, slots=True)
class And:
    """The pixels in both formulas."""

    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Or:
    """The pixels in either formula."""

    left: Formula
    right: Formula


Formula = Concept | Not | And | Or


def concepts_of(formula: Formula) -> Iterator[int]:
    """Yield the label numbers in a formula, from left to right, with repetitions."""
    match formula:
        case Concept(number):
            yield number
        case Not(operand):
            yield from concepts_of(operand)
        case And(left, right) | Or(left, right):
            yield from concepts_of(left)
            yield from concepts_of(right)


def length_of(formula: Formula) -> int:
    """Count the concepts in a formula, as the published ``length`` does."""
    return sum(1 for _ in concepts_of(formula))


def to_text(formula: Formula, name_of: Callable[[int], str]) -> str:
    """Write a formula as people read it, ``(water OR river) AND NOT blue``.

    Both sides of an operator stand in parentheses unless they are single concepts or negated ones.
    Names that the text form would take apart stand in quotes, so that ``parse_formula`` reads back
    the same tree.
    """
    match formula:
        case Concept(number):
            return quoted(name_of(number))
        case Not(operand):
            return f"NOT {_operand_text(operand, name_of)}"
        case And(left, right):
            return f"{_operand_text(left, name_of)} AND {_operand_text(right, name_of)}"
        case Or(left, right):
            return f"{_operand_text(left, name_of)} OR {_operand_text(right, name_of)}"


def quoted(name: str) -> str:
    """Write a name as it stands in a formula, in double quotes if it is not one plain word."""
    if name and name.upper() not in KEYWORDS and not _NEEDS_QUOTES.search(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_json(formula: Formula) -> Any:
    """Write a formula as JSON.

    A concept is its label number, the rest ``["NOT", x]``, ``["AND", x, y]`` and ``["OR", x, y]``.
    """
    match formula:
        case Concept(number):
            return number
        case Not(operand):
            return ["NOT", to_json(operand)]
        case And(left, right):
            return ["AND", to_json(left), to_json(right)]
        case Or(left, right):
            return ["OR", to_json(left), to_json(right)]


def from_json(value: Any) -> Formula:
    """Read what ``to_json`` wrote; ValueError if ``value`` is not a formula."""
    match value:
        case bool():
            raise ValueError(f"{value!r} is not a formula")
        case int(number):
            return Concept(number)
        case ["NOT", operand]:
            return Not(from_json(operand))
        case ["AND", left, right]:
            return And(from_json(left), from_json(right))
        case ["OR", left, right]:
            return Or(from_json(left), from_json(right))
    raise ValueError(f"{value!r} is not a formula")


def labels_in(value: Any) -> list[int]:
    """Return the label numbers in what ``to_json`` wrote, left to right, with repetitions.

    They are those of ``concepts_of``, found without making the formula, which takes long for many;
    ValueError if ``value`` is not a formula.
    """
    if type(value) is int:
        return [value]
    if type(value) is list and len(value) == 3 and value[0] in ("AND", "OR"):
        return labels_in(value[1]) + labels_in(value[2])
    if type(value) is list and len(value) == 2 and value[0] == "NOT":
        return labels_in(value[1])
    return list(concepts_of(from_json(value)))


def join(left: Formula, operator: Operator, number: int) -> Formula:
    """Extend a chain to the right by one concept."""
    concept = Concept(number)
    match operator:
        case Operator.OR:
            return Or(left, concept)
        case Operator.AND:
            return And(left, concept)
        case Operator.AND_NOT:
            return And(left, Not(concept))


def _operand_text(formula: Formula, name_of: Callable[[int], str]) -> str:
    text = to_text(formula, name_of)
    return text if isinstance(formula, Concept | Not) else f"({text})"


def renumbered(formula: Formula, number_of: Callable[[int], int]) -> Formula:
    """Write other label numbers into a formula."""
    match formula:
        case Concept(number):
            return Concept(number_of(number))
        case Not(operand):
            return Not(renumbered(operand, number_of))
        case And(left, right) | Or(left, right):
            return type(formula)(renumbered(left, number_of), renumbered(right, number_of))


def left_of(formula: Formula) -> Formula | None:
    """Return the left side of a formula's last operator, ``None`` where nothing is joined."""
    match formula:
        case And(left, _) | Or(left, _):
            return left
        case _:
            return None


def positive_concepts(formula: Formula, *, positive: bool = True) -> list[int]:
    """Return the label numbers that a formula asks for, or else those it excludes, in order."""
    if isinstance(formula, Concept):
        return [formula.number] if positive else []
    if isinstance(formula, Not):
        return positive_concepts(formula.operand, positive=not positive)
    left = positive_concepts(formula.left, positive=positive)
    return left + positive_concepts(formula.right, positive=positive)


def names_in(text: str) -> list[str]:
    """Read the names of concepts off a text that ``to_text`` wrote, left to right."""
    if '"' not in text:  # Much faster, and most texts are so.
        words = text.replace("(", " ").replace(")", " ").split()
        return [word for word in words if word not in KEYWORDS]
    words = [found.group() for found in _WORD.finditer(text) if found.group() not in KEYWORDS]
    return list(map(_unquoted, words))


def renamed(text: str, name_of: Callable[[str], str]) -> str:
    """Write other names into a text with formulas that ``to_text`` wrote."""

    def written(found: re.Match[str]) -> str:
        word = found.group()
        name = _unquoted(word)
        other = name if word in KEYWORDS else name_of(name)
        return word if other == name else quoted(other)

    return _WORD.sub(written, text)


def _unquoted(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word[0] == '"' else word
