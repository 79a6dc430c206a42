"""What a search may use: concepts and operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.errors import UsageError
from ccx_cli.formulas.formula import Operator

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


def space_identity(space: SearchSpace | None) -> dict[str, Any]:
    """Name a space as part of a search's identity; nothing where all may be used."""
    return {} if space is None else {"space": space.identity()}
