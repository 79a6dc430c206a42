"""What a search may use: concepts and operators."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.search.formula import Operator


@dataclass(frozen=True)
class SearchSpace:
    """Concepts and operators that formulas are made of.

    Attributes
    ----------
    mask
        ``(n_concepts,)`` bool, by place in the concept index.
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
        """Name what may be used, as JSON: operators, and a digest of the concepts."""
        return {
            "operators": [operator.name for operator in self.operators],
            "concepts": sha256(np.packbits(self.mask).tobytes()).hexdigest()[:16],
        }

    @cached_property
    def concepts(self) -> NDArray[np.int64]:
        """Places of the concepts, ascending."""
        return np.flatnonzero(self.mask)
