"""Reads formulas that people write: ``(water OR river) AND NOT blue``.

``OR`` binds least, then ``AND``, then ``NOT``; operators of one kind group to the left. ``|``,
``&``, ``~`` and ``!`` are read as well. A name of several words needs no quotes; one with commas,
parentheses or quotes in it, or that is itself ``and``, ``or`` or ``not``, stands in quotes, with a
backslash before a quote inside. ``#12`` is the concept with label number 12.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from ccx_cli.errors import UsageError, suggestion
from ccx_cli.formulas.formula import KEYWORDS, And, Concept, Formula, Not, Or

MAX_CHARACTERS = 10_000
MAX_LEVELS = 200

SUFFIXES = {"scene": "-s", "color": "-c"}
"""What Broden's names of these categories end with."""
_NUMBER = re.compile(r"#([0-9]{1,9})")
_TOKEN = re.compile(
    r"""(?P<word>[^\s()|&~!,"'\\][^\s()|&~!,"\\]*)
    |"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'
    |(?P<space>\s+)|(?P<symbol>[()~!]|\|\|?|&&?)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SYMBOLS = {"|": "OR", "||": "OR", "&": "AND", "&&": "AND", "~": "NOT", "!": "NOT"}
_PRECEDENCE = {"OR": 1, "AND": 2}
_OPERAND = 'a concept, NOT or "(" is expected'
_OPERATOR = "AND, OR, AND NOT or the end is expected"


@dataclass(frozen=True)
class Vocabulary:
    """The names of concepts by label number, as ``label.csv`` has them.

    ``of`` is what they are the concepts of, for errors, where that is not the whole dataset.
    """

    names: Mapping[int, str]
    of: str = ""

    def number(self, name: str, where: str = "") -> int:
        """Return the label number of the concept that ``name`` means.

        The name as it is comes first, then ``#12`` for label number 12, then the name whatever its
        case, then without the suffix of its category, ``street`` for ``street-s``. UsageError, in
        which ``where`` follows the name, if no concept is called so, or more than one.
        """
        folded = name.casefold()
        if not (numbers := self._exact.get(name, ())):
            if match := _NUMBER.fullmatch(name):
                if int(match[1]) not in self.names:
                    raise _no_such_number(int(match[1]), where)
                return int(match[1])
            numbers = self._folded.get(folded) or self._stems.get(folded, ())
        if len(numbers) == 1:
            return numbers[0]
        if numbers:
            meanings = " or ".join(f"{self.names[number]} (#{number})" for number in numbers)
            raise UsageError(
                f"The name {_shown(name)}{where} may mean {meanings}: write "
                f"{' or '.join(f'#{number}' for number in numbers)} instead."
            )
        raise UsageError(f"No concept{self.of} is called {_shown(name)}{where}{self._mend(name)}")

    def name(self, number: int) -> str:
        """Return the name of the concept with a label number; UsageError if there is none."""
        if number not in self.names:
            raise _no_such_number(number, "")
        return self.names[number]

    def _mend(self, name: str) -> str:
        words = name.split()
        folded = [word.casefold() for word in words]
        if len(words) > 1 and all(word in self._folded or word in self._stems for word in folded):
            return f": put AND, OR or AND NOT between {words[0]} and {words[1]}."
        known = self._exact
        near = suggestion(name, known) or suggestion(name.casefold(), known)
        if self.of:
            return near or ": `ccx concepts` lists on which images there is one."
        return near or ": the names are those of the dataset's label.csv."

    @cached_property
    def _exact(self) -> dict[str, tuple[int, ...]]:
        return _numbers_by((name, number) for number, name in self.names.items())

    @cached_property
    def _folded(self) -> dict[str, tuple[int, ...]]:
        return _numbers_by((name.casefold(), number) for number, name in self.names.items())

    @cached_property
    def _stems(self) -> dict[str, tuple[int, ...]]:
        return _numbers_by(
            (rest.casefold(), number)
            for number, name in self.names.items()
            if (rest := without_suffix(name)) != name
        )


def with_suffix(name: str, category: str) -> str:
    """Return a name with the suffix of its category: ``street-s`` for ``street``, a scene."""
    suffix = SUFFIXES.get(category, "")
    return name if name.endswith(suffix) else name + suffix


def without_suffix(name: str, category: str | None = None) -> str:
    """Return a name without the suffix of its category, if known: ``street`` for ``street-s``."""
    for suffix in SUFFIXES.values() if category is None else filter(None, [SUFFIXES.get(category)]):
        if name.casefold().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def parse_formula(text: str, vocabulary: Vocabulary) -> Formula:
    """Read a formula that ``to_text`` wrote, as the same tree, or that somebody typed.

    It has 10,000 characters and 200 levels at most, counting parentheses and operators. UsageError
    says where the text is no formula and what was expected there.
    """
    if len(text) > MAX_CHARACTERS:
        raise UsageError(
            f"The formula has {len(text):,} characters, more than {MAX_CHARACTERS:,}: shorten it."
        )
    return _Reader(_joined(_tokens(text)), vocabulary).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    """``kind`` is an operator, a parenthesis, ``word`` or ``name``."""

    kind: str
    text: str
    character: int

    def __str__(self) -> str:
        return f"{_shown(self.text)} at character {self.character:,}"


class _Reader:
    """Reads tokens by precedence, each formula with its depth."""

    def __init__(self, tokens: Iterator[_Token], vocabulary: Vocabulary) -> None:
        self._tokens = tokens
        self._vocabulary = vocabulary
        self._last: _Token | None = None
        self._token = next(tokens, None)
        self._levels = 0

    def whole(self) -> Formula:
        first = self._token
        if first is None:
            raise UsageError(
                'The formula is empty: write one such as "(water OR river) AND NOT blue".'
            )
        formula, _ = self._chain()
        if self._token is None:
            return formula
        if self._token.kind == ")":
            raise UsageError(
                f'The formula has {self._token} without a "(" before it: leave it out.'
            )
        raise UsageError(f"The formula has {self._token}, where {_OPERATOR}.")

    def _chain(self, least: int = 1) -> tuple[Formula, int]:
        """Read operands that are joined by operators of at least this precedence."""
        formula, depth = self._operand()
        while (token := self._token) and _PRECEDENCE.get(token.kind, 0) >= least:
            self._advance()
            right, right_depth = self._chain(_PRECEDENCE[token.kind] + 1)
            depth = _deeper(max(depth, right_depth), token)
            formula = And(formula, right) if token.kind == "AND" else Or(formula, right)
        return formula, depth

    def _operand(self) -> tuple[Formula, int]:
        token = self._token
        if token is None:
            raise UsageError(f"The formula ends after {self._last}, where {_OPERAND}.")
        if token.kind == "name":
            where = f" (character {token.character:,} of the formula)"
            number = self._vocabulary.number(token.text, where)
            self._advance()
            return Concept(number), 0
        if token.kind not in {"NOT", "("}:
            raise UsageError(f"The formula has {token}, where {_OPERAND}.")
        self._levels = _deeper(self._levels, token)
        self._advance()
        if token.kind == "NOT":
            formula, depth = self._operand()
            formula, depth = Not(formula), _deeper(depth, token)
        else:
            formula, depth = self._chain()
            if self._token is None:
                raise UsageError(f'The formula never closes {token}: add a ")".')
            if self._token.kind != ")":
                raise UsageError(f"The formula has {self._token}, where {_OPERATOR}.")
            self._advance()
        self._levels -= 1
        return formula, depth

    def _advance(self) -> None:
        self._last, self._token = self._token, next(self._tokens, None)


def _deeper(levels: int, token: _Token) -> int:
    """Count one more level; UsageError if that is too deep."""
    if levels == MAX_LEVELS:
        raise UsageError(
            f"The formula is more than {MAX_LEVELS} levels deep, see {token}: use fewer "
            "parentheses or operators."
        )
    return levels + 1


def _tokens(text: str) -> Iterator[_Token]:
    start = 0
    while start < len(text):
        match = _TOKEN.match(text, start)
        if match is None:
            raise _stray(text[start], start + 1)
        found = match[0]
        match match.lastgroup:
            case "word":
                kind = found.upper() if found.upper() in KEYWORDS else "word"
                yield _Token(kind, found, start + 1)
            case "symbol":
                yield _Token(_SYMBOLS.get(found, found), found, start + 1)
            case "double" | "single":
                yield _Token("name", _ESCAPE.sub(r"\1", found[1:-1]), start + 1)
        start = match.end()


def _joined(tokens: Iterator[_Token]) -> Iterator[_Token]:
    """Make one name of words that stand side by side."""
    for are_words, group in groupby(tokens, lambda token: token.kind == "word"):
        if are_words:
            words = list(group)
            name = " ".join(word.text for word in words)
            yield _Token("name", name, words[0].character)
        else:
            yield from group


def _stray(character: str, position: int) -> UsageError:
    if character in "\"'":
        return UsageError(
            f"The formula never closes the quote at character {position:,}: add a {character}."
        )
    return UsageError(
        f"The formula has {_shown(character)} at character {position:,} outside quotes: put the "
        "name that it belongs to in double quotes."
    )


def _no_such_number(number: int, where: str) -> UsageError:
    return UsageError(
        f"No concept has the label number {number}{where}: the numbers are those of the dataset's "
        "label.csv."
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}\N{HORIZONTAL ELLIPSIS}")


def _numbers_by(pairs: Iterable[tuple[str, int]]) -> dict[str, tuple[int, ...]]:
    numbers: dict[str, set[int]] = defaultdict(set)
    for name, number in pairs:
        numbers[name].add(number)
    return {name: tuple(sorted(found)) for name, found in numbers.items()}
