"""Shorter formulas where there are too many concepts to try all: pruning, two levels, factoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, length_of

Condition: TypeAlias = Any
"""Where something holds, with ``&`` and ``~``: truth values or a pyeda expression."""

Term = frozenset[tuple[int, bool]]
"""Concepts that are all there, or, with True beside them, all absent."""


def pruned(
    formula: Formula,
    holds: Callable[[Formula], Condition],
    never: Callable[[Condition], bool],
    always: Condition,
) -> Formula:
    """Leave out, from the outside in, every operand that makes no difference to the whole.

    Parameters
    ----------
    formula
        No constant.
    holds
        Gives where a formula holds.
    never
        Tells whether that is nowhere.
    always
        Everywhere.
    """
    while True:
        shorter = _pruned(formula, holds, never, always)
        if length_of(shorter) == length_of(formula):
            return shorter
        formula = shorter


def two_level_terms(holds: NDArray[np.bool_]) -> list[Term]:
    """Return few and short terms that together hold where the function does (espresso).

    Parameters
    ----------
    holds
        ``(2 ** n,)`` bool, in the order of ``truth.points``; no constant.

    Returns
    -------
    Terms over concepts 0 to ``n - 1``, in a fixed order.
    """
    from pyeda.boolalg.expr import Complement, exprvar
    from pyeda.boolalg.minimization import espresso_tts
    from pyeda.boolalg.table import truthtable

    n_concepts = len(holds).bit_length() - 1
    variables = [exprvar("place", place) for place in range(n_concepts)]
    (cover,) = espresso_tts(truthtable(variables, "".join("01"[value] for value in holds.tolist())))
    terms = {
        frozenset(
            (literal.inputs[0].indices[0], isinstance(literal, Complement)) for literal in term
        )
        for term in cover.cover
    }
    return sorted(terms, key=sorted)


def factored(terms: Collection[Term]) -> Formula:
    """Write a sum of terms with what they share taken out, ``(a OR b) AND c``."""
    if any(not term for term in terms):
        raise ValueError("a term without concepts holds everywhere")
    shared = frozenset.intersection(*terms)
    if len(terms) == 1:
        return _chain(And, map(_literal, sorted(shared, key=_positives_first)))
    if shared:
        rest = factored([term - shared for term in terms])
        literals = map(_literal, sorted(shared, key=_positives_first))
        return _chain(And, [rest, *literals])
    counts = Counter(literal for term in terms for literal in term)
    common, count = min(counts.items(), key=lambda item: (-item[1], _positives_first(item[0])))
    if count == 1:
        return _chain(Or, [factored([term]) for term in terms])
    having = [term for term in terms if common in term]
    lacking = [term for term in terms if common not in term]
    return Or(factored(having), factored(lacking))


def _pruned(
    formula: Formula,
    holds: Callable[[Formula], Condition],
    never: Callable[[Condition], bool],
    care: Condition,
) -> Formula:
    """Prune an operand that decides only where ``care`` holds, as the others do elsewhere."""
    match formula:
        case Concept():
            return formula
        case Not(operand):
            return Not(_pruned(operand, holds, never, care))
        case And(left, right):
            if never(care & holds(left) & ~holds(right)):
                return _pruned(left, holds, never, care)
            if never(care & holds(right) & ~holds(left)):
                return _pruned(right, holds, never, care)
            left = _pruned(left, holds, never, care & holds(right))
            return And(left, _pruned(right, holds, never, care & holds(left)))
        case Or(left, right):
            if never(care & ~holds(left) & holds(right)):
                return _pruned(left, holds, never, care)
            if never(care & ~holds(right) & holds(left)):
                return _pruned(right, holds, never, care)
            left = _pruned(left, holds, never, care & ~holds(right))
            return Or(left, _pruned(right, holds, never, care & ~holds(left)))


def _literal(literal: tuple[int, bool]) -> Formula:
    concept, absent = literal
    return Not(Concept(concept)) if absent else Concept(concept)


def _positives_first(literal: tuple[int, bool]) -> tuple[bool, int]:
    concept, absent = literal
    return absent, concept


def _chain(operator: type[And] | type[Or], operands: Iterable[Formula]) -> Formula:
    return reduce(operator, operands)
