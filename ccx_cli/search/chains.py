"""Left chains ``((c1 op c2) op c3)`` as the searches build them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Concept, Formula, Operator, join
from ccx_cli.search.counts import DataCounts, Rows, intersection_rows


@dataclass(frozen=True, slots=True, order=True)
class Chain:
    """A left chain over places in the concept index.

    Attributes
    ----------
    concepts
        One or more distinct places.
    operators
        ``operators[i]`` joins ``concepts[i + 1]`` to what stands before it.
    """

    concepts: tuple[int, ...]
    operators: tuple[Operator, ...] = ()

    def __len__(self) -> int:
        return len(self.concepts)

    def extended(self, operator: Operator, concept: int) -> Chain:
        """Return the chain with one more concept."""
        return Chain((*self.concepts, concept), (*self.operators, operator))

    def formula(self, numbers: Sequence[int] | NDArray[np.uint16]) -> Formula:
        """Return the chain as a formula; ``numbers[place]`` is a concept's label number."""
        built: Formula = Concept(int(numbers[self.concepts[0]]))
        for operator, concept in zip(self.operators, self.concepts[1:], strict=True):
            built = join(built, operator, int(numbers[concept]))
        return built


@dataclass(frozen=True, slots=True)
class Scored:
    """A chain with its exact counts.

    Attributes
    ----------
    chain
        The formula.
    both, total
        ``|N & F|`` and ``|F|``, pixels.
    iou
        ``|N & F| / |N | F|``.
    signature
        Of the label sets in ``F``: equal for formulas that are the same on this data.
    """

    chain: Chain
    both: int
    total: int
    iou: float
    signature: int

    def order(self) -> tuple[float, int, tuple[int, ...], tuple[Operator, ...]]:
        """Sort key: larger IoU, shorter, lower label numbers, operators as they are listed."""
        return -self.iou, len(self.chain), self.chain.concepts, self.chain.operators


def distinct(formulas: Iterable[Scored]) -> list[Scored]:
    """Keep the first, by ``Scored.order``, of those that are the same on this data; sorted."""
    kept: dict[tuple[int, int, int], Scored] = {}
    for formula in sorted(formulas, key=Scored.order):
        kept.setdefault((formula.signature, formula.total, formula.both), formula)
    return list(kept.values())


def sets_in(chain: Chain, data: DataCounts) -> NDArray[np.bool_]:
    """Label sets on which a chain holds, ``(n_sets,)`` bool."""
    holds = np.zeros(len(data.sets), dtype=np.bool_)
    holds[data.postings.of(chain.concepts[0])] = True
    for operator, concept in zip(chain.operators, chain.concepts[1:], strict=True):
        carrying = data.postings.of(concept)
        match operator:
            case Operator.OR:
                holds[carrying] = True
            case Operator.AND:
                kept = carrying[holds[carrying]]
                holds = np.zeros_like(holds)
                holds[kept] = True
            case Operator.AND_NOT:
                holds[carrying] = False
    return holds


def extended_rows(
    chain: Chain,
    rows: Rows,
    operator: Operator,
    concept: int,
    concept_rows: Rows,
    data: DataCounts,
    hits: NDArray[np.int32],
) -> Rows:
    """Rows of ``chain op concept`` from the rows of both, by inclusion and exclusion."""
    both = intersection_rows(data, sets_in(chain, data), concept, hits)
    match operator:
        case Operator.AND:
            return both
        case Operator.AND_NOT:
            return Rows(
                rows.hits - both.hits,
                rows.totals - both.totals,
                rows.signatures ^ both.signatures,
            )
        case Operator.OR:
            return Rows(
                rows.hits + concept_rows.hits - both.hits,
                rows.totals + concept_rows.totals - both.totals,
                rows.signatures ^ concept_rows.signatures ^ both.signatures,
            )
