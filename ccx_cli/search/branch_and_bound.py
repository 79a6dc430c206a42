"""One range's walk over the chains of up to three concepts: tables made, answers read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ccx_cli.formulas.formula import Operator
from ccx_cli.search import bar
from ccx_cli.search import branch_and_bound_kernel as kernel
from ccx_cli.search.chains import Chain, Scored, distinct, sets_in
from ccx_cli.search.counts import DataCounts, pair_hits, set_signatures
from ccx_cli.search.space import SearchSpace
from ccx_cli.search.writing import written_best

WALKED = 3
CAPACITY = 50_000
_OPERATORS: dict[int, tuple[Operator, ...]] = {
    bar.OR_OR: (Operator.OR, Operator.OR),
    bar.OR_AND: (Operator.OR, Operator.AND),
    bar.OR_NOT: (Operator.OR, Operator.AND_NOT),
    bar.AND_OR: (Operator.AND, Operator.OR),
    bar.AND_AND: (Operator.AND, Operator.AND),
    bar.AND_NOT: (Operator.AND, Operator.AND_NOT),
    bar.NOT_OR: (Operator.AND_NOT, Operator.OR),
    bar.NOT_NOT: (Operator.AND_NOT, Operator.AND_NOT),
    bar.OR: (Operator.OR,),
    bar.AND: (Operator.AND,),
    bar.NOT: (Operator.AND_NOT,),
    bar.SINGLE: (),
}
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Reached:
    """What a walk kept.

    Attributes
    ----------
    formulas
        Distinct formulas that reach the bar, best first.
    more
        How many more there were than could be kept.
    raised
        How often a better formula raised the bar.
    nodes
        Triples counted.
    """

    formulas: tuple[Scored, ...]
    more: int
    raised: int
    nodes: int


@dataclass(frozen=True)
class Walk:
    """The tables of one range.

    Attributes
    ----------
    data
        The data set's counts.
    space
        Concepts and operators to use.
    hits
        ``(n_sets,)`` int32, pixels in range by label set.
    pairs
        ``(n_concepts, n_concepts)`` int64, pixels in range that carry both concepts.
    in_range
        Pixels in range.
    """

    data: DataCounts
    space: SearchSpace
    hits: NDArray[np.int32]
    pairs: NDArray[np.int64]
    in_range: int

    @classmethod
    def prepare(cls, data: DataCounts, hits: NDArray[np.int32], space: SearchSpace) -> Walk:
        """Count the pairs of a range."""
        return cls(data, space, hits, pair_hits(data, hits), int(hits.sum(dtype=np.int64)))

    def best_of(self, length: int, floor: Scored | None) -> Reached:
        """Find the chains of ``length`` concepts that reach ``floor`` and that none beats."""
        if self.in_range == 0:
            return Reached((), 0, 0, 0)
        start = (0, 0, 0.0) if floor is None else (floor.both, floor.total, floor.iou)
        reached = self._walk(length, *start, rising=True)
        return replace(reached, formulas=tuple(f for f in reached.formulas if f.both))

    def reaching(self, length: int, iou: float) -> Reached:
        """Find all chains of ``length`` concepts with at least this IoU."""
        if self.in_range == 0:
            return Reached((), 0, 0, 0)
        return self._walk(length, 0, 0, iou, rising=False)

    def beats(self, a: Scored, b: Scored) -> bool:
        """Compare two IoUs exactly, in whole numbers."""
        a_union, b_union = self.in_range + a.total - a.both, self.in_range + b.total - b.both
        return a.both * b_union > b.both * a_union

    def written(self, formula: Scored) -> Scored:
        """Write a formula's chain in the order whose prefixes score best."""
        return replace(formula, chain=written_best(formula.chain, self.iou_of))

    def iou_of(self, chain: Chain) -> float:
        """IoU of any chain; of one or two concepts from the tables."""
        if len(chain) <= 2:
            both, total = (self._count(chain, table) for table in (self.pairs, self.data.totals))
        else:
            holds = sets_in(chain, self.data)
            both = int(self.hits[holds].sum(dtype=np.int64))
            total = int(self.data.sets.totals[holds].sum())
        union = self.in_range + total - both
        return both / union if union else 0.0

    @staticmethod
    def _count(chain: Chain, table: NDArray[np.int64]) -> int:
        """Count the pixels of a chain of one or two concepts from a table of pairs."""
        a, b = (*chain.concepts, *chain.concepts)[:2]
        single, other, common = int(table[a, a]), int(table[b, b]), int(table[a, b])
        match chain.operators:
            case (Operator.OR,):
                return single + other - common
            case (Operator.AND_NOT,):
                return single - common
            case _:
                return common

    def _walk(self, length: int, both: int, total: int, iou: float, *, rising: bool) -> Reached:
        data, sets = self.data, self.data.sets
        # A sum of n float64 terms errs by at most n units in its last place; the sums of a bound
        # have fewer terms than there are label sets, none above the number of pixels.
        slack = 8 * _EPSILON * (len(sets) + 64) * float(sets.totals.sum())
        numbers = np.array([both, total, 0, 0, 0, int(rising), 0], dtype=np.int64)
        goal = bar.Goal(
            self.in_range,
            numbers,
            np.array([iou, iou * self.in_range - slack]),
            slack,
            np.empty((CAPACITY, 6), dtype=np.int64),
        )
        members = self.space.concepts
        if length < WALKED:
            none = np.empty((0, 0))
            tables = bar.Pairs(self.pairs, data.totals, none, none)
            if length == 1:
                kernel.search_singles(members, tables, goal)
            else:
                kernel.search_pairs(members, self._allowed(), tables, goal)
        else:
            gain = kernel.positive_pairs(
                sets.indptr, sets.labels, self.hits, sets.totals, iou, data.n_concepts
            )
            weight = self.pairs - iou * (data.totals - self.pairs)
            tables = bar.Pairs(self.pairs, data.totals, weight, gain)
            order = np.argsort(-gain.diagonal()[members], kind="stable")
            label_sets = bar.Sets(
                sets.indptr,
                sets.labels,
                data.postings.indptr,
                data.postings.sets,
                self.hits,
                sets.totals,
            )
            kernel.search_triples(members[order], self._allowed(), label_sets, tables, goal)
        kept = goal.kept[: numbers[2]]
        formulas = distinct(self._formula(row) for row in kept)
        return Reached(tuple(formulas), int(numbers[4]), int(numbers[6]), int(numbers[3]))

    def _allowed(self) -> NDArray[np.bool_]:
        allowed = np.zeros(bar.N_FORMS, dtype=np.bool_)
        for form, operators in _OPERATORS.items():
            allowed[form] = set(operators) <= set(self.space.operators)
        return allowed

    def _formula(self, row: NDArray[np.int64]) -> Scored:
        form, a, b, c, both, total = (int(value) for value in row)
        operators = _OPERATORS[form]
        concepts = [a, b, c][: len(operators) + 1]
        # Where the order of the first two, or of the last two, does not matter, lower labels lead.
        if operators[:1] in ((Operator.OR,), (Operator.AND,)):
            concepts[:2] = sorted(concepts[:2])
        if form in (bar.OR_OR, bar.AND_AND):
            concepts.sort()
        if form == bar.NOT_NOT:
            concepts[1:] = sorted(concepts[1:])
        chain = Chain(tuple(concepts), operators)
        iou = both / (self.in_range + total - both)
        return Scored(chain, both, total, iou, self._signature(chain))

    def _signature(self, chain: Chain) -> int:
        """Signature of the label sets in a chain, from its concepts, pairs and triple."""
        x = self.data.signatures
        a, b, c = (*chain.concepts, -1, -1)[:3]
        value = int(x[a, a])
        if len(chain) == 1:
            return value
        ab, single_b = int(x[a, b]), int(x[b, b])
        first = chain.operators[0]
        value = _joined(first, value, single_b, ab)
        if len(chain) == 2:
            return value
        ac, bc = int(x[a, c]), int(x[b, c])
        abc = 0
        if self.data.totals[a, b] and self.data.totals[a, c] and self.data.totals[b, c]:
            abc = set_signatures(self.data, a, b, c)
        return _joined(chain.operators[1], value, int(x[c, c]), _joined(first, ac, bc, abc))


def _joined(operator: Operator, left: int, right: int, both: int) -> int:
    """Exclusive or over ``left op right``, given it over either side and over both."""
    match operator:
        case Operator.OR:
            return left ^ right ^ both
        case Operator.AND:
            return both
        case Operator.AND_NOT:
            return left ^ both
