"""Formulas as Boolean algebra: equivalence, the shortest equivalent form, pyeda expressions.

Truth tables tell where a formula has few concepts. Longer ones pyeda writes as clauses and a solver
proves. pyeda is imported where it is used, so that commands without algebra do not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Or,
    concepts_of,
    evaluate,
    length_of,
)
from ccx_cli.formulas.reduction import factored, pruned, two_level_terms
from ccx_cli.formulas.satisfiability import is_satisfiable
from ccx_cli.formulas.shortest import MAX_CONCEPTS, concepts_needed, shortest
from ccx_cli.formulas.truth import MAX_TABLE_CONCEPTS, TruthTable, canonical_key, holds

__all__ = [
    "as_expression",
    "canonical_key",
    "equivalent",
    "from_expression",
    "is_constant",
    "same_here",
    "simplify",
]

_MAX_ESPRESSO_CONCEPTS = 10
_MAX_PROVED_LENGTH = 100
_VARIABLE = "concept"


def as_expression(formula: Formula) -> Any:
    """Write a formula as a pyeda expression of the same shape.

    A concept is the variable ``concept[number]``.
    """
    from pyeda.boolalg import expr

    match formula:
        case Concept(number):
            return expr.exprvar(_VARIABLE, number)
        case Not(operand):
            return expr.Not(as_expression(operand), simplify=False)
        case And(left, right):
            return expr.And(as_expression(left), as_expression(right), simplify=False)
        case Or(left, right):
            return expr.Or(as_expression(left), as_expression(right), simplify=False)


def from_expression(expression: Any) -> Formula:
    """Read a pyeda expression over variables ``concept[number]``.

    An operator of several operands becomes a chain to the left; operators other than and, or and
    not are expanded into these.

    Raises
    ------
    ValueError
        If the expression is a constant or has other variables: no formula says that.
    """
    from pyeda.boolalg import expr

    plain = (expr.AndOp, expr.OrOp, expr.NotOp, expr.Literal)
    if not all(isinstance(part, plain) for part in expression.iter_dfs()):
        expression = expression.to_nnf()
    if isinstance(expression, expr.Constant):
        raise ValueError(f"no formula is always {bool(expression)}")
    return _from_plain(expression)


def equivalent(a: Formula, b: Formula) -> bool:
    """Tell whether two formulas hold on the same label sets, whatever the data."""
    among = sorted({*concepts_of(a), *concepts_of(b)})
    if len(among) <= MAX_TABLE_CONCEPTS:
        return np.array_equal(holds(a, among), holds(b, among))
    from pyeda.boolalg.expr import Xor

    return not _satisfiable(Xor(as_expression(a), as_expression(b)))


def same_here(a: Formula, b: Formula, carries: Callable[[int], NDArray[np.bool_]]) -> bool:
    """Tell whether two formulas hold on the same label sets of this data.

    Parameters
    ----------
    a, b
        Any formulas.
    carries
        Gives, for a label number, ``(n_sets,)`` bool: the label sets that have it.
    """
    return np.array_equal(evaluate(a, carries), evaluate(b, carries))


def is_constant(formula: Formula) -> bool | None:
    """Return True for a formula that always holds, False for one that never does, else None."""
    if len(set(concepts_of(formula))) <= MAX_TABLE_CONCEPTS:
        table = TruthTable.of(formula)
        return None if table.numbers else bool(table.holds[0])
    if not _satisfiable(as_expression(formula)):
        return False
    return None if _satisfiable(as_expression(Not(formula))) else True


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
        return _simplified_by_proof(tidy)
    table = TruthTable.of(tidy)
    if not table.numbers:
        return formula
    if len(table.numbers) <= MAX_CONCEPTS:
        if concepts_needed(len(table.numbers))[table.number] == length:
            return tidy
        return _renumbered(shortest(table.number, len(table.numbers)), table.numbers)
    candidates = [tidy, _shortened(tidy)]
    if len(table.numbers) <= _MAX_ESPRESSO_CONCEPTS:
        for complement in (False, True):
            two_level = factored(two_level_terms(table.holds ^ complement))
            short = _shortened(_renumbered(two_level, table.numbers))
            candidates.append(_without_double_not(Not(short)) if complement else short)
    return min(candidates, key=length_of)


def _shortened(formula: Formula) -> Formula:
    """Prune a formula of up to twelve concepts, then take the shortest of its small parts."""
    among = sorted(set(concepts_of(formula)))
    short = pruned(
        formula,
        lambda part: holds(part, among),
        lambda where: not where.any(),
        np.ones(1 << len(among), dtype=np.bool_),
    )
    return _by_parts(short, MAX_CONCEPTS)


def _simplified_by_proof(formula: Formula) -> Formula:
    """Shorten a formula with too many concepts for a table, proving each step with pyeda."""
    from pyeda.boolalg.expr import One

    if length_of(formula) <= _MAX_PROVED_LENGTH:
        if is_constant(formula) is not None:
            return formula
        formula = pruned(formula, as_expression, lambda where: not _satisfiable(where), One)
    return _by_parts(formula, MAX_TABLE_CONCEPTS)


def _by_parts(formula: Formula, max_concepts: int) -> Formula:
    """Simplify the largest parts that have at most ``max_concepts`` different concepts."""
    if len(set(concepts_of(formula))) <= max_concepts:
        return simplify(formula)
    match formula:
        case And(left, right) | Or(left, right):
            return type(formula)(_by_parts(left, max_concepts), _by_parts(right, max_concepts))
        case Not(operand):
            return Not(_by_parts(operand, max_concepts))
        case Concept():
            return formula


def _renumbered(formula: Formula, numbers: Sequence[int]) -> Formula:
    match formula:
        case Concept(place):
            return Concept(numbers[place])
        case Not(operand):
            return Not(_renumbered(operand, numbers))
        case And(left, right) | Or(left, right):
            return type(formula)(_renumbered(left, numbers), _renumbered(right, numbers))


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


def _satisfiable(expression: Any) -> bool:
    from pyeda.boolalg.expr import Constant, Literal

    expression = expression.to_nnf()
    if isinstance(expression, Constant):
        return bool(expression)
    if isinstance(expression, Literal):
        return True
    _, n_variables, clauses = expression.tseitin().encode_cnf()
    return is_satisfiable([*clauses], n_variables)


def _from_plain(expression: Any) -> Formula:
    from pyeda.boolalg import expr

    match expression:
        case expr.Variable(names=(name,), indices=(number,)) if name == _VARIABLE:
            return Concept(number)
        case expr.Complement():
            return Not(_from_plain(~expression))
        case expr.NotOp():
            return Not(_from_plain(expression.xs[0]))
        case expr.AndOp() | expr.OrOp():
            operator = And if isinstance(expression, expr.AndOp) else Or
            return reduce(operator, map(_from_plain, expression.xs))
    raise ValueError(f"{expression} is no concept")
