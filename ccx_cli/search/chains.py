"""Left chains ``((c1 op c2) op c3)``: how searches count, extend and compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Concept, Formula, Operator, join
from ccx_cli.formulas.truth import TruthTable
from ccx_cli.formulas.truth import holds as holds_among
from ccx_cli.search.counts import Counts, DataCounts, RangeCounts, joined_sums, sum_where

# The truth table of a concept alone; its other table of one, a leading NOT, starts no chain.
_CONCEPT = 0b10

_Key = tuple[tuple[float, ...], tuple[int, ...], tuple[Operator, ...]]


@dataclass(frozen=True, slots=True, order=True)
class Chain:
    """A left chain over positions in the concept index.

    Attributes
    ----------
    concepts
        One or more distinct positions.
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
        """Return the chain as a formula; ``numbers[position]`` is a concept's label number."""
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
        ``|N & F|`` and ``|F|``, pixels; the former a float for soft hits, else an int.
    iou
        ``|N & F| / |N | F|``.
    signature
        Of the label sets in ``F``: equal for formulas that are the same on this data.
    """

    chain: Chain
    both: Any
    total: int
    iou: float
    signature: int

    def beats(self, other: Scored, in_range: int) -> bool:
        """Compare two IoUs with a range of ``in_range`` pixels exactly, in whole numbers."""
        own_union = in_range + self.total - self.both
        other_union = in_range + other.total - other.both
        return bool(self.both * other_union > other.both * own_union)

    def counts(self) -> Counts:
        """Return the counts, as scalars that extend to any shape."""
        return Counts(
            np.array(self.both),
            np.array(self.total, dtype=np.int64),
            np.array(self.signature, dtype=np.uint64),
        )

    def order(self) -> tuple[float, int, tuple[int, ...], tuple[Operator, ...]]:
        """Sort key: larger IoU, shorter, lower label numbers, operators as they are listed."""
        return -self.iou, len(self.chain), self.chain.concepts, self.chain.operators


def distinct(
    formulas: Iterable[Scored], order: Callable[[Scored], Any] = Scored.order
) -> list[Scored]:
    """Keep the first, by ``order``, of those that are the same on this data; sorted."""
    kept: dict[tuple[int, int, float], Scored] = {}
    for formula in sorted(formulas, key=order):
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


def sum_of(values: NDArray[np.float64], chain: Chain, data: DataCounts) -> float:
    """Sum values of label sets, ``(n_sets,)``, over those on which a chain holds."""
    concepts = np.array(chain.concepts)
    operators = np.array([Operator.OR, *chain.operators], dtype=np.uint8)
    spans = data.postings.indptr[concepts], data.postings.indptr[concepts + 1]
    return sum_where(values, data.postings.sets, *spans, operators)


@dataclass(frozen=True, slots=True)
class Extensions:
    """One chain joined by one operator to every concept, exactly counted.

    Attributes
    ----------
    parent
        The chain, or ``None`` for the concepts alone.
    operator
        What joins the concept.
    counts, iou
        ``(n_concepts,)`` each, by concept.
    """

    parent: Chain | None
    operator: Operator
    counts: Counts
    iou: NDArray[np.float64]

    @classmethod
    def of_singles(cls, counts: RangeCounts) -> Extensions:
        """Count the concepts alone."""
        return cls(None, Operator.OR, counts.singles, counts.singles.iou(counts.in_range))

    def scored(self, concept: int) -> Scored:
        """Return the chain that ends with a concept."""
        parent, counts = self.parent, self.counts
        return Scored(
            Chain((concept,)) if parent is None else parent.extended(self.operator, concept),
            counts.hits[concept].item(),
            int(counts.totals[concept]),
            float(self.iou[concept]),
            int(counts.signatures[concept]),
        )


def extensions(member: Scored, rows: Counts, counts: RangeCounts) -> list[Extensions]:
    """Count every extension of a chain, whose ``rows`` are known, by the operators allowed."""
    own = member.counts()
    found = []
    for operator in counts.space.operators:
        joined = own.joined(operator, counts.singles, rows)
        found.append(Extensions(member.chain, operator, joined, joined.iou(counts.in_range)))
    return found


def rows_of_beam(
    beam: Iterable[Scored], known: Mapping[Chain, Counts], counts: RangeCounts
) -> dict[Chain, Counts]:
    """Return the rows of the beam's chains; ``known`` has them, or those of the parents."""
    rows = {}
    for chain in (member.chain for member in beam):
        if len(chain) == 1:
            rows[chain] = counts.rows(chain.concepts[0])
        elif chain in known:
            rows[chain] = known[chain]
        else:
            parent = Chain(chain.concepts[:-1], chain.operators[:-1])
            rows[chain] = extended_rows(parent, known[parent], chain, counts)
    return rows


def extended_rows(parent: Chain, rows: Counts, chain: Chain, counts: RangeCounts) -> Counts:
    """Rows of a chain from those of its parent, by inclusion and exclusion."""
    concept = chain.concepts[-1]
    both = counts.rows_with(sets_in(parent, counts.data), concept)
    return rows.joined(chain.operators[-1], counts.rows(concept), both)


def pixels_of(chain: Chain, counts: RangeCounts) -> tuple[Any, int]:
    """Count the pixels of any chain in range, and all; of one or two concepts from the tables."""
    if len(chain) <= 2:
        a, b = chain.concepts[0], chain.concepts[-1]
        operator = chain.operators[0] if chain.operators else Operator.AND
        both, total = (
            joined_sums(operator, table[a, a], table[b, b], table[a, b]).item()
            for table in (counts.pairs, counts.data.totals)
        )
    else:
        holds = sets_in(chain, counts.data)
        both = counts.hits[holds].sum(dtype=counts.pairs.dtype).item()
        total = int(counts.data.sets.totals[holds].sum())
    return both, total


def reordered(
    formula: Scored, counts: RangeCounts, score: Callable[[Any, int], float] | None = None
) -> Scored:
    """Write a formula's chain ``in_best_order``, by a score of pixels in range and all; by IoU."""

    def iou(both: float, total: int) -> float:
        union = counts.in_range + total - both
        return both / union if union else 0.0

    chain = in_best_order(formula.chain, lambda prefix: (score or iou)(*pixels_of(prefix, counts)))
    return replace(formula, chain=chain)


def in_best_order(chain: Chain, score_of: Callable[[Chain], float]) -> Chain:
    """Return the equivalent left chain whose prefixes score best.

    ``(a AND NOT b) AND c`` and ``(a AND c) AND NOT b`` are one formula. Studies ask for its left
    part, so that is made to mean something: the chain is written so that its longest proper prefix
    scores best, then the next shorter one, and so on; ties break to lower label numbers.

    Parameters
    ----------
    chain
        Any left chain of distinct concepts.
    score_of
        Gives the score of a chain on the data; asked for prefixes only, once for each.
    """
    known: dict[tuple[tuple[int, ...], int], tuple[_Key, Chain] | None] = {}

    def best(concepts: tuple[int, ...], table: int) -> tuple[_Key, Chain] | None:
        if len(concepts) == 1:
            return (((), concepts, ()), Chain(concepts)) if table == _CONCEPT else None
        if (concepts, table) not in known:
            options = []
            for position, concept in enumerate(concepts):
                last = _without_last(table, len(concepts), position)
                rest = last and best(concepts[:position] + concepts[position + 1 :], last[1])
                if last is None or rest is None:
                    continue
                (scores, _, _), prefix = rest
                whole = prefix.extended(last[0], concept)
                key = ((-score(prefix), *scores), whole.concepts, whole.operators)
                options.append((key, whole))
            known[concepts, table] = min(options, default=None)
        return known[concepts, table]

    scored: dict[Chain, float] = {}

    def score(prefix: Chain) -> float:
        if prefix not in scored:
            scored[prefix] = score_of(prefix)
        return scored[prefix]

    found = best(chain.concepts, _truth_table(chain))
    return chain if found is None else found[1]


def _truth_table(chain: Chain) -> int:
    """Bit ``i`` is the chain's value where concept ``p`` holds if bit ``p`` of ``i`` is set."""
    positions = tuple(range(len(chain)))
    formula = Chain(positions, chain.operators).formula(positions)
    return TruthTable(positions, holds_among(formula, positions)).number


def _without_last(table: int, n_concepts: int, position: int) -> tuple[Operator, int] | None:
    """Write a truth table as ``rest op concept``, if its concept at ``position`` can be last."""
    without = with_it = 0
    bit = 0
    for row in range(1 << n_concepts):
        if not row >> position & 1:
            without |= (table >> row & 1) << bit
            with_it |= (table >> (row | 1 << position) & 1) << bit
            bit += 1
    if with_it == (1 << bit) - 1:
        return Operator.OR, without
    if without == 0:
        return Operator.AND, with_it
    if with_it == 0:
        return Operator.AND_NOT, without
    return None
