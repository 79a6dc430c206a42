"""What a search may use: concepts and operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import (
    And,
    Concept,
    Formula,
    Not,
    Operator,
    Or,
    concepts_of,
    length_of,
)

PROVEN_LENGTH = 3
"""Concepts in a formula up to which branch and bound always finishes."""
MAX_LENGTH = 100
"""Most concepts in a formula; what is much longer could not be read back as text."""


def check_length(length: int) -> None:
    """Refuse a ``length`` of formulas that cannot be searched.

    Raises
    ------
    UsageError
        If it is not 1 to ``MAX_LENGTH``.
    """
    if length < 1:
        raise UsageError(f"`length` {length} must be 1 or more.")
    if length > MAX_LENGTH:
        raise UsageError(f"`length` {length} must be {MAX_LENGTH} or less.")


@dataclass(frozen=True)
class SearchSpace:
    """Concepts and operators that formulas are made of.

    Attributes
    ----------
    mask
        ``(n_concepts,)`` bool, by position in the concept index.
    operators
        In the order of ``Operator``.
    """

    mask: NDArray[np.bool_]
    operators: tuple[Operator, ...] = tuple(Operator)

    @classmethod
    def whole(cls, n_concepts: int) -> SearchSpace:
        """Return the space of all concepts and operators."""
        return cls(np.ones(n_concepts, dtype=np.bool_))

    def identity(self) -> dict[str, Any]:
        """Name what may be used, as JSON: operators, and the mask of concepts, packed, in hex."""
        return {
            "operators": [operator.name for operator in self.operators],
            "mask": np.packbits(self.mask).tobytes().hex(),
        }

    @classmethod
    def from_identity(cls, identity: Mapping[str, Any], n_concepts: int) -> SearchSpace:
        """Make the space that ``identity`` names, on a dataset of so many concepts.

        Raises
        ------
        KeyError, ValueError
            If it names none.
        """
        packed = np.frombuffer(bytes.fromhex(identity["mask"]), dtype=np.uint8)
        if len(packed) != -(-n_concepts // 8):
            raise ValueError(f"a mask of {n_concepts} concepts")
        operators = tuple(Operator[name] for name in identity["operators"])
        return cls(np.unpackbits(packed, count=n_concepts).astype(np.bool_), operators)

    @cached_property
    def concepts(self) -> NDArray[np.int64]:
        """Positions of the concepts, ascending."""
        return np.flatnonzero(self.mask)


def outside_space(
    formula: Formula, length: int, concepts: Collection[int], operators: Sequence[Operator]
) -> str:
    """Say why a formula is none of the left chains that were searched, ``""`` if it is one.

    Parameters
    ----------
    formula
        The formula.
    length
        Most concepts of a chain.
    concepts
        Numbers of the labels that were allowed.
    operators
        The operators that were allowed.
    """
    used, left = set[Operator](), formula
    while isinstance(left, And | Or):
        right, is_and = left.right, isinstance(left, And)
        if is_and and isinstance(right, Not):
            used.add(Operator.AND_NOT)
            right = right.operand
        else:
            used.add(Operator.AND if is_and else Operator.OR)
        if not isinstance(right, Concept):
            return "it is no left chain, ((a op b) op c) with OR, AND and AND NOT"
        left = left.left
    if isinstance(left, Not):
        return "it begins with a negation"
    if length_of(formula) > length:
        return f"it has more than {length} concepts"
    if not set(concepts_of(formula)) <= set(concepts):
        return "it has a concept that the run excluded"
    excluded = sorted(used - set(operators))
    return f"the run excluded {excluded[0].name.replace('_', ' ')}" if excluded else ""


def space_identity(space: SearchSpace | None) -> dict[str, Any]:
    """Name a space as part of a search's identity; nothing where all may be used."""
    return {} if space is None else {"space": space.identity()}
