"""Shorter formulas where there are too many concepts to try all: pruning, two levels, factoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import And, Concept, Formula, Not, Or, length_of
from ccx_cli.formulas.truth import ALWAYS, NEVER, DecisionDiagram

Term = frozenset[tuple[int, bool]]
"""Concepts that are all there, or, with True beside them, all absent."""


def pruned(formula: Formula) -> Formula:
    """Leave out, from the outside in, what makes no difference to a formula that is no constant."""
    diagram = DecisionDiagram()
    while True:
        shorter = _pruned(formula, diagram, ALWAYS)
        if length_of(shorter) == length_of(formula):
            return shorter
        formula = shorter


def two_level_terms(holds: NDArray[np.bool_]) -> list[Term]:
    """Return few and short terms that together hold where the function does (espresso).

    ``holds`` is ``(2 ** n,)`` bool, in the order of ``truth.points``, and no constant. The terms
    are over concepts 0 to ``n - 1``, in a fixed order.
    """
    # A compiled extension that most commands do without.
    from pyeda.boolalg.expr import Complement, exprvar
    from pyeda.boolalg.minimization import espresso_tts
    from pyeda.boolalg.table import truthtable

    n_concepts = len(holds).bit_length() - 1
    variables = [exprvar("concept", number) for number in range(n_concepts)]
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
        return reduce(And, map(_literal, sorted(shared, key=_positives_first)))
    if shared:
        rest = factored([term - shared for term in terms])
        return reduce(And, map(_literal, sorted(shared, key=_positives_first)), rest)
    counts = Counter(literal for term in terms for literal in term)
    common, count = min(counts.items(), key=lambda item: (-item[1], _positives_first(item[0])))
    if count == 1:
        return reduce(Or, [factored([term]) for term in terms])
    having = [term for term in terms if common in term]
    lacking = [term for term in terms if common not in term]
    return Or(factored(having), factored(lacking))


def _pruned(formula: Formula, diagram: DecisionDiagram, care: int) -> Formula:
    """Prune an operand that decides only where the node ``care`` holds, as others do elsewhere."""
    match formula:
        case Concept():
            return formula
        case Not(operand):
            return Not(_pruned(operand, diagram, care))
        case And(left, right) | Or(left, right):
            is_and = isinstance(formula, And)

            def decides(operand: Formula) -> int:
                """Where ``care`` holds and this operand leaves the answer to the other one."""
                node = diagram.add(operand)
                return diagram.conjunction(care, node if is_and else diagram.negation(node))

            def is_idle(operand: Formula, other: Formula) -> bool:
                """Whether an operand changes nothing where the other one leaves it the answer."""
                node = diagram.add(operand)
                changes = diagram.negation(node) if is_and else node
                return diagram.conjunction(decides(other), changes) == NEVER

            if is_idle(right, left):
                return _pruned(left, diagram, care)
            if is_idle(left, right):
                return _pruned(right, diagram, care)
            left = _pruned(left, diagram, decides(right))
            return type(formula)(left, _pruned(right, diagram, decides(left)))


def _literal(literal: tuple[int, bool]) -> Formula:
    concept, absent = literal
    return Not(Concept(concept)) if absent else Concept(concept)


def _positives_first(literal: tuple[int, bool]) -> tuple[bool, int]:
    concept, absent = literal
    return absent, concept
