"""Formulas as Boolean algebra: equivalence and the shortest equivalent form."""

from __future__ import annotations

from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Or,
    concepts_of,
    length_of,
    renumbered,
)
from ccx_cli.formulas.reduction import factored, pruned, two_level_terms
from ccx_cli.formulas.shortest import MAX_CONCEPTS, concepts_needed, shortest
from ccx_cli.formulas.truth import (
    ALWAYS,
    MAX_TABLE_CONCEPTS,
    NEVER,
    DecisionDiagram,
    TruthTable,
    canonical_key,
)

__all__ = ["canonical_key", "equivalent", "is_constant", "simplify"]

_MAX_ESPRESSO_CONCEPTS = 10
_MAX_PRUNED_LENGTH = 100


def equivalent(a: Formula, b: Formula) -> bool:
    """Tell whether two formulas hold on the same label sets, whatever the data."""
    diagram = DecisionDiagram()
    return diagram.add(a) == diagram.add(b)


def is_constant(formula: Formula) -> bool | None:
    """Return True for a formula that always holds, False for one that never does, else None."""
    return {ALWAYS: True, NEVER: False}.get(DecisionDiagram().add(formula))


def simplify(formula: Formula) -> Formula:
    """Return the shortest equivalent formula: the one with the fewest concepts, repeats counted.

    Where it depends on four concepts or fewer nothing is shorter, and ``shortest`` says which of
    several it is. With more it is short, by leaving out what makes no difference, by pyeda's
    two-level minimisation and by factoring, and never longer than ``formula``. A formula that is
    as short already stays as it is but for double negations, so that what a search found is not
    shuffled. One that always or never holds stays as it is: no shorter formula says just that.
    """
    tidy = _without_double_not(formula)
    length, numbers = length_of(tidy), set(concepts_of(tidy))
    if len(numbers) == length:
        return tidy
    if len(numbers) > MAX_TABLE_CONCEPTS:
        is_short = length <= _MAX_PRUNED_LENGTH and is_constant(formula) is None
        return pruned(tidy) if is_short else tidy
    table = TruthTable.of(tidy)
    number_of = table.numbers.__getitem__
    if not table.numbers:
        return formula
    if len(table.numbers) <= MAX_CONCEPTS:
        if concepts_needed(len(table.numbers))[table.number] == length:
            return tidy
        return renumbered(shortest(table.number, len(table.numbers)), number_of)
    candidates = [tidy, pruned(tidy)]
    if len(table.numbers) <= _MAX_ESPRESSO_CONCEPTS:
        for complement in (False, True):
            two_level = factored(two_level_terms(table.holds ^ complement))
            short = renumbered(two_level, number_of)
            candidates.append(_without_double_not(Not(short)) if complement else short)
    return min(candidates, key=length_of)


def _without_double_not(formula: Formula) -> Formula:
    match formula:
        case Not(Not(operand)):
            return _without_double_not(operand)
        case Not(operand):
            return Not(_without_double_not(operand))
        case And(left, right) | Or(left, right):
            return type(formula)(_without_double_not(left), _without_double_not(right))
        case Concept():
            return formula
